"""What files were like when they were last read: one that is still like it is not read again."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather, fs

from darkroom import decoding
from darkroom.samples import File, Place

STATE = pa.schema([("path", pa.string()), ("stamp", pa.string()), ("sha256", pa.string())])
PORTION = 4096  # files that a thread looks at


def look(places: Sequence[Place]) -> pa.Table:
    """Look at files, on all cores.

    Returns:
        Of each place ``path`` and ``stamp``: size, time of change and number of the file, as DVC goes by. Both are
        missing everywhere if a place is no file of its own.
    """
    files = [place for place in places if isinstance(place, File)]
    if len(files) < len(places):
        return pa.table([pa.nulls(len(places), pa.string())] * 2, STATE.names[:2])
    paths = [file.path for file in files]
    portions = [paths[start : start + PORTION] for start in range(0, len(paths), PORTION)]
    infos = (info for portion in decoding.in_threads(_infos, portions) for info in portion)
    stamps = [f"{info.size} {info.mtime_ns} {file.inode}" for file, info in zip(files, infos, strict=True)]
    return pa.table([pa.array(paths, pa.string()), pa.array(stamps, pa.string())], STATE.names[:2])


def _infos(paths: list[str]) -> list[fs.FileInfo]:
    """Ask the system; what is not there, or what it does not say anything of, has neither size nor time."""
    try:
        return list(fs.LocalFileSystem().get_file_info(paths))
    except OSError:
        if len(paths) == 1:
            return [fs.FileInfo(paths[0])]
        half = len(paths) // 2
        return _infos(paths[:half]) + _infos(paths[half:])


def remembered_hashes(seen: pa.Table, file: Path) -> pa.ChunkedArray:
    """Return the SHA-256 of what did not change since it was last read; it is missing for what did, or is new.

    Args:
        seen: see ``look``.
        file: see ``remember``.
    """
    try:
        before = feather.read_table(file, memory_map=True)
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
