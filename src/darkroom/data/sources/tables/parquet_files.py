"""Read columns of Parquet files in bounded steps, whatever the file declares."""

import io
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

from darkroom.base import contents
from darkroom.base.errors import ImageError, InputError
from darkroom.base.failures import first_line
from darkroom.base.files import open_regular
from darkroom.data.formats.samples import MAXIMUM_FILE_BYTES
from darkroom.data.sources import limits
from darkroom.data.sources.tables import parquet_pages
from darkroom.data.sources.tables.parquet_pages import RowGroup

DAMAGE = (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError, NotImplementedError)
"""Exceptions of pyarrow on damaged files."""
TAIL = struct.Struct("<I4s")
"""End of the file: length of its description, and a mark."""
STEP = 2**26  # bytes that are decoded at a time, unless a page is larger
IMAGES, TEXTS = 32, 2**16
"""Rows read at a time."""


@dataclass(frozen=True)
class ParquetTable:
    """An open Parquet file."""

    path: Path
    file: pq.ParquetFile
    groups: list[RowGroup]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        names: list[str] = self.file.schema_arrow.names
        return names

    @property
    def rows(self) -> int:
        """Number of rows that the file declares."""
        return int(self.file.metadata.num_rows)

    def kind(self, column: str) -> pa.DataType:
        """Return the type of a column."""
        return self.file.schema_arrow.field(column).type

    def batches(self, group: int, columns: Sequence[str], most: int) -> Iterator[pa.RecordBatch]:
        """Decode columns of a row group, up to ``most`` rows and about ``STEP`` bytes at a time.

        No value is larger than its page, but pages with a dictionary repeat values.
        """
        wanted = [one for one in self.groups[group].chunks if any(_is_in(one.path, name) for name in columns)]
        with open_regular(self.path) as opened:
            pages = [parquet_pages.largest(opened, chunk) for chunk in wanted]
        rows = max(1, min(most, STEP // max([*pages, 1])))
        return iter(self.file.iter_batches(rows, [group], list(columns), use_threads=False))


def open_file(path: Path) -> ParquetTable:
    """Open a Parquet file; reads its description.

    Raises:
        Exception: one of ``DAMAGE``: the file cannot be read, or exceeds a limit.
        InputError: it is something else, such as a pointer of Git LFS.
    """
    if other := contents.of_parquet(contents.start_of(path)):
        raise InputError(f"{path} {other}")
    description = _description(path)
    # Arrow follows nested columns by recursion, so their number is limited too.
    opened = pq.ParquetFile(
        path,
        thrift_string_size_limit=limits.MAXIMUM_FOOTER,
        thrift_container_size_limit=limits.MAXIMUM_COLUMNS,
        pre_buffer=False,
    )
    table = ParquetTable(path, opened, parquet_pages.row_groups(io.BytesIO(description)))
    most = limits.entries(path)
    if not 0 <= table.rows <= most:
        raise ValueError(f"it declares {table.rows:,} rows; at most {most:,} are accepted for a file of its size")
    if sum(group.rows for group in table.groups) != table.rows or opened.num_row_groups != len(table.groups):
        raise ValueError("its row groups have another number of rows than the file")
    return table


def _description(path: Path) -> bytes:
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL.size, 0))
        tail = file.read(TAIL.size)
        length = TAIL.unpack(tail)[0] if len(tail) == TAIL.size else 0
        if limits.MAXIMUM_FOOTER < length < size:
            raise ValueError(f"its description has {length:,} bytes; at most {limits.MAXIMUM_FOOTER:,} are accepted")
        file.seek(max(size - TAIL.size - length, 0))
        return file.read(length)


def read_texts(table: ParquetTable, columns: Sequence[str]) -> list[list[Any]]:
    """Return the values of columns of short texts or numbers, with a list of equal length for each column.

    Raises:
        Exception: one of ``DAMAGE``: a column is damaged, or a text is longer than ``MAXIMUM_TEXT``.
        InputError: a column is nested, such as one of several labels for each image.
    """
    for name in columns:
        if pa.types.is_nested(table.kind(name)):
            raise InputError(
                f"{table.path}: the column {name} holds {table.kind(name)}, expected was one text or number for each "
                "image; name another column in params.yaml, or write one that does"
            )
    values: list[list[Any]] = [[] for _ in columns]
    for group in range(len(table.groups)):
        for batch in table.batches(group, columns, TEXTS):
            for number, name in enumerate(columns):
                values[number] += _short(batch.column(batch.schema.get_field_index(name)), name)
    if any(len(each) != table.rows for each in values):
        raise ValueError(f"it declares {table.rows:,} rows and holds another number")
    return values


def _short(column: pa.Array, name: str) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if (longest := _longest(column)) > limits.MAXIMUM_TEXT:
        raise ValueError(f"column {name} has a text of {longest:,} bytes; at most {limits.MAXIMUM_TEXT:,} are accepted")
    if _is_bytes(column.type):
        column = column.cast(pa.large_string())  # refuses what is not UTF-8
    values: list[Any] = column.to_pylist()
    return values


def _longest(column: pa.Array) -> int:
    """Return the bytes of the longest text; 0 for numbers."""
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_bytes(kind)):
        return 0
    return int(pc.max(pc.binary_length(column)).as_py() or 0)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def read_column(table: ParquetTable, name: str, most: int) -> tuple[pa.ChunkedArray | None, str]:
    """Return a column of short texts or numbers as text, or None and why it is not read.

    Args:
        table: an open file.
        name: the column, not a nested one.
        most: bytes of all its texts.

    Raises:
        Exception: one of ``DAMAGE``: the column is damaged.
    """
    parts: list[pa.Array] = []
    room = most
    for group in range(len(table.groups)):
        for batch in table.batches(group, [name], TEXTS):
            column = batch.column(0)
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            if _longest(column) > limits.MAXIMUM_TEXT:
                return None, f"texts of more than {limits.MAXIMUM_TEXT:,} bytes"
            text = pc.cast(column, pa.large_string())
            parts.append(text)
            room -= text.nbytes
            if room < 0:
                return None, f"more than {limits.MAXIMUM_FURTHER_BYTES:,} bytes"
    if sum(map(len, parts)) != table.rows:
        raise ValueError(f"it declares {table.rows:,} rows and holds another number")
    return pa.chunked_array(parts, pa.large_string()), ""


def _is_in(path: str, column: str) -> bool:
    return path == column or path.startswith(f"{column}.")


@dataclass
class ImageColumn:
    """The images of an open Parquet file, read from first to last; one batch is in memory."""

    table: ParquetTable
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
    def of(cls, table: ParquetTable, column: str) -> "ImageColumn":
        """Return the images of an open file."""
        return cls(table, column, limits.unpacked_bytes(table.path))

    def value(self, group: int, row: int) -> Any:
        """Return the value of a cell.

        Raises:
            ImageError: it cannot be read, or the images exceed the limit of the whole file.
        """
        try:
            with self.lock:
                return self._value(group, row)
        except DAMAGE as error:
            raise ImageError(f"cannot be read ({first_line(error)})") from None

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
        self.batches = self.table.batches(group, [self._leaf()], IMAGES)
        self.group, self.start, self.rows = group, 0, None

    def _leaf(self) -> str:
        """Return the column to read: of a struct only its ``bytes``.

        Raises:
            ValueError: the column does not hold bytes.
        """
        kind = self.table.kind(self.column)
        name = self.column
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind, name = kind.field("bytes").type, f"{name}.bytes"
        if pa.types.is_nested(kind):
            raise ValueError("the cell does not contain the bytes of an image")
        return name


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
