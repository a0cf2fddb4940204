"""Row groups and page sizes of a Parquet file, from its description and the headers before the pages.

Arrow allocates what a page's header declares, and the file's own description need not agree with it. pyarrow's objects
for parts of the description end the process if these are damaged. Both are in Thrift's compact protocol
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from typing import Any, BinaryIO, NamedTuple

from darkroom.data.sources import limits

Fields = dict[int, Any]
TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
INTEGERS = range(4, 7)
WIDE = 15  # short form of a list's length, or of a step between field numbers, that another number replaces
MAXIMUM_DEPTH = 8
MAXIMUM_ITEMS = limits.MAXIMUM_COLUMNS
MAXIMUM_BINARY = 2**12  # bytes; longer values, such as statistics, are skipped
UNPACKED, PACKED = 2, 3
VALUES = ((5, 1), (8, 1))
"""Number of values: first field of the header of data pages of version 1 and 2."""


class BadPageError(ValueError):
    """The description or a page is damaged, or a page too large."""


class Chunk(NamedTuple):
    """One column of a row group."""

    path: str
    """Names of the column and of those nested in it, with dots."""
    values: int
    start: int
    """Place of the first page."""
    size: int
    """Bytes of all pages."""


class RowGroup(NamedTuple):
    """Rows that are stored together."""

    rows: int
    chunks: tuple[Chunk, ...]


def row_groups(description: BinaryIO) -> list[RowGroup]:
    """Return the row groups that the end of a file describes.

    Raises:
        BadPageError: the description is damaged.
    """
    try:
        groups = _struct(description, 0)[4]
        return [RowGroup(group[3], tuple(_chunk(column[3]) for column in group[1])) for group in groups]
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError):
        raise BadPageError("a damaged description") from None


def _chunk(described: Fields) -> Chunk:
    path = b".".join(described[3]).decode()
    first, dictionary = described[9], described.get(11) or 0
    start = dictionary if 0 < dictionary < first else first
    chunk = Chunk(path, described[5], start, described[7])
    if min(chunk[1:]) < 0:
        raise BadPageError("a damaged description")
    return chunk


def largest(file: BinaryIO, chunk: Chunk) -> int:
    """Return the size of the largest page of a column chunk when unpacked, in bytes.

    Raises:
        BadPageError: a header is damaged or declares too much.
    """
    place, end = chunk.start, chunk.start + chunk.size
    found, values = 0, 0
    while values < chunk.values and place < end:
        file.seek(place)
        header = _struct(file, 0)
        unpacked, packed = header.get(UNPACKED), header.get(PACKED)
        if not isinstance(unpacked, int) or not isinstance(packed, int) or unpacked < 0 or packed < 0:
            raise BadPageError("a damaged page header")
        if unpacked > max(limits.MAXIMUM_PAGE, limits.MAXIMUM_PAGE_GROWTH * packed):
            raise BadPageError(
                f"a page unpacks to {unpacked:,} bytes; at most {limits.MAXIMUM_PAGE:,}, or "
                f"{limits.MAXIMUM_PAGE_GROWTH} times its packed size, are accepted"
            )
        found = max(found, unpacked)
        values += sum(_count(header.get(outer), inner) for outer, inner in VALUES)
        place = file.tell() + packed
    return found


def _count(page: Any, field: int) -> int:
    count = page.get(field) if isinstance(page, dict) else 0
    return max(count, 0) if isinstance(count, int) else 0


def _struct(file: BinaryIO, depth: int) -> Fields:
    """Return the fields of a struct by number; None for numbers with a fraction and long texts, which are skipped."""
    if depth > MAXIMUM_DEPTH:
        raise BadPageError("a damaged page header")
    fields: Fields = {}
    number = 0
    while head := _byte(file):
        step, kind = head >> 4, head & 15
        number = number + step if step else _signed(file)
        fields[number] = _value(file, kind, depth)
    return fields


def _value(file: BinaryIO, kind: int, depth: int) -> Any:
    if kind in {TRUE, FALSE}:
        return kind == TRUE
    if kind in INTEGERS:
        return _signed(file)
    if kind == STRUCT:
        return _struct(file, depth + 1)
    if kind == BINARY:
        length = _unsigned(file)
        if length <= MAXIMUM_BINARY:
            return file.read(length)
        file.seek(length, 1)
    elif kind in {BYTE, DOUBLE}:
        file.seek(1 if kind == BYTE else 8, 1)
    elif kind in {LIST, SET}:
        head = _byte(file)
        count = _unsigned(file) if head >> 4 == WIDE else head >> 4
        if count > MAXIMUM_ITEMS:
            raise BadPageError("a damaged page header")
        return [_item(file, head & 15, depth + 1) for _ in range(count)]
    else:
        raise BadPageError("a damaged page header")
    return None


def _item(file: BinaryIO, kind: int, depth: int) -> Any:
    """Return an item of a list, where booleans have a byte of their own."""
    return _byte(file) == TRUE if kind in {TRUE, FALSE} else _value(file, kind, depth)


def _signed(file: BinaryIO) -> int:
    number = _unsigned(file)
    return (number >> 1) ^ -(number & 1)


def _unsigned(file: BinaryIO) -> int:
    """Read an integer of up to 64 bits, 7 bits per byte, the lowest first."""
    number = 0
    for shift in range(0, 64, 7):
        byte = _byte(file)
        number |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the highest bit is set if another byte follows
            return number
    raise BadPageError("a damaged page header")


def _byte(file: BinaryIO) -> int:
    byte = file.read(1)
    if not byte:
        raise BadPageError("a page header is cut off")
    return byte[0]
