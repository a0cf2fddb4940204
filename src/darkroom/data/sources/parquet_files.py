"""Read columns of Parquet files in bounded steps, whatever the file declares."""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from darkroom.base.errors import ImageError
from darkroom.base.files import open_regular
from darkroom.data.formats.samples import MAXIMUM_FILE_BYTES
from darkroom.data.sources import limits, parquet_pages

DAMAGE = (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError, NotImplementedError)
"""Exceptions of pyarrow on damaged files."""
TAIL = struct.Struct("<I4s")
"""End of the file: length of its description, and a mark."""
STEP = 2**26  # bytes that are decoded at a time, unless a page is larger
IMAGES, TEXTS = 32, 2**16
"""Rows read at a time."""


def open_file(path: Path) -> pq.ParquetFile:
    """Open a Parquet file; reads its description.

    Raises:
        Exception: one of ``DAMAGE``: the file cannot be read, or exceeds a limit.
    """
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL.size, 0))
        tail = file.read(TAIL.size)
    length = TAIL.unpack(tail)[0] if len(tail) == TAIL.size else 0
    if limits.MAXIMUM_FOOTER < length < size:
        raise ValueError(f"its description has {length:,} bytes; at most {limits.MAXIMUM_FOOTER:,} are accepted")
    # Arrow follows nested columns by recursion, so their number is limited too.
    most = limits.MAXIMUM_COLUMNS
    opened = pq.ParquetFile(
        path, thrift_string_size_limit=limits.MAXIMUM_FOOTER, thrift_container_size_limit=most, pre_buffer=False
    )
    rows, most_rows = opened.metadata.num_rows, limits.entries(path)
    if not 0 <= rows <= most_rows:
        raise ValueError(f"it declares {rows:,} rows; at most {most_rows:,} are accepted for a file of its size")
    return opened


def read_texts(path: Path, file: pq.ParquetFile, columns: Sequence[str]) -> list[list[Any]]:
    """Return the values of columns of short texts or numbers, with a list of equal length for each column.

    Raises:
        Exception: one of ``DAMAGE``: a column is nested or damaged, or a text is longer than ``MAXIMUM_TEXT``.
    """
    for name in columns:
        kind = file.schema_arrow.field(name).type
        if pa.types.is_nested(kind):
            raise ValueError(f"column {name} holds {kind}; texts or numbers were expected")
    values: list[list[Any]] = [[] for _ in columns]
    for group in range(file.num_row_groups):
        rows = _rows_at_a_time(path, file, group, columns, TEXTS)
        for batch in file.iter_batches(rows, [group], list(columns), use_threads=False):
            for number, name in enumerate(columns):
                values[number] += _short(batch.column(batch.schema.get_field_index(name)), name)
    if any(len(each) != file.metadata.num_rows for each in values):
        raise ValueError(f"it declares {file.metadata.num_rows:,} rows and holds another number")
    return values


def _short(column: pa.Array, name: str) -> list[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > limits.MAXIMUM_TEXT:
            raise ValueError(
                f"column {name} has a text of {longest:,} bytes; at most {limits.MAXIMUM_TEXT:,} are accepted"
            )
    values: list[Any] = column.to_pylist()
    return values


def _rows_at_a_time(path: Path, file: pq.ParquetFile, group: int, columns: Sequence[str], most: int) -> int:
    """Return how many rows to decode at a time: no value is larger than its page, but a dictionary repeats values."""
    described = file.metadata.row_group(group)
    chunks = [described.column(number) for number in range(described.num_columns)]
    wanted = [chunk for chunk in chunks if any(_is_in(chunk.path_in_schema, name) for name in columns)]
    with open_regular(path) as opened:
        pages = [parquet_pages.largest(opened, chunk) for chunk in wanted]
    return max(1, min(most, STEP // max([*pages, 1])))


def _is_in(path: str, column: str) -> bool:
    return path == column or path.startswith(f"{column}.")


@dataclass
class ImageColumn:
    """The images of an open Parquet file, read from first to last; one batch is in memory."""

    path: Path
    file: pq.ParquetFile
    column: str
    most: int
    """Limit of the bytes of all images."""
    lock: Lock = field(default_factory=Lock)
    total: int = 0
    """Bytes of the images read so far."""
    group: int = -1
    start: int = 0
    """First row of the batch, within its row group."""
    rows: pa.Array | None = None
    batches: Iterator[pa.RecordBatch] = field(default_factory=lambda: iter(()))

    @classmethod
    def of(cls, path: Path, file: pq.ParquetFile, column: str) -> "ImageColumn":
        """Return the images of an open file."""
        return cls(path, file, column, limits.unpacked_bytes(path))

    def value(self, group: int, row: int) -> Any:
        """Return the value of a cell.

        Raises:
            ImageError: it cannot be read, or the images exceed the limit of the whole file.
        """
        try:
            with self.lock:
                return self._value(group, row)
        except DAMAGE as error:
            raise ImageError(f"cannot be read ({(str(error).splitlines() or [type(error).__name__])[0]})") from None

    def _value(self, group: int, row: int) -> Any:
        if self.total > self.most:
            raise ValueError(f"the images before it have over {limits.MAXIMUM_GROWTH} times the bytes of the file")
        if group != self.group or row < self.start:
            self._open(group)
        while self.rows is None or row >= self.start + len(self.rows):
            self.start += 0 if self.rows is None else len(self.rows)
            self.rows = None
            batch = next(self.batches, None)
            if batch is None:
                raise ValueError("the row is missing")
            self.rows = batch.column(0)
        value = self.rows[row - self.start]
        content = value.get("bytes") if isinstance(value, pa.StructScalar) and "bytes" in value else value
        self.total += len(content.as_buffer()) if hasattr(content, "as_buffer") and content.is_valid else 0
        return content.as_py()

    def _open(self, group: int) -> None:
        leaves = self._leaves()
        rows = _rows_at_a_time(self.path, self.file, group, leaves, IMAGES)
        self.batches = self.file.iter_batches(rows, [group], leaves, use_threads=False)
        self.group, self.start, self.rows = group, 0, None

    def _leaves(self) -> list[str]:
        """Return the column to read: of a struct only its ``bytes``.

        Raises:
            ValueError: the column does not hold bytes.
        """
        kind = self.file.schema_arrow.field(self.column).type
        name = self.column
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind, name = kind.field("bytes").type, f"{name}.bytes"
        if pa.types.is_nested(kind):
            raise ValueError("the cell does not contain the bytes of an image")
        return [name]


@dataclass(frozen=True, slots=True)
class InParquet:
    """An image in a cell of a Parquet file: bytes, or a struct with ``bytes`` as in Hugging Face data sets."""

    images: ImageColumn
    group: int
    row: int

    def read(self) -> bytes:
        """Return the encoded image."""
        content = self.images.value(self.group, self.row)
        if not isinstance(content, bytes):
            raise ImageError("the cell does not contain the bytes of an image")
        if len(content) > MAXIMUM_FILE_BYTES:
            raise ImageError(f"it has {len(content):,} bytes; at most {MAXIMUM_FILE_BYTES:,} are accepted")
        return content
