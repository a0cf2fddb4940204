"""From a source to described images of one size. Each image is decoded once, whatever comes and goes around it."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock
from pyarrow import csv
from tqdm import tqdm

from darkroom import decoding, file_states, images, manifest
from darkroom.arrays import ArrayWriter
from darkroom.decoding import UNREADABLE, Content
from darkroom.errors import DarkroomError
from darkroom.params import PreprocessParams
from darkroom.samples import Sample
from darkroom.sources import Found

COPIED_BYTES = 2**22
"""At a time, from the ledger to the images of a run."""
FORMAT_OF_ENDING = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}
ROW = pa.schema(
    [
        ("sha256", pa.string()),
        ("place", pa.int64()),
        *((name, pa.type_for_alias(manifest.COLUMNS[name])) for name in Content._fields[1:]),
        ("refusal", pa.string()),
    ]
)
"""Of the ledger: a content, the place of its pixels or -1, what is known of it, and why it cannot be used, as JSON."""


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
        self.files = self._folder / "files.arrow"
        """See ``file_states``; belongs to who holds the ledger."""
        self._size = params.size
        self._image_bytes = int(np.prod(params.size))
        self.known: set[str] = set()
        """The SHA-256 of each content."""
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder.with_suffix(".lock"))

    def __enter__(self) -> Self:
        self._lock.acquire()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pixels = (self._folder / "pixels").open("a+b")
        self._rows = (self._folder / "rows.tsv").open("a+b")
        stored = self._pixels.seek(0, os.SEEK_END) // self._image_bytes
        self._rows.seek(0)
        content = self._rows.read()
        whole = content[: content.rfind(b"\n") + 1]  # a row without an end is half-written
        table = _parsed(whole)
        places = table["place"].to_numpy()
        if len(without_pixels := np.flatnonzero(places >= stored)):
            count = int(without_pixels[0])
            whole = b"".join(whole.splitlines(keepends=True)[:count])
            table, places = table[:count], places[:count]
        self._rows.truncate(len(whole))
        self._stored = 1 + int(places.max(initial=-1))
        self._pixels.truncate(self._stored * self._image_bytes)
        self._table = table
        self._added: list[bytes] = []
        self.known = set(table["sha256"].to_pylist())
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._pixels.close()
        self._lock.release()

    def holds(self, hashes: pa.ChunkedArray) -> pa.ChunkedArray:
        """Say of each content whether it was known at the beginning; of none that is missing."""
        return pc.is_in(hashes, self._table["sha256"])

    def add(self, sha256: str, description: Content, pixels: bytes | None) -> None:
        """Keep what became of an image; one that cannot be used has no pixels."""
        if sha256 in self.known:
            return
        place = -1
        if pixels is not None:
            place, self._stored = self._stored, self._stored + 1
            self._pixels.write(pixels)
        refusal, *measured = description
        row = "\t".join(map(str, (sha256, place, *measured, json.dumps(refusal)))).encode() + b"\n"
        self.known.add(sha256)
        self._rows.write(row)
        self._added.append(row)

    def flush(self) -> None:
        """Hand all that was added to the system, pixels first: a row without its pixels would be a lie."""
        self._pixels.flush()
        self._rows.flush()

    def describe(self, hashes: pd.Series) -> pd.DataFrame:
        """Return a row for each of the contents, in their order: ``ROW``, ``refusal`` missing where there is none."""
        rows = pa.concat_tables([self._table, _parsed(b"".join(self._added))])
        numbers = pc.index_in(pa.array(hashes, pa.string()), rows["sha256"])
        described: pd.DataFrame = rows.take(numbers).to_pandas()
        return described.set_axis(hashes.index)

    def copy_pixels(self, places: npt.NDArray[np.int64], path: Path) -> None:
        """Write an array of the pixels at these places, in their order."""
        # What lies side by side, as most does, is read at once, up to a portion.
        portion = max(COPIED_BYTES // self._image_bytes, 1)
        with ArrayWriter(path, (len(places), *self._size)) as target:
            for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1):
                for start in range(0, len(run), portion):
                    self._pixels.seek(int(run[start]) * self._image_bytes)
                    target.write(self._pixels.read(len(run[start : start + portion]) * self._image_bytes))


def _parsed(rows: bytes) -> pa.Table:
    """Read rows of the ledger."""
    if not rows:
        return ROW.empty_table()
    return csv.read_csv(
        pa.BufferReader(rows),
        csv.ReadOptions(column_names=ROW.names),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types=ROW, null_values=["null"], strings_can_be_null=True),
    )


def _settings_digest(params: PreprocessParams) -> str:
    code = [Path(str(file)).read_bytes() for file in (images.__file__, decoding.__file__)]
    settings = [params.size, params.interpolation, params.aspect, params.background, PIL.__version__, ROW.names]
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
    unnamed = [one for one in source.samples if not (one.name.isascii() or _is_text(one.name))]
    found = [one for one in source.samples if _is_text(one.name)] if unnamed else source.samples
    try:
        with Ledger(folder, params) as ledger:
            files = file_states.look([sample.place for sample in found])
            hashes, refused = _read_all(found, files, ledger, params)
            described = ledger.describe(hashes[hashes != UNREADABLE])
            sound = described["refusal"].isna()
            usable = described[sound]
            for number in described.index[~sound]:
                refused[number] = json.loads(described["refusal"][number])
            if pixels:
                ledger.copy_pixels(usable["place"].to_numpy(), pixels)
            file_states.remember(files, hashes, ledger.files)
            table = _manifest([found[number] for number in usable.index], usable)
    except OSError as error:
        raise DarkroomError(
            f"{error.filename or folder}: {error.strerror}; the images that were decoded stay, so run it again"
        ) from None
    unused = [
        (found[number].name, found[number].label, refusal, "repair or replace the file, or remove it")
        for number, refusal in sorted(refused.items())
    ]
    rename = "rename or remove it"
    illegible = [(_legible(one.name), _legible(one.label), "its name is not UTF-8", rename) for one in unnamed]
    foreign = [(_legible(name), "", "its ending is not an image's", rename) for name in source.left_out]
    return Ingested(table, manifest.quarantine_from_rows(unused + illegible + foreign))


def _is_text(name: str) -> bool:
    """Say whether a name is UTF-8, as tables want it; a file system takes any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _legible(name: str) -> str:
    """Write bytes that are no text by their numbers."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _read_all(
    found: Sequence[Sample], files: pa.Table, ledger: Ledger, params: PreprocessParams
) -> tuple[pd.Series, dict[int, str]]:
    """Put what is new into the ledger; return the hash of each image, and why some could not even be read."""
    remembered = file_states.remembered_hashes(files, ledger.files)
    hashes = pd.Series(pc.if_else(ledger.holds(remembered), remembered, UNREADABLE), dtype="str")
    new = np.flatnonzero(hashes == UNREADABLE).tolist()
    read: dict[int, str] = {}
    unread: dict[int, str] = {}
    with tqdm(total=len(new), desc="reading images", unit=" images", disable=None) as progress:
        for portion in decoding.read_all(found, new, ledger.known, params):
            for number, sha256, content, image in portion:
                read[number] = sha256
                if content is None:
                    continue
                if content.refusal is not None and sha256 == UNREADABLE:
                    unread[number] = content.refusal
                else:
                    ledger.add(sha256, content, image)
            ledger.flush()
            progress.update(len(portion))
    hashes[list(read)] = list(read.values())
    return hashes, unread


def _manifest(samples: Sequence[Sample], described: pd.DataFrame) -> pd.DataFrame:
    described = described.reset_index(drop=True)
    texts = {
        "name": [sample.name for sample in samples],
        "label": [sample.label for sample in samples],
        "given_split": [sample.split or "" for sample in samples],
        "group": [sample.group for sample in samples],
    }
    columns = {name: pd.Series(pa.array(text, pa.large_string()), dtype="str") for name, text in texts.items()}
    note = _notes(columns["name"], described["format"])
    return manifest.from_columns({**described, **columns, "note": note})


def _notes(names: pd.Series, kinds: pd.Series) -> pd.Series:
    """Say what is odd about sound images of some formats in files of these names; nothing of most."""
    notes = pd.Series("", names.index, dtype="str")
    lowered = names.str.lower()
    for kind in filter(None, kinds.unique()):
        # Cameras write several pictures into one JPEG file, which Pillow calls MPO.
        written = kind.replace("MPO", "JPEG")
        fitting = [end for end in images.ENDINGS if FORMAT_OF_ENDING.get(end, end[1:].upper()) == written]
        others = [end for end in images.ENDINGS if end not in fitting]
        odd = lowered[(kinds == kind) & ~lowered.str.endswith(tuple(fitting))]
        for ending in others if len(odd) else ():
            notes[odd.index[odd.str.endswith(ending)]] = f"a {kind} named {ending}"
    return notes
