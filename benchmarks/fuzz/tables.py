"""Mutated CSV and Parquet files through the sources that read them."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fuzz.core import Input, Tally
from benchmarks.fuzz.mutations import mutate
from benchmarks.fuzz.sources import image, ingest_all
from darkroom.data.sources import price_tables
from darkroom.params import DataParams

ROWS = 12
CSV_WORDS = (
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\t",
    b"\0",
    b"image",
    b"label",
    b"NaN",
    b"1e999",
    b"-0",
    b"\xef\xbb\xbf",
    b"../",
    b"/dev/zero",
    b"2020-01-02",
)
PARQUET_WORDS = (
    b"PAR1",
    b"PARE",
    b"\x15\x04",
    b"\x15\x00",
    b"\x15\x08",
    b"\x19\x1c",
    b"\x19\xfc",
    b"\x26",
    b"\xff\xff\xff\xff\x0f",
)
MAXIMUM_GAP = 7


def family(folder: Path) -> "Tables":
    """Return the family; ``folder`` is for its files."""
    return Tables(folder)


class Tables:
    """Tables of paths, Parquet files with images in several encodings, and tables of prices."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for number in range(ROWS):
            (folder / f"{number}.png").write_bytes(image(number))
        rows = [(f"{number}.png", "ab"[number % 2]) for number in range(ROWS)]
        self._paths = {
            end: f"image{mark}label\n".encode() + b"".join(f"{name}{mark}{label}\n".encode() for name, label in rows)
            for end, mark in ((".csv", ","), (".tsv", "\t"))
        }
        self._paths[".parquet"] = _written(
            pa.table({"image": [name for name, _ in rows], "label": [label for _, label in rows]})
        )
        self._embedded = _embedded()
        self._prices = _prices()

    def make(self, generator: np.random.Generator) -> Input:
        """Mutate a table of a random kind."""
        kind = generator.random()
        if kind < 0.5:  # noqa: PLR2004
            content = self._embedded[generator.integers(len(self._embedded))]
            return Input("images.parquet", _mutated_parquet(content, generator))
        if kind < 0.8:  # noqa: PLR2004
            ending = [*self._paths][generator.integers(len(self._paths))]
            content = self._paths[ending]
            mutated = (
                _mutated_parquet(content, generator) if ending == ".parquet" else mutate(content, generator, CSV_WORDS)
            )
            return Input(f"paths{ending}", mutated)
        return Input("prices.csv", mutate(self._prices, generator, CSV_WORDS))

    def attempt(self, given: Input) -> Tally:
        """Read a table as its source does."""
        path = self._folder / given.name
        path.write_bytes(given.content)
        if given.name == "prices.csv":
            rows = len(price_tables.read_table(path, MAXIMUM_GAP))
            return Tally(rows, rows, 0)
        if given.name == "images.parquet":
            return ingest_all(DataParams(source="parquet", path=str(path)), self._folder)
        return ingest_all(DataParams(source="table", path=str(path)), self._folder)


def _mutated_parquet(content: bytes, generator: np.random.Generator) -> bytes:
    """Mutate the description at the end of the file, or any part."""
    if generator.random() < 0.5:  # noqa: PLR2004
        return mutate(content, generator, PARQUET_WORDS)
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    described = mutate(content[start:-8], generator, PARQUET_WORDS)
    return content[:start] + described + len(described).to_bytes(4, "little") + content[-4:]


def _embedded() -> list[bytes]:
    files = [image(number) for number in range(ROWS)]
    labels = ["ab"[number % 2] for number in range(ROWS)]
    struct = pa.array([{"bytes": file, "path": "x"} for file in files])
    numbers = pa.array([number % 2 for number in range(ROWS)])
    note = {b"huggingface": b'{"info": {"features": {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}'}
    plain = pa.table({"image": files, "label": labels})
    faced = pa.table({"image": struct, "label": numbers}).replace_schema_metadata(note)
    written = [
        _written(table, compression=compression, use_dictionary=dictionary, data_page_version=version, row_group_size=5)
        for table in (plain, faced)
        for compression in ("none", "snappy", "zstd")
        for dictionary, version in ((True, "1.0"), (False, "2.0"))
    ]
    delta = {"image": "DELTA_BYTE_ARRAY", "label": "DELTA_LENGTH_BYTE_ARRAY"}
    return [*written, _written(plain, use_dictionary=False, column_encoding=delta)]


def _written(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _prices() -> bytes:
    lines = [b"date,open,high,low,close,ticker\n"]
    lines += [b"2020-01-%02d,10,12,9,11,%s\n" % (day, ticker) for ticker in (b"A", b"B") for day in range(1, 15)]
    return b"".join(lines)
