"""From a source to described images of one size. Each image is decoded once, whatever comes and goes around it."""

import hashlib
import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import pandas as pd
import PIL
from filelock import FileLock
from tqdm import tqdm

from darkroom import images, manifest
from darkroom.arrays import ArrayWriter
from darkroom.errors import DarkroomError, ImageError
from darkroom.params import PreprocessParams
from darkroom.samples import File, Sample, content_hash, open_image
from darkroom.sources import Found

PORTION = 32  # images
PORTION_BYTES = 2**23
"""With large images a portion has fewer, so that memory does not grow with their size."""
UNREADABLE = ""  # stands for the hash of what could not even be read

VALUES = np.arange(256)
FORMAT_OF_ENDING = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}

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


@dataclass(frozen=True)
class Ingested:
    """What came of a source: every file is in one of the two tables."""

    manifest: pd.DataFrame
    """See ``manifest.COLUMNS``; in the order of the source."""
    quarantine: pd.DataFrame
    """See ``manifest.QUARANTINE_COLUMNS``."""


class Ledger:
    """Images decoded before, by their content: a file of pixels and one of descriptions, to which both are added.

    One process at a time has it, others wait. What an interruption leaves half-written at their ends is cut off. The
    folder's name stands for all that decides what pixels become of an image: size and rules, the code that decodes,
    and Pillow's version.
    """

    def __init__(self, folder: Path, params: PreprocessParams) -> None:
        self._folder = folder / _settings_digest(params)
        self.stamps = self._folder / "files.json"
        """Belongs to ``_Stamps``, and to who holds the ledger."""
        self._image_bytes = int(np.prod(params.size))
        self._known: dict[str, tuple[int, Content]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder.with_suffix(".lock"))

    def __enter__(self) -> Self:
        self._lock.acquire()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pixels = (self._folder / "pixels").open("a+b")
        self._rows = (self._folder / "rows.jsonl").open("a+b")
        self._stored = self._pixels.seek(0, os.SEEK_END) // self._image_bytes
        self._rows.seek(0)
        whole = 0
        for line in self._rows:
            if not line.endswith(b"\n"):
                break
            sha256, place, *values = json.loads(line)
            if place >= self._stored:
                break
            self._known[sha256] = (place, Content(*values))
            whole += len(line)
        self._rows.truncate(whole)
        self._stored = 1 + max((place for place, _ in self._known.values()), default=-1)
        self._pixels.truncate(self._stored * self._image_bytes)
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._pixels.close()
        self._lock.release()

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._known

    def __getitem__(self, sha256: str) -> Content:
        return self._known[sha256][1]

    def add(self, sha256: str, description: Content, pixels: images.Pixels | None) -> None:
        """Keep what became of an image; one that cannot be used has no pixels."""
        if sha256 in self._known:
            return
        place = -1
        if pixels is not None:
            place, self._stored = self._stored, self._stored + 1
            self._pixels.write(pixels.tobytes())
        self._known[sha256] = (place, description)
        self._rows.write(json.dumps([sha256, place, *description]).encode() + b"\n")

    def flush(self) -> None:
        """Hand all that was added to the system, pixels first: a row without its pixels would be a lie."""
        self._pixels.flush()
        self._rows.flush()

    def copy_pixels(self, order: Iterable[str], target: ArrayWriter) -> None:
        """Write the pixels of images in the order asked for."""
        for sha256 in order:
            self._pixels.seek(self._known[sha256][0] * self._image_bytes)
            target.write(self._pixels.read(self._image_bytes))


def _settings_digest(params: PreprocessParams) -> str:
    code = [Path(str(file)).read_bytes() for file in (images.__file__, __file__)]
    settings = [params.size, params.interpolation, params.aspect, params.background, PIL.__version__]
    return hashlib.sha256(json.dumps(settings).encode() + b"".join(code)).hexdigest()[:16]


def ingest(source: Found, params: PreprocessParams, folder: Path, pixels: Path | None) -> Ingested:
    """Read every image, decode those whose content is new, and describe them.

    Args:
        source: what the source holds.
        params: size, interpolation, rule for the proportions, background.
        folder: keeps what was decoded, for the next call.
        pixels: the file of all usable images, in the order of the manifest: uint8 of shape (images, height, width,
            channels) in NumPy's format; None where the tables are enough.

    Raises:
        DarkroomError: the disk is full, or the like.
    """
    found = source.samples
    try:
        with Ledger(folder, params) as ledger:
            hashes, described = _read_all(found, ledger, params)
            usable = [index for index, content in enumerate(described) if content.refusal is None]
            if pixels is not None:
                with ArrayWriter(pixels, (len(usable), *params.size)) as target:
                    ledger.copy_pixels((hashes[index] for index in usable), target)
    except OSError as error:
        raise DarkroomError(
            f"{error.filename or folder}: {error.strerror}; the images that were decoded stay, so run it again"
        ) from None
    refused = [
        (sample.name, sample.label, content.refusal, "repair or replace the file, or remove it")
        for sample, content in zip(found, described, strict=True)
        if content.refusal is not None
    ]
    foreign = [(name, "", "its ending is not an image's", "rename or remove it") for name in source.left_out]
    return Ingested(
        manifest.from_rows(_row(found[index], hashes[index], described[index]) for index in usable),
        manifest.quarantine_from_rows(refused + foreign),
    )


def _read_all(found: Sequence[Sample], ledger: Ledger, params: PreprocessParams) -> tuple[list[str], list[Content]]:
    """Put what is new into the ledger; return the hash of each image, and what is known of it."""
    stamps = _Stamps(ledger.stamps)
    known = [stamps.look(sample) for sample in found]
    hashes = [sha256 if sha256 is not None and sha256 in ledger else UNREADABLE for sha256 in known]
    new = [number for number, sha256 in enumerate(hashes) if sha256 == UNREADABLE]
    unread: dict[int, Content] = {}
    for portion in _described(found, new, ledger, params):
        for number, sha256, content, image in portion:
            hashes[number] = sha256
            if content is None:
                continue
            if sha256 == UNREADABLE:
                unread[number] = content
            else:
                ledger.add(sha256, content, image)
        ledger.flush()
    stamps.write(found, hashes)
    return hashes, [unread[number] if number in unread else ledger[sha256] for number, sha256 in enumerate(hashes)]


def _row(sample: Sample, sha256: str, description: Content) -> tuple[Any, ...]:
    return (
        sample.name,
        sample.label,
        sha256,
        *description[1:],
        sample.split or "",
        sample.group,
        _note(sample.name, description.format),
    )


def _note(name: str, kind: str) -> str:
    """Say what is odd about a sound image."""
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path for each image would take longer than the rest
    if ending not in images.ENDINGS or not kind:
        return ""
    # Cameras write several pictures into one JPEG file, which Pillow calls MPO.
    if FORMAT_OF_ENDING.get(ending, ending[1:].upper()) != kind.replace("MPO", "JPEG"):
        return f"a {kind} named {ending}"
    return ""


class _Stamps:
    """What the files of a source were like when they were read: one that is still like it need not be read again.

    Size, time of change and number of the file, as DVC goes by.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = json.loads(path.read_bytes()) if path.is_file() else {}
        self._now: dict[str, list[Any]] = {}

    def look(self, sample: Sample) -> str | None:
        """Look at a file before it is read; return its SHA-256 where it is as it was, else None."""
        if not isinstance(sample.place, File):
            return None
        path = sample.place.path
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path for each image would take longer
        except OSError:
            return None
        self._now[path] = [status.st_size, status.st_mtime_ns, status.st_ino]
        known = self._known.get(path)
        return known[3] if known is not None and known[:3] == self._now[path] else None

    def write(self, found: Sequence[Sample], hashes: Sequence[str]) -> None:
        """Replace what was known by what is known now."""
        pairs = ((sample.place, sha256) for sample, sha256 in zip(found, hashes, strict=True))
        rows = {place.path: [*self._now[place.path], sha256] for place, sha256 in pairs
                if isinstance(place, File) and sha256 != UNREADABLE and place.path in self._now}  # fmt: skip
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(rows), encoding="utf-8")
        temporary.replace(self._path)


class _Read(NamedTuple):
    number: int
    sha256: str
    description: Content | None
    """None where the ledger has it."""
    pixels: images.Pixels | None


def _described(
    found: Sequence[Sample], new: Sequence[int], ledger: Ledger, params: PreprocessParams
) -> Iterator[list[_Read]]:
    def describe_portion(portion: list[tuple[int, bytes | images.Pixels | ImageError]]) -> list[_Read]:
        return [_describe(index, content, ledger, params) for index, content in portion]

    in_order = sorted(new, key=lambda index: found[index].order)
    with tqdm(total=len(new), desc="reading images", unit=" images", disable=None) as progress:
        for portion in in_threads(describe_portion, _portions(found, in_order)):
            progress.update(len(portion))
            yield portion


def _portions(
    found: Sequence[Sample], order: Iterable[int]
) -> Iterator[list[tuple[int, bytes | images.Pixels | ImageError]]]:
    """Read images in portions, one after the other, as a packed file wants it."""
    portion: list[tuple[int, bytes | images.Pixels | ImageError]] = []
    size = 0
    for index in order:
        content: bytes | images.Pixels | ImageError
        try:
            content = found[index].place.read()
            size += len(content) if isinstance(content, bytes) else content.nbytes
        except ImageError as error:
            content = error
        portion.append((index, content))
        if len(portion) == PORTION or size > PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _describe(
    index: int, content: bytes | images.Pixels | ImageError, ledger: Ledger, params: PreprocessParams
) -> _Read:
    if isinstance(content, ImageError):
        return _Read(index, UNREADABLE, Content(str(content)), None)
    sha256 = content_hash(content)
    if sha256 in ledger:
        return _Read(index, sha256, None, None)
    try:
        image = open_image(content)
        pixels = images.to_pixels(image, params.size, params.interpolation, params.aspect, params.background)
        grey = images.to_channels(image, 1, params.background)
    except ImageError as error:
        return _Read(index, sha256, Content(str(error)), None)
    mean, deviation = _statistics(grey.histogram())
    # Of the image as it came: what is learnt of them must hold for another size or border as well.
    colour = images.to_channels(image, 3, params.background)
    red, green, blue = (np.reshape(colour.histogram(), (3, -1)) @ VALUES / (image.width * image.height)).tolist()
    kind = image.format or ""
    described = Content(None, image.width, image.height, image.mode, kind, mean, deviation, red, green, blue)
    return _Read(index, sha256, described, pixels)


def _statistics(histogram: Sequence[int]) -> tuple[float, float]:
    """Return mean and standard deviation of grey values, exactly, from how often each occurs."""
    counts = np.array(histogram)
    count, total, squares = int(counts.sum()), int(counts @ VALUES), int(counts @ VALUES**2)
    mean = total / count
    return mean, math.sqrt(max(squares * count - total**2, 0)) / count


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Apply a function on all cores (Pillow frees the interpreter while it decodes), in order and a few items ahead."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        ahead: deque[Future[_Result]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 2 * cores:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
