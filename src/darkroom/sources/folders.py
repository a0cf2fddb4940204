"""Image folders: ``<path>/<class>/<image>``, or ``<path>/<split>/<class>/<image>``."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from darkroom.errors import InputError
from darkroom.samples import File, Sample
from darkroom.sources.layout import Listed, is_hidden, read_layout


def find(root: Path) -> tuple[list[Sample], list[str]]:
    """List the images of a folder, and the other files in it that are not hidden.

    Raises:
        InputError: it is no folder, or one inside it cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f"data.path: {root} is not a folder; give the folder that holds one folder for each class")
    layout = read_layout(listed(root))
    found = [
        Sample(path := below + name, label, File(f"{root}/{path}"), split)
        for (below, names), label, split in layout.images
        for name in names
    ]
    return found, layout.others


def listed(root: Path) -> Iterator[Listed]:
    """Walk through a folder, in the order of the parts of paths; links are followed, but into no folder twice.

    Raises:
        InputError: a folder cannot be listed.
    """
    return _listed(str(root), "", set())


def _listed(folder: str, below: str, seen: set[str]) -> Iterator[Listed]:
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    _, inside, names = next(os.walk(folder, onerror=_refuse, followlinks=True))
    shown = sorted([name for name in (*inside, *names) if not is_hidden(name)])
    for is_folder, together in groupby(shown, set(inside).__contains__):
        if is_folder:
            for name in together:
                yield from _listed(f"{folder}/{name}", f"{below}{name}/", seen)
        else:
            yield Listed(below, list(together))


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"{error.filename} cannot be listed ({error.strerror}); make it readable, or remove it")
