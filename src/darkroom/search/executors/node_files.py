"""The prepared folder on a cluster node, fetched from the search host if the node does not have it."""

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from darkroom.base.errors import DarkroomError
from darkroom.base.project import lock
from darkroom.data.prepared.prepared import TRAINED_ON, Prepared
from darkroom.search.executors.ray_node import Fetch

INITIAL = "initial.keras"
"""Name under which a node requests the network with the initial weights of each trial."""


def prepared_here(named: Path, digest: str, fetch: Fetch) -> Prepared:
    """Return the named prepared folder if this host has it, or else a copy, which is fetched once.

    The copy stays in the temporary folder for later searches.

    Args:
        named: the folder's path on the search host.
        digest: ``Prepared.digest`` of that folder.
        fetch: fetches the folder's files by name.

    Raises:
        DarkroomError: other users can write to the copy's parent folder, or the data changed during the fetch.
    """
    if _has(named, digest):
        return Prepared(named)
    place = _own_folder() / digest
    with lock(place.with_suffix(".lock")):
        if not _has(place, digest):
            partial = place.with_suffix(".part")
            shutil.rmtree(partial, ignore_errors=True)
            for name in TRAINED_ON:
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                fetch(name, partial / name)
            if not _has(partial, digest):
                raise DarkroomError(f"{named} was changed while nodes fetched it; run dvc repro again")
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)
    return Prepared(place)


def _own_folder() -> Path:
    """Return this user's private folder in the temporary folder, which is not a symbolic link."""
    folder = Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise DarkroomError(f"{folder}: must be a folder that only you can access; remove it, or set TMPDIR")
    return folder


def _has(folder: Path, digest: str) -> bool:
    prepared = Prepared(folder)
    return prepared.can_train() and prepared.digest == digest
