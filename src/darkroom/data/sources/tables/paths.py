"""The files that the rows of a table name."""

import os
from pathlib import Path

from darkroom.base.files import leads_out

OUTSIDE = ("it lies outside the folder of the table", "copy it into the folder, or set data.follow_links: true")


class Paths:
    """Image files of a table."""

    def __init__(self, table: Path, root: Path, *, follow: bool) -> None:
        """Take the paths as relative to a table's folder.

        Args:
            table: the table.
            root: ``data.path``, or the table's folder if that is the table.
            follow: whether files outside ``root`` may be read.
        """
        self._folder = table.parent
        self._real = os.path.realpath(root)
        self._follow = follow
        self._inside: dict[str, bool] = {}

    def named(self, image: str) -> tuple[str, str]:
        r"""Return the name of an image, and the path of its file; equal files written differently have one name.

        Args:
            image: the cell; ``a/1.png``, ``./a//1.png``, or as written on Windows, ``a\1.png``.
        """
        name = Path(os.path.normpath(image)).as_posix()
        path = os.path.join(self._folder, name)  # noqa: PTH118 - of very many rows
        if "\\" in image and not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on names that are too long
            return self.named(image.replace("\\", "/"))
        return name, path

    def is_outside(self, path: str) -> bool:
        """Return whether a file must not be read, because its path or a link leads out of the folder."""
        if self._follow:
            return False
        folder = os.path.dirname(path)  # noqa: PTH120 - as written, without resolving ".."
        if folder not in self._inside:
            real = os.path.realpath(folder) + os.sep
            self._inside[folder] = real.startswith(self._real.rstrip(os.sep) + os.sep)
        return not self._inside[folder] or leads_out(path, self._real)
