"""Open CSV files for pandas, after a look at their size, lines and columns, which decide how much memory it takes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from darkroom.base import contents
from darkroom.base.errors import InputError
from darkroom.base.files import open_regular
from darkroom.data.sources import limits


@contextmanager
def opened(path: Path, separator: str = ",") -> Iterator[BinaryIO]:
    """Open a CSV file.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
        ValueError: it exceeds a limit.
        InputError: it is something else, such as a workbook of Excel.
    """
    with open_regular(path) as file:
        if other := contents.of_table(file.read(contents.LOOKED_AT)):
            raise InputError(f"{path} {other}")
        file.seek(0)
        _check(file, separator.encode())
        file.seek(0)
        yield file


def _check(file: BinaryIO, separator: bytes) -> None:
    if (size := os.fstat(file.fileno()).st_size) > limits.MAXIMUM_TABLE:
        raise ValueError(f"it has {size:,} bytes; at most {limits.MAXIMUM_TABLE:,} are accepted")
    columns, lines, rest = 0, 0, 0
    while block := file.read(limits.MAXIMUM_LINE):
        # Lines end with either or both.
        end = b"\n" if b"\n" in block else b"\r"
        first = block.find(end)
        if rest + (first if first >= 0 else len(block)) > limits.MAXIMUM_LINE:
            raise ValueError(f"a line has more than {limits.MAXIMUM_LINE:,} bytes")
        if not lines:
            columns += block[: first if first >= 0 else len(block)].count(separator)
            if columns >= limits.MAXIMUM_COLUMNS:
                raise ValueError(f"it has more than {limits.MAXIMUM_COLUMNS:,} columns")
        rest = len(block) - block.rfind(end) - 1 if first >= 0 else rest + len(block)
        lines += block.count(end)
        if (lines + 1) * (columns + 1) > limits.MAXIMUM_CELLS:
            raise ValueError(f"it has more than {limits.MAXIMUM_CELLS:,} cells")
