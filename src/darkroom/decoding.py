"""Images decoded, measured and brought to the pipeline's size, on all cores.

A process that does so imports this module and little else, as it is started for it.
"""

import math
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from darkroom import images
from darkroom.errors import DarkroomError, ImageError
from darkroom.images import Pixels
from darkroom.params import PreprocessParams
from darkroom.samples import File, Place, Sample, content_hash, open_image

PORTION = 128  # images
PORTION_BYTES = 2**23
"""Of a portion before it is decoded and after: with large images it has fewer, so that memory does not grow with their
size."""
PROCESSES_FROM = 2000
"""New images, from which on processes decode them: their start takes half a second, and threads share an interpreter,
in which Pillow reads the heads of files."""
TINY_BYTES = 4096
"""Of a file: where all are smaller, threads wait for each other longer than they decode. Two took 1.4 to 1.9 times as
long as one with 32×32 pixels, and 0.7 times with 144×96."""
LOOKED_AT = 16  # files, to know their size
UNREADABLE = ""  # stands for the hash of what could not even be read
MEASURED_SIDE = 96
"""Pixels: a large image is averaged over squares before it is measured, to no less than this on its shorter side."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Content(NamedTuple):
    """What is known of an image's content, or why it cannot be used."""

    refusal: str | None
    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    pixel_mean: float = 0.0
    pixel_deviation: float = 0.0
    red: float = 0.0
    green: float = 0.0
    blue: float = 0.0


def describe(content: bytes | Pixels | ImageError, params: PreprocessParams) -> tuple[Content, Pixels | None]:
    """Decode an image.

    Brightness, contrast and colours are those of the image as it came: what is learnt of them must hold for another
    size or border as well.

    Args:
        content: see ``Sample.content``; or why there is none.
        params: size, interpolation, rule for the proportions, background.

    Returns:
        What is known of it, and its pixels: uint8 of shape ``params.size``, or None where it cannot be used.
    """
    if isinstance(content, ImageError):
        return Content(str(content)), None
    height, width, channels = params.size
    try:
        decoded = open_image(content, images.least_side(params.size, params.interpolation))
        image = decoded.image
        pixels = images.to_pixels(
            image, params.size, params.interpolation, params.aspect, params.background, decoded.box
        )
        colour = images.to_channels(image, 3, params.background)
    except ImageError as error:
        return Content(str(error)), None
    if colour.size == (width, height) and channels == 3:  # noqa: PLR2004
        measured = pixels  # the same, and taking pixels out of an image takes time
    elif (squares := min(colour.size) // MEASURED_SIDE) > 1:
        measured = np.asarray(colour.reduce(squares))
    else:
        measured = np.asarray(colour)
    mean, deviation = np.ravel(cv2.meanStdDev(cv2.cvtColor(measured, cv2.COLOR_RGB2GRAY))).tolist()
    red, green, blue, _ = cv2.mean(measured)
    kind = image.format or ""
    return Content(None, decoded.width, decoded.height, image.mode, kind, mean, deviation, red, green, blue), pixels


class Read(NamedTuple):
    """What came of an image of a source."""

    number: int
    """Its place among the samples."""
    sha256: str
    """Of its content, or ``UNREADABLE``."""
    content: Content | None
    """None where it is known."""
    pixels: bytes | None
    """Of uint8 in C order, where it can be used and is not known."""


def read_all(
    found: Sequence[Sample], new: Iterable[int], known: Collection[str], params: PreprocessParams
) -> Iterator[list[Read]]:
    """Read images, and decode those whose content is not known.

    Args:
        found: the images of a source.
        new: the numbers of those to be read.
        known: hashes of contents; it may grow meanwhile.
        params: see ``describe``.

    Yields:
        Portions of them, in the order in which they lie in their files.

    Raises:
        DarkroomError: a process that decodes was killed.
    """
    in_order = sorted(new, key=lambda index: found[index].order)
    with _pool([found[index].place for index in in_order], known, params) as (pool, read_portion):
        yield from in_turn(pool, read_portion, _portions(found, in_order, PORTION_BYTES // math.prod(params.size)))


_Portion = list[tuple[int, File | bytes | Pixels | ImageError]]
_ReadPortion = Callable[[_Portion], list[Read]]


@contextmanager
def _pool(
    places: Sequence[Place], known: Collection[str], params: PreprocessParams
) -> Iterator[tuple[Executor, _ReadPortion]]:
    """Choose how to read so many images, of such a size."""
    if len(places) < PROCESSES_FROM:
        with ThreadPoolExecutor(1 if _are_tiny(places[:LOOKED_AT]) else os.cpu_count()) as threads:
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
            "a process that decodes images was killed, perhaps for want of memory; the images that were decoded stay, "
            "so run it again"
        ) from None


def _are_tiny(places: Iterable[Place]) -> bool:
    paths = [Path(place.path) for place in places if isinstance(place, File)]
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return bool(sizes) and max(sizes) < TINY_BYTES


def _portions(found: Sequence[Sample], order: Iterable[int], most: int) -> Iterator[_Portion]:
    """Divide images into portions; those in a packed file are read here, one after the other, as it wants it."""
    most = max(min(most, PORTION), 1)
    portion: _Portion = []
    size = 0
    for index in order:
        place = found[index].place
        if isinstance(place, File):
            portion.append((index, place))
        else:
            content = _content(place)
            portion.append((index, content))
            size += _size(content)
        if len(portion) == most or size > PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _content(place: Place) -> bytes | Pixels | ImageError:
    try:
        return place.read()
    except ImageError as error:
        return error


def _size(content: bytes | Pixels | ImageError) -> int:
    if isinstance(content, bytes):
        return len(content)
    return content.nbytes if isinstance(content, np.ndarray) else 0


def _read_portion(known: Container[str], params: PreprocessParams, portion: _Portion) -> list[Read]:
    return [_read_one(known, params, index, place) for index, place in portion]


def _read_one(
    known: Container[str], params: PreprocessParams, index: int, place: File | bytes | Pixels | ImageError
) -> Read:
    content = _content(place) if isinstance(place, File) else place
    sha256 = UNREADABLE if isinstance(content, ImageError) else content_hash(content)
    if sha256 in known:
        return Read(index, sha256, None, None)
    described, pixels = describe(content, params)
    return Read(index, sha256, described, None if pixels is None else pixels.tobytes())


_given: tuple[Container[str], PreprocessParams]
"""In a process that reads images: what it was started with."""


def _start_worker(known: Container[str], params: PreprocessParams) -> None:
    global _given  # noqa: PLW0603 - one for the life of the process
    _given = known, params
    # Who interrupts means the process that gathers, which ends this one; and this one must not outlive a killed one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _read_in_worker(portion: _Portion) -> list[Read]:
    return _read_portion(*_given, portion)


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Apply a function on all cores (Pillow frees the interpreter while it decodes); see ``in_turn``."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from in_turn(pool, function, items)


def in_turn(pool: Executor, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Apply a function in a pool; return the results in the order of the items, which are taken a few ahead."""
    ahead: deque[Future[_Result]] = deque()
    for item in items:
        ahead.append(pool.submit(function, item))
        if len(ahead) > 2 * (os.cpu_count() or 1):
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()
