"""Apply a function to many items in parallel; results keep the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD_BYTES = 2**28
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Apply a function in one thread per core (Pillow releases the GIL while decoding); see ``in_turn``."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from in_turn(pool, function, items)


def in_turn(
    pool: Executor,
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    size: Callable[[_Item], int] = lambda _: 0,
) -> Iterator[_Result]:
    """Apply a function in a pool and yield the results in order.

    Only a few items are submitted ahead: twice the number of cores, and ``AHEAD_BYTES`` unless a single one is larger.

    Args:
        pool: where the function runs.
        function: what to apply.
        items: its arguments.
        size: returns how many bytes an item holds in memory.
    """
    ahead: deque[tuple[Future[_Result], int]] = deque()
    held = 0
    for item in items:
        while ahead and held > AHEAD_BYTES:
            future, freed = ahead.popleft()
            held -= freed
            yield future.result()
        ahead.append((pool.submit(function, item), size(item)))
        held += ahead[-1][1]
        if len(ahead) > 2 * (os.cpu_count() or 1):
            future, freed = ahead.popleft()
            held -= freed
            yield future.result()
    while ahead:
        yield ahead.popleft()[0].result()
