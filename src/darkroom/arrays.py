"""Arrays that are written from front to back, so that memory does not grow with the number of images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from darkroom.images import Pixels

ROWS = 256  # images in memory at a time


class ArrayWriter:
    """Writes a file in NumPy's format, uint8, whose shape is known from the beginning."""

    def __init__(self, path: str | Path, shape: tuple[int, ...]) -> None:
        self._path = Path(path)
        self._header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        self._left = int(np.prod(shape))

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("wb")
        np.lib.format.write_array_header_1_0(self._file, self._header)
        return self

    def write(self, content: bytes) -> None:
        """Append rows."""
        self._left -= len(content)
        self._file.write(content)

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()
        if kind is None and self._left:
            raise ValueError(f"{self._path}: {self._left} bytes are missing from the shape that was announced")


def read_portions(path: str | Path) -> Iterator[Pixels]:
    """Read a file in NumPy's format in portions of ``ROWS``, by plain reading: mapped pages would count as memory."""
    with Path(path).open("rb") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{path}: a NumPy file of version 1.0 was expected")
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
        for start in range(0, shape[0], ROWS):
            portion = (min(ROWS, shape[0] - start), *shape[1:])
            yield np.frombuffer(file.read(int(np.prod(portion))), dtype=np.uint8).reshape(portion)
