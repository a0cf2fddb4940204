"""Apply a function to many items in parallel; results keep the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Apply a function in one thread per core (Pillow releases the GIL while decoding); see ``in_turn``."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from in_turn(pool, function, items)


def in_turn(pool: Executor, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Apply a function in a pool and yield the results in order; only a few items are submitted ahead."""
    ahead: deque[Future[_Result]] = deque()
    for item in items:
        ahead.append(pool.submit(function, item))
        if len(ahead) > 2 * (os.cpu_count() or 1):
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()
