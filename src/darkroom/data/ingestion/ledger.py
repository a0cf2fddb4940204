"""Cache of decoded images between runs of ingestion."""

import hashlib
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from darkroom.base.files import set_aside
from darkroom.base.project import lock
from darkroom.data.formats import manifest, pictures
from darkroom.data.formats.arrays import ArrayWriter
from darkroom.data.ingestion import decoding, reading
from darkroom.data.ingestion.decoding import Content
from darkroom.inference import images
from darkroom.params import PreprocessParams

MODULES = (pictures, decoding, reading)
"""With the package ``inference``, the code that determines what is remembered."""
COPIED_BYTES = 2**22
"""Bytes read at a time when pixels are copied."""
ROW = pa.schema(
    [
        ("sha256", pa.string()),
        ("place", pa.int64()),
        *((name, pa.type_for_alias(manifest.COLUMNS[name])) for name in Content._fields[1:]),
        ("refusal", pa.string()),
    ]
)
"""Columns: content hash, index of its pixels or -1, measurements, and why it cannot be used, as JSON."""


class Ledger:
    """Decoded images by content hash, in two append-only files: pixels and measurements.

    A lock admits one process at a time. Incomplete data at the end of either file, left by an interruption, is
    truncated. The folder's name is a digest of everything that determines the pixels: size and rules, the decoding
    code, and Pillow's version.
    """

    def __init__(self, folder: Path, params: PreprocessParams) -> None:
        self._folder = folder / _settings_digest(params)
        self.files = self._folder / "files.arrow"
        """Used by ``file_states``; access only while the ledger is open."""
        self._size = params.size
        self._image_bytes = int(np.prod(params.size))
        self.known: set[str] = set()
        """SHA-256 of every content in the ledger."""
        folder.mkdir(parents=True, exist_ok=True)
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self._held.enter_context(lock(self._folder.with_suffix(".lock")))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pixels = (self._folder / "pixels").open("a+b")
        self._rows = (self._folder / "rows.tsv").open("a+b")
        stored = self._pixels.seek(0, os.SEEK_END) // self._image_bytes
        self._rows.seek(0)
        content = self._rows.read()
        whole = content[: content.rfind(b"\n") + 1]  # drop an incomplete last row
        try:
            table = _parsed(whole)
        except pa.ArrowInvalid as error:
            self._rows.close()
            aside = set_aside(self._folder / "rows.tsv")
            print(f"the list of decoded images is damaged ({error}); kept as {aside}, all images are decoded again")
            self._rows, table, whole = (self._folder / "rows.tsv").open("a+b"), ROW.empty_table(), b""
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
        self._held.close()

    def holds(self, hashes: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return for each hash whether it was in the ledger when it was opened; False for nulls."""
        return pc.is_in(hashes, self._table["sha256"])

    def add(self, sha256: str, description: Content, pixels: bytes | None) -> None:
        """Add an image; ``pixels`` is None for one that cannot be used."""
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
        """Flush both files, pixels first, so that no row refers to missing pixels."""
        self._pixels.flush()
        self._rows.flush()

    def describe(self, hashes: pd.Series) -> pd.DataFrame:
        """Return a row with the columns ``ROW`` for each hash, in order; ``refusal`` is null for usable images."""
        rows = pa.concat_tables([self._table, _parsed(b"".join(self._added))])
        numbers = pc.index_in(pa.array(hashes, pa.string()), rows["sha256"])
        described: pd.DataFrame = rows.take(numbers).to_pandas()
        return described.set_axis(hashes.index)

    def copy_pixels(self, places: npt.NDArray[np.int64], path: Path) -> None:
        """Write the pixels with these indices, in order, to a .npy file."""
        # Consecutive images, the common case, are read together, up to a block.
        portion = max(COPIED_BYTES // self._image_bytes, 1)
        with ArrayWriter(path, (len(places), *self._size)) as target:
            for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1):
                for start in range(0, len(run), portion):
                    self._pixels.seek(int(run[start]) * self._image_bytes)
                    target.write(self._pixels.read(len(run[start : start + portion]) * self._image_bytes))


def _parsed(rows: bytes) -> pa.Table:
    """Parse rows of the ledger."""
    if not rows:
        return ROW.empty_table()
    return csv.read_csv(
        pa.BufferReader(rows),
        csv.ReadOptions(column_names=ROW.names),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types=ROW, null_values=["null"], strings_can_be_null=True),
    )


def _settings_digest(params: PreprocessParams) -> str:
    inference = sorted(Path(images.__file__).parent.glob("*.py"))
    code = [path.read_bytes() for path in (*inference, *(Path(str(module.__file__)) for module in MODULES))]
    settings = [params.size, params.interpolation, params.aspect, params.background, PIL.__version__, ROW.names]
    return hashlib.sha256(json.dumps(settings).encode() + b"".join(code)).hexdigest()[:16]
