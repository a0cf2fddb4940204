"""Pictures that were ever assigned to a split, so that altered copies of them are recognised after they are gone.

``data/pictures.parquet`` has a grey thumbnail of each, see ``near_duplicates.thumbnails``. DVC caches it and keeps it
between runs of the stage.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ArrowInvalid

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.files import is_there
from darkroom.base.types import HASH_DIGITS, Flags, Integers, Pixels
from darkroom.data.splitting.kept import Kept

NAMES = ("picture", "thumbnail", "bridge", "current")


class Pictures(NamedTuple):
    """Pictures with their thumbnails, in the order of their hashes."""

    hashes: list[str]
    thumbnails: Pixels
    """uint8 of shape (pictures, side, side)."""
    bridges: Flags
    """See ``relations.Related.bridges``."""
    current: Flags
    """Whether a picture was in the data at the last run; after ``with_current``, is now or was at the last run."""

    def where(self, chosen: Flags) -> "Pictures":
        """Return some of the pictures."""
        hashes = [one for one, kept in zip(self.hashes, chosen.tolist(), strict=True) if kept]
        return Pictures(hashes, self.thumbnails[chosen], self.bridges[chosen], self.current[chosen])


def read(path: Path, side: int) -> Pictures:
    """Read the earlier pictures; none if the file is missing.

    Args:
        path: the file.
        side: side of a thumbnail in pixels. A file with thumbnails of another size is not used.

    Raises:
        InputError: the file was not written by ``write``.
    """
    nothing = Pictures([], np.zeros((0, side, side), np.uint8), np.zeros(0, bool), np.zeros(0, bool))
    if not is_there(path):
        return nothing
    with path.open("rb") as file:
        try:
            table = pq.read_table(file)
            reason = None if table.schema.names == list(NAMES) else "other columns"
        except (ArrowInvalid, OSError) as error:  # the latter for damaged bytes in between
            reason = first_line(error)
    if reason is not None:
        raise InputError(
            f"{path}: not a file of thumbnails ({reason}); restore it: dvc checkout --force {path}, or delete it: "
            "altered copies of earlier pictures are then not recognised"
        )
    thumbnails = table["thumbnail"].combine_chunks()
    if thumbnails.type.byte_width != side * side:
        return nothing
    pixels = np.frombuffer(b"".join(thumbnails.to_pylist()), np.uint8).reshape(-1, side, side)
    return Pictures(table["picture"].to_pylist(), pixels, *(table[name].to_numpy() for name in NAMES[2:]))


def with_current(hashes: Sequence[str], thumbnails: Pixels, known: Pictures, kept: Kept) -> Pictures:
    """Return the current pictures, then the earlier ones that are not among them.

    Args:
        hashes: hash of each current picture.
        thumbnails: their thumbnails.
        known: see ``read``. Those without an earlier split are left out, as after a change of seed.
        kept: earlier splits.
    """
    split = np.array([one[:HASH_DIGITS] in kept.pictures for one in known.hashes], dtype=bool)
    gone = known.where(split & ~np.isin(known.hashes, hashes))
    bridges = np.isin(hashes, known.where(split & known.bridges).hashes)
    return Pictures(
        [*hashes, *gone.hashes],
        np.concatenate([thumbnails, gone.thumbnails]),
        np.concatenate([bridges, gone.bridges]),
        np.concatenate([np.ones(len(hashes), bool), gone.current]),
    )


def missing(kept: Kept, files: Iterable[str], pictures: Pictures) -> int:
    """Count the earlier images that are gone and have no thumbnail.

    Args:
        kept: earlier splits.
        files: hashes of the current files.
        pictures: see ``with_current``.
    """
    there = {one[:HASH_DIGITS] for one in files}
    known = {one[:HASH_DIGITS] for one in pictures.hashes}
    return len({line.file for line in kept.lines if line.file not in there and line.picture not in known})


class Replaced(NamedTuple):
    """Pictures that may be the same ones, exported again with a loss that hides it."""

    gone: int
    """Pictures that were in the data at the last run and resemble none of it now."""
    new: int
    """New pictures that resemble no earlier one."""


def replaced(pictures: Pictures, count: int, families: Integers, kept: Kept) -> Replaced:
    """Count the pictures that went and came since the last run.

    Args:
        pictures: see ``with_current``.
        count: number of current images among them, which are the first.
        families: family of each picture.
        kept: earlier splits.
    """
    now = np.arange(len(families)) < count
    before = np.array([one[:HASH_DIGITS] in kept.pictures for one in pictures.hashes], dtype=bool)
    hashes = np.array(pictures.hashes, dtype=object)
    gone = pictures.current & ~now & ~np.isin(families, families[now])
    new = ~before & ~np.isin(families, families[before])
    return Replaced(len(set(hashes[gone])), len(set(hashes[new])))


def write(path: Path, pictures: Pictures) -> None:
    """Write pictures, sorted and each once; equal content gives equal files."""
    _, first = np.unique(np.asarray(pictures.hashes, dtype=object), return_index=True)
    columns = (
        pa.array([pictures.hashes[row] for row in first.tolist()], pa.string()),
        pa.array([one.tobytes() for one in pictures.thumbnails[first]], pa.binary(pictures.thumbnails[0].nbytes)),
        pa.array(pictures.bridges[first]),
        pa.array(pictures.current[first]),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file may be a link into DVC's cache.
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(pa.table(dict(zip(NAMES, columns, strict=True))), temporary, use_dictionary=False)
    temporary.replace(path)
