"""From a source to described images of one size. Each image is decoded once, whatever comes and goes around it."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import PIL
from filelock import FileLock
from tqdm import tqdm

from darkroom import decoding, images, manifest
from darkroom.arrays import ArrayWriter
from darkroom.decoding import UNREADABLE, Content
from darkroom.errors import DarkroomError
from darkroom.params import PreprocessParams
from darkroom.samples import File, Sample
from darkroom.sources import Found

COPIED_BYTES = 2**22
"""At a time, from the ledger to the images of a run."""
FORMAT_OF_ENDING = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}


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
        lines = self._rows.read().split(b"\n")[:-1]  # one without an end is half-written
        # All at once: a call for each image would take longer than to look at its file.
        rows = json.loads(b"[" + b",".join(lines) + b"]")
        count = next((number for number, (_, place, *_) in enumerate(rows) if place >= self._stored), len(rows))
        self._known = {sha256: (place, Content(*values)) for sha256, place, *values in rows[:count]}
        whole = sum(map(len, lines[:count])) + count
        self._rows.truncate(whole)
        self._stored = 1 + max((place for place, _ in self._known.values()), default=-1)
        self._pixels.truncate(self._stored * self._image_bytes)
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._pixels.close()
        self._lock.release()

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._known

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __getitem__(self, sha256: str) -> Content:
        return self._known[sha256][1]

    def add(self, sha256: str, description: Content, pixels: bytes | None) -> None:
        """Keep what became of an image; one that cannot be used has no pixels."""
        if sha256 in self._known:
            return
        place = -1
        if pixels is not None:
            place, self._stored = self._stored, self._stored + 1
            self._pixels.write(pixels)
        self._known[sha256] = (place, description)
        self._rows.write(json.dumps([sha256, place, *description]).encode() + b"\n")

    def flush(self) -> None:
        """Hand all that was added to the system, pixels first: a row without its pixels would be a lie."""
        self._pixels.flush()
        self._rows.flush()

    def copy_pixels(self, order: Iterable[str], target: ArrayWriter) -> None:
        """Write the pixels of images in the order asked for."""
        places = np.array([self._known[sha256][0] for sha256 in order], dtype=np.int64)
        # What lies side by side, as most does, is read at once, up to a portion.
        portion = max(COPIED_BYTES // self._image_bytes, 1)
        for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1):
            for start in range(0, len(run), portion):
                self._pixels.seek(int(run[start]) * self._image_bytes)
                target.write(self._pixels.read(len(run[start : start + portion]) * self._image_bytes))


def _settings_digest(params: PreprocessParams) -> str:
    code = [Path(str(file)).read_bytes() for file in (images.__file__, decoding.__file__)]
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
    with tqdm(total=len(new), desc="reading images", unit=" images", disable=None) as progress:
        for portion in decoding.read_all(found, new, ledger, params):
            for number, sha256, content, image in portion:
                hashes[number] = sha256
                if content is None:
                    continue
                if sha256 == UNREADABLE:
                    unread[number] = content
                else:
                    ledger.add(sha256, content, image)
            ledger.flush()
            progress.update(len(portion))
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
        # A Path for each image would take longer than the rest.
        _note(os.path.splitext(sample.name)[1].lower(), description.format),  # noqa: PTH122
    )


@cache
def _note(ending: str, kind: str) -> str:
    """Say what is odd about a sound image of a format in a file with an ending."""
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
