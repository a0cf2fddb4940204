"""Stream uint8 arrays to and from .npy files, so that memory does not grow with the number of images."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from darkroom.base.damage import reading
from darkroom.base.types import Pixels

Rows = Sequence[int] | npt.NDArray[np.integer]
ROWS = 256  # images in memory at a time


class ArrayWriter:
    """Write a uint8 .npy file sequentially; its shape is known in advance."""

    def __init__(self, path: str | Path, shape: tuple[int, ...]) -> None:
        self._path = Path(path)
        self._header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        self._left = int(np.prod(shape))

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Unlink first: the file may be a link into DVC's cache, and truncating a file on ext4 forces a flush to disk.
        self._path.unlink(missing_ok=True)
        self._file = self._path.open("xb")
        np.lib.format.write_array_header_1_0(self._file, self._header)
        self._file.flush()
        if self._left and hasattr(os, "posix_fallocate"):
            # Fails at once if the disk is too full; preallocated blocks are also faster to write.
            os.posix_fallocate(self._file.fileno(), self._file.tell(), self._left)
        return self

    def write(self, content: bytes | memoryview) -> None:
        """Append the bytes of one or more rows."""
        self._left -= memoryview(content).nbytes
        self._file.write(content)

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()
        if kind is None and self._left:
            raise ValueError(f"{self._path}: {self._left} bytes are missing from the declared shape")


class ArrayFile:
    """Read rows of a uint8 .npy file on demand.

    The file is not memory-mapped, because mapped pages count as memory of the process.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file.

        Raises:
            InputError: it is damaged, or shorter than it declares.
        """
        self._file = Path(path).open("rb")  # noqa: SIM115 - closed by __exit__
        with ExitStack() as opened, reading(path):
            opened.enter_context(self._file)
            self.shape = _read_shape(self._file)
            """Shape of the whole array; the first axis is the rows."""
            self._start = self._file.tell()
            self._row_bytes = int(np.prod(self.shape[1:]))
            if os.fstat(self._file.fileno()).st_size < self._start + self.shape[0] * self._row_bytes:
                raise ValueError("it is shorter than it declares")
            opened.pop_all()  # it stays open

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: "slice | Rows") -> Pixels:
        """Return a slice of consecutive rows, or rows by index."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._read(start, max(stop - start, 0))
        return np.concatenate([self._read(int(row), 1) for row in rows] or [self._read(0, 0)])

    def _read(self, row: int, count: int) -> Pixels:
        # pread leaves the file position unchanged, so threads can share the file.
        content = os.pread(self._file.fileno(), count * self._row_bytes, self._start + row * self._row_bytes)
        return np.frombuffer(content, dtype=np.uint8).reshape(count, *self.shape[1:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_portions(path: str | Path) -> Iterator[Pixels]:
    """Yield the rows of a .npy file in blocks of ``ROWS``."""
    with ArrayFile(path) as file:
        for start in range(0, len(file), ROWS):
            yield file[start : start + ROWS]


def _read_shape(file: BinaryIO) -> tuple[int, ...]:
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{file.name}: expected a .npy file of format version 1.0")
    shape, in_columns, kind = np.lib.format.read_array_header_1_0(file)
    if in_columns or kind != np.uint8:
        raise ValueError(f"{file.name}: expected C-ordered uint8, found {kind}")
    return tuple(shape)
