"""Read and decode images on all cores.

Worker processes import this module, so it imports little else.
"""

import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from darkroom.base.environment import ignore_pillows_warnings
from darkroom.base.errors import DarkroomError, ImageError, ImageMemoryError
from darkroom.base.pools import in_turn
from darkroom.base.types import Pixels
from darkroom.data.formats.samples import File, Place, Sample, content_hash
from darkroom.data.ingestion.decoding import Content, describe
from darkroom.params import PreprocessParams

PORTION = 128  # images per task
PORTION_BYTES = 2**23
"""Limit of a task, encoded and decoded: tasks have fewer images if these are large, to bound memory."""
PROCESSES_FROM = 2000
"""Number of new images from which on processes decode them. Processes take half a second to start; threads share an
interpreter, in which Pillow parses file headers."""
TINY_BYTES = 4096
"""If all files are smaller, one thread decodes them: several spend more time waiting for the interpreter than decoding.
Two threads took 1.4 to 1.9 times as long as one for 32×32 pixels, and 0.7 times as long for 144×96."""
SIZES_CHECKED = 16  # files
UNREADABLE = ""  # replaces the hash of a file that could not be read


class Read(NamedTuple):
    """Result of reading one image."""

    number: int
    """Index of the sample."""
    sha256: str
    """Content hash, or ``UNREADABLE``."""
    content: Content | None
    """Measurements; None if the hash was known."""
    pixels: bytes | None
    """uint8 in C order; None if unusable or known."""


def read_all(
    found: Sequence[Sample], new: Iterable[int], known: Collection[str], params: PreprocessParams
) -> Iterator[list[Read]]:
    """Read images, and decode those with unknown content.

    Args:
        found: samples of a source.
        new: indices of the samples to read.
        known: content hashes; may grow during iteration.
        params: see ``describe``.

    Yields:
        Results in batches, in file order.

    Raises:
        DarkroomError: a worker process was killed.
    """
    in_order = sorted(new, key=lambda index: found[index].order)
    with _pool([found[index].place for index in in_order], known, params) as (pool, read_portion):
        portions = split_up(found, in_order, PORTION_BYTES // math.prod(params.size))
        yield from in_turn(pool, read_portion, portions, portion_size)


Portion = list[tuple[int, File | bytes | Pixels | ImageError]]
_ReadPortion = Callable[[Portion], list[Read]]


@contextmanager
def _pool(
    places: Sequence[Place], known: Collection[str], params: PreprocessParams
) -> Iterator[tuple[Executor, _ReadPortion]]:
    """Choose threads or processes, by the number and size of the images."""
    if len(places) < PROCESSES_FROM:
        with ThreadPoolExecutor(1 if _are_tiny(places[:SIZES_CHECKED]) else os.cpu_count()) as threads:
            yield threads, partial(_read_portion, known, params)
        return
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(os.cpu_count(), context, initializer=_start_worker, initargs=(frozenset(known), params))
    try:
        with pool:
            yield pool, _read_in_worker
    except BrokenProcessPool:
        raise DarkroomError(
            "a worker process was killed while decoding images, perhaps because memory ran out; decoded "
            "images are kept: run again"
        ) from None


def _are_tiny(places: Iterable[Place]) -> bool:
    paths = [Path(place.path) for place in places if isinstance(place, File)]
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return bool(sizes) and max(sizes) < TINY_BYTES


def split_up(found: Sequence[Sample], order: Iterable[int], most: int) -> Iterator[Portion]:
    """Divide images into tasks. Images inside larger files are read here, because those are read sequentially."""
    most = max(min(most, PORTION), 1)
    portion: Portion = []
    size = 0
    for index in order:
        place = found[index].place
        if isinstance(place, File):
            portion.append((index, place))
        else:
            content = read_content(place)
            portion.append((index, content))
            size += _size(content)
        if len(portion) == most or size > PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def read_content(place: Place) -> bytes | Pixels | ImageError:
    """Return the content of an image, or the error that prevents reading it."""
    try:
        return place.read()
    except ImageError as error:
        return error


def _size(content: bytes | Pixels | ImageError) -> int:
    if isinstance(content, bytes):
        return len(content)
    return content.nbytes if isinstance(content, np.ndarray) else 0


def portion_size(portion: Portion) -> int:
    """Return the bytes that a task holds in memory before it runs."""
    return sum(_size(content) for _, content in portion if not isinstance(content, File))


def _read_portion(known: Container[str], params: PreprocessParams, portion: Portion) -> list[Read]:
    return [_read_one(known, params, index, place) for index, place in portion]


def _read_one(
    known: Container[str], params: PreprocessParams, index: int, place: File | bytes | Pixels | ImageError
) -> Read:
    content = read_content(place) if isinstance(place, File) else place
    sha256 = UNREADABLE if isinstance(content, ImageError) else content_hash(content)
    if sha256 in known:
        return Read(index, sha256, None, None)
    try:
        described, pixels = describe(content, params)
    except ImageMemoryError as error:  # not remembered by content: the next run may have more
        return Read(index, UNREADABLE, Content(str(error)), None)
    return Read(index, sha256, described, None if pixels is None else pixels.tobytes())


_worker_args: tuple[Container[str], PreprocessParams]
"""Arguments of ``_start_worker`` in a worker process."""


def _start_worker(known: Container[str], params: PreprocessParams) -> None:
    global _worker_args  # noqa: PLW0603 - set once per process
    _worker_args = known, params
    ignore_pillows_warnings()
    # The parent handles Ctrl-C and ends its workers; a worker must also end if the parent is killed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _read_in_worker(portion: Portion) -> list[Read]:
    return _read_portion(*_worker_args, portion)
