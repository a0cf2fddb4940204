"""Image folders: ``<path>/<class>/<image>``, or ``<path>/<split>/<class>/<image>``."""

import os
from collections.abc import Iterator
from pathlib import Path

from darkroom.errors import InputError
from darkroom.samples import File, Sample
from darkroom.sources.layout import is_hidden, read_layout


def find(root: Path) -> tuple[list[Sample], list[str]]:
    """List the images of a folder, and the other files in it that are not hidden.

    Raises:
        InputError: it is no folder.
    """
    if not root.is_dir():
        raise InputError(f"data.path: {root} is not a folder; give the folder that holds one folder for each class")
    layout, above = read_layout(files(root)), f"{root}/"
    return [Sample(path, label, File(above + path), split) for path, label, split in layout.images], layout.others


def files(root: Path) -> Iterator[str]:
    """Walk through a folder, paths below it with forward slashes; links are followed, but into no folder twice."""
    seen = set()
    for folder, inside, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not is_hidden(name))
        below = Path(folder).relative_to(root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        yield from [prefix + name for name in names if not is_hidden(name)]
