"""Size, time and inode of files at their last read; unchanged files are not read again."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather, fs

from darkroom.base import pools
from darkroom.data.formats.samples import File, Place

STATE = pa.schema([("path", pa.string()), ("stamp", pa.string()), ("sha256", pa.string())])
PORTION = 4096  # files per task of a thread


def stat_files(places: Sequence[Place]) -> pa.Table:
    """Stat files, on all cores.

    Returns:
        Table with a row per place: ``path``, and ``stamp`` with size, modification time and inode, the criteria that
        DVC uses. All values are null if any place is not a ``File``.
    """
    files = [place for place in places if isinstance(place, File)]
    if len(files) < len(places):
        return pa.table([pa.nulls(len(places), pa.string())] * 2, STATE.names[:2])
    paths = [file.path for file in files]
    portions = [paths[start : start + PORTION] for start in range(0, len(paths), PORTION)]
    infos = (info for portion in pools.in_threads(_infos, portions) for info in portion)
    stamps = [f"{info.size} {info.mtime_ns} {file.inode}" for file, info in zip(files, infos, strict=True)]
    return pa.table([pa.array(paths, pa.string()), pa.array(stamps, pa.string())], STATE.names[:2])


def _infos(paths: list[str]) -> list[fs.FileInfo]:
    """Stat files; missing or inaccessible ones have neither size nor time."""
    try:
        return list(fs.LocalFileSystem().get_file_info(paths))
    except OSError:
        if len(paths) == 1:
            return [fs.FileInfo(paths[0])]
        half = len(paths) // 2
        return _infos(paths[:half]) + _infos(paths[half:])


def remembered_hashes(states: pa.Table, file: Path) -> pa.ChunkedArray:
    """Return the SHA-256 of each file unchanged since its last read; null for new and changed files.

    Args:
        states: see ``stat_files``.
        file: written by ``remember``.
    """
    try:
        before = feather.read_table(file, memory_map=True)
    except (OSError, pa.ArrowException):  # first run, or damaged by a crash: read all files
        before = STATE.empty_table()
    earlier = before.take(pc.index_in(states["path"], before["path"], skip_nulls=True))
    return pc.if_else(pc.equal(earlier["stamp"], states["stamp"]), earlier["sha256"], None)


def remember(states: pa.Table, hashes: pd.Series, file: Path) -> None:
    """Store the states and hashes of files, replacing earlier ones.

    Args:
        states: see ``stat_files``.
        hashes: SHA-256 of each file; empty if it could not be read.
        file: Feather file to write.
    """
    table = states.append_column("sha256", pa.array(hashes, pa.string()))
    known = pc.and_(pc.is_valid(table["path"]), pc.not_equal(table["sha256"], ""))
    temporary = file.with_suffix(".tmp")
    feather.write_feather(table.filter(known), temporary, compression="uncompressed")
    temporary.replace(file)
