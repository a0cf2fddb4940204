"""Limits on what is read from outside, so that a small file cannot cause unlimited work. docs/data.md lists them."""

from pathlib import Path

from darkroom.base.files import disk_bytes

MAXIMUM_GROWTH = 100
"""Limit of all unpacked bytes, as a multiple of the archive's or table's size on disk."""
ALWAYS_ACCEPTED = 2**27  # unpacked bytes that are accepted at any ratio
MAXIMUM_HEADER = 2**20  # bytes of the header of one file in a tar file
MAXIMUM_ENTRIES = 2_000_000  # files in an archive, rows of a Parquet file
BYTES_OF_AN_ENTRY = 50
"""Fewest bytes of an archive or Parquet file for each image in it."""
ENTRIES_ALWAYS_ACCEPTED = 100_000
MAXIMUM_PAGE = 2**27  # bytes of an unpacked page of a Parquet file, of any ratio
MAXIMUM_PAGE_GROWTH = 10
"""Limit of a larger unpacked page, as a multiple of its packed size."""
MAXIMUM_FOOTER = 2**24  # bytes of a Parquet file's description
MAXIMUM_TEXT = 1000  # characters of a label, group or path in a table
MAXIMUM_TABLE = 2**29  # bytes of a CSV file
MAXIMUM_LINE = 2**20  # bytes of a line in it
MAXIMUM_COLUMNS = 10_000
MAXIMUM_CELLS = 50_000_000  # rows × columns
MAXIMUM_FURTHER = 50  # columns of a table beside those of image, label and split
MAXIMUM_FURTHER_BYTES = 2**27  # of a CSV file whose further columns are read, and of those of a Parquet file


def unpacked_bytes(path: Path) -> int:
    """Return how many bytes a file may unpack to."""
    return max(ALWAYS_ACCEPTED, MAXIMUM_GROWTH * disk_bytes(path))


def entries(path: Path) -> int:
    """Return how many images a file may hold."""
    return min(MAXIMUM_ENTRIES, max(ENTRIES_ALWAYS_ACCEPTED, disk_bytes(path) // BYTES_OF_AN_ENTRY))
