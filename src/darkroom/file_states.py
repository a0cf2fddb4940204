"""What files were like when they were last read: one that is still like it is not read again."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather

from darkroom.samples import File, Place

STATE = pa.schema([("path", pa.string()), ("stamp", pa.string()), ("sha256", pa.string())])


def look(places: Sequence[Place]) -> pa.Table:
    """Look at files.

    Returns:
        Of each place ``path`` and ``stamp``; both are missing where there is no file to look at. The stamp is size,
        time of change and number of the file, as DVC goes by.
    """
    paths: list[str | None] = []
    stamps: list[str | None] = []
    for place in places:
        path = stamp = None
        if isinstance(place, File):
            try:
                status = os.stat(place.path)  # noqa: PTH116 - a Path for each image would take longer
            except OSError:
                pass
            else:
                path, stamp = place.path, f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
        paths.append(path)
        stamps.append(stamp)
    return pa.table([pa.array(paths, pa.string()), pa.array(stamps, pa.string())], STATE.names[:2])


def remembered_hashes(seen: pa.Table, file: Path) -> pa.ChunkedArray:
    """Return the SHA-256 of what did not change since it was last read; it is missing for what did, or is new.

    Args:
        seen: see ``look``.
        file: see ``remember``.
    """
    try:
        before = feather.read_table(file)
    except (FileNotFoundError, pa.ArrowInvalid):  # none yet, or torn when the machine fell: all is read again
        before = STATE.empty_table()
    earlier = before.take(pc.index_in(seen["path"], before["path"], skip_nulls=True))
    return pc.if_else(pc.equal(earlier["stamp"], seen["stamp"]), earlier["sha256"], None)


def remember(seen: pa.Table, hashes: pd.Series, file: Path) -> None:
    """Replace what was known of files by what is known now.

    Args:
        seen: see ``look``.
        hashes: the SHA-256 of each, empty for what could not be read.
        file: holds it.
    """
    table = seen.append_column("sha256", pa.array(hashes, pa.string()))
    known = pc.and_(pc.is_valid(table["path"]), pc.not_equal(table["sha256"], ""))
    temporary = file.with_suffix(".tmp")
    feather.write_feather(table.filter(known), temporary, compression="uncompressed")
    temporary.replace(file)
