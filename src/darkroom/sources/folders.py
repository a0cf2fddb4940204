"""Image folders: ``<path>/<class>/<image>``, or ``<path>/<split>/<class>/<image>``."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from darkroom.errors import InputError
from darkroom.samples import File, Sample
from darkroom.sources.layout import is_hidden, labelled


def find(root: Path) -> tuple[list[Sample], list[str]]:
    """List the images of a folder, and the other files in it that are not hidden.

    Raises:
        InputError: it is no folder.
    """
    if not root.is_dir():
        raise InputError(f"data.path: {root} is not a folder; give the folder that holds one folder for each class")
    paths = list(_files(root))
    found = [
        Sample(path.as_posix(), label, File(os.path.join(root, path)), split)  # noqa: PTH118 - a Path is ten times as large
        for path, label, split in labelled(paths)
    ]
    taken = {sample.name for sample in found}
    return found, sorted(path.as_posix() for path in paths if path.as_posix() not in taken)


def _files(root: Path) -> Iterator[PurePosixPath]:
    """Walk through a folder; links are followed, but into no folder twice."""
    seen = set()
    for folder, inside, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        below = Path(folder).relative_to(root)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not is_hidden(PurePosixPath(name)))
        for name in files:
            path = PurePosixPath(below.as_posix(), name)
            if not is_hidden(PurePosixPath(name)):
                yield path
