"""Pictures of the ingested images for the pages."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from darkroom.data.formats.arrays import ArrayFile
from darkroom.reporting import pages


class Pictures:
    """The ingested images as small pictures, read from disk on demand."""

    def __init__(self, path: Path) -> None:
        self._file = ArrayFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def pixels(self, rows: Sequence[int]) -> Any:
        """Return images by their row: uint8 of shape (rows, height, width, channels)."""
        return self._file[rows]

    def embedded(self, row: int) -> str:
        """Return one image as a data URI."""
        return pages.embed_thumbnail(self._file[[row]][0])

    def figure(self, row: int | None, lines: Iterable[str]) -> dict[str, Any]:
        """Return an image with the lines of its caption, as the macro ``pictures`` draws them.

        Args:
            row: None for a file that was never read.
            lines: of the caption; empty ones are left out.
        """
        picture = None if row is None else self.embedded(row)
        return {"picture": picture, "lines": [{"text": line, "kind": ""} for line in lines if line]}
