"""Which images are trained on, chosen with and tested on: decided once for each, and for what belongs together at once.

What belongs together are equal files, near-duplicates and images of one group. The split of a wholly new group is a
threshold on a hash; that of an image which was there before never changes, whatever comes and goes around it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from darkroom.errors import InputError
from darkroom.files import replace_text
from darkroom.params import PreprocessParams, SplitParams
from darkroom.samples import SPLITS, SplitName

Flags = npt.NDArray[np.bool_]
HASH_DIGITS = 16  # of 64: enough to tell apart more images than there are
PAIR_COLUMNS = ("image", "label", "split", "other", "other_label", "other_split", "similarity", "what")


class Pairs(NamedTuple):
    """Near-duplicates as row numbers of a manifest, ``first`` < ``second``, sorted."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    """0 to 1; 1 for equal files."""


NO_PAIRS = Pairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))


def among(pairs: Pairs, kept: pd.Index) -> Pairs:
    """Return the pairs among some rows, as numbers of these.

    Args:
        pairs: among all rows.
        kept: the numbers of the rows that are left, ascending.
    """
    numbers = np.asarray(kept)
    chosen = np.isin(pairs.first, numbers) & np.isin(pairs.second, numbers)
    first, second = (np.searchsorted(numbers, side[chosen]) for side in (pairs.first, pairs.second))
    return Pairs(first, second, pairs.similarity[chosen])


def place_of(key: str, seed: int) -> float:
    """Return where a hash puts a key, evenly from 0 to 1."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(key: str, seed: int, shares: SplitParams, choices: Sequence[SplitName] = SPLITS) -> SplitName:
    """Choose a split by a threshold on a hash: there is no state, and a key has the same split for ever.

    Args:
        key: an image's SHA-256, or what stands for a group.
        seed: another seed splits otherwise.
        shares: of the splits.
        choices: the splits to choose from, by their shares of one another.
    """
    weights = [getattr(shares, name) for name in choices]
    place = place_of(key, seed) * sum(weights)
    for name, reached in zip(choices, np.cumsum(weights), strict=True):
        if place < reached:
            return name
    return choices[-1]


def assign(
    rows: pd.DataFrame, pairs: Pairs, earlier: Mapping[str, SplitName], params: PreprocessParams
) -> pd.DataFrame:
    """Give every image its split.

    - A split that the source gives stands. Where it gives no validation or no test images, its training images are
      divided.
    - An image that had a split keeps it.
    - A new image goes where those are that it belongs to; to training, where these are in more than one split.
    - What is wholly new goes, together, where the hash of its group's name, or of its first file, puts it.

    Args:
        rows: a manifest, in any order.
        pairs: of near-duplicates among its rows.
        earlier: the splits of before, by the beginning of the SHA-256, see ``read``.
        params: shares and seed.

    Returns:
        The manifest with three more columns: ``split``; ``leaked``: an image that is not for training, and has a
        near-duplicate, or one of its group, that is; and ``cluster``: a number that images have in common which belong
        together.
    """
    given = rows["given_split"].to_numpy()
    missing = [name for name in SPLITS if name not in set(given)]
    fixed = (given == "validation") | (given == "test") | ((given == "train") & (not missing))
    known = np.where(fixed, given, [earlier.get(sha256[:HASH_DIGITS], "") for sha256 in rows["sha256"]])
    # Of a source that gives splits, what it calls training may become what it lacks, and nothing else.
    choices = [
        tuple(name for name in SPLITS if name == "train" or name in missing) if part else SPLITS for part in given
    ]
    units = _units(rows, pairs, known == "")
    keys, before = _keys(rows, units), _known_splits(rows, pairs, units, known)
    splits: list[SplitName] = []
    for row, unit in enumerate(units.tolist()):
        there = before.get(unit, set())
        if known[row]:
            splits.append(known[row])
        elif not there:
            splits.append(split_of(keys[unit], params.seed, params.split, choices[row]))
        else:
            splits.append(next(iter(there)) if len(there) == 1 and there <= set(choices[row]) else "train")
    split = np.array(splits, dtype=object)
    return rows.assign(
        split=pd.Series(split, index=rows.index, dtype="str"),
        leaked=_leaked(rows, pairs, split),
        cluster=_units(rows, pairs, np.ones(len(rows), dtype=bool)),
    )


def _units(rows: pd.DataFrame, pairs: Pairs, new: Flags) -> npt.NDArray[np.int64]:
    """Number the new images that belong together: for each row the number of its unit.

    Images that were there before link nothing: they are where they are.
    """
    links = [np.stack([pairs.first, pairs.second])]
    for column in ("sha256", "group"):
        names = rows[column].to_numpy(dtype=object)
        named = np.flatnonzero(new & (names != ""))
        _, start, number = np.unique(names[named], return_index=True, return_inverse=True)
        links.append(np.stack([named, named[start[number]]]))
    first, second = np.concatenate(links, axis=1)
    both = new[first] & new[second]
    return connected(len(rows), first[both], second[both])


def connected(count: int, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number what links connect, directly or through others: rows of one number belong together."""
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _keys(rows: pd.DataFrame, units: npt.NDArray[np.int64]) -> list[str]:
    """Return what stands for each unit: the first name of a group in it, else the first SHA-256."""
    frame = pd.DataFrame({"unit": units, "sha256": rows["sha256"].to_numpy(), "group": rows["group"].to_numpy()})
    hashes = frame.groupby("unit")["sha256"].min()
    names = "group " + frame[frame["group"] != ""].groupby("unit")["group"].min()
    keys: list[str] = names.reindex(hashes.index).fillna(hashes).tolist()
    return keys


def _known_splits(
    rows: pd.DataFrame, pairs: Pairs, units: npt.NDArray[np.int64], known: npt.NDArray[np.object_]
) -> Mapping[int, set[SplitName]]:
    """Return for each unit of new images the splits of what they belong to."""
    found: dict[int, set[SplitName]] = defaultdict(set)
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        old = (known[one] != "") & (known[other] == "")
        for before, new in zip(one[old], other[old], strict=True):
            found[int(units[new])].add(known[before])
    for column in ("sha256", "group"):
        names = rows[column].to_numpy(dtype=object)
        splits: dict[str, set[SplitName]] = defaultdict(set)
        for row in np.flatnonzero((known != "") & (names != "")):
            splits[names[row]].add(known[row])
        for row in np.flatnonzero((known == "") & (names != "")):
            if names[row] in splits:
                found[int(units[row])] |= splits[names[row]]
    return found


def _leaked(rows: pd.DataFrame, pairs: Pairs, split: npt.NDArray[np.object_]) -> Flags:
    training = split == "train"
    # By content: of equal files, one stands for all in the pairs.
    content = np.unique(rows["sha256"].to_numpy(dtype=object), return_inverse=True)[1]
    trained, touched = (np.zeros(len(rows), dtype=bool) for _ in range(2))
    trained[content[training]] = True
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        touched[content[one[trained[content[other]]]]] = True
    groups = set(rows["group"].to_numpy()[training]) - {""}
    leaked = trained[content] | touched[content] | rows["group"].isin(groups).to_numpy()
    return np.asarray(leaked & ~training)


def require_all_splits(assigned: pd.DataFrame) -> None:
    """Check that every class has images of each split.

    Raises:
        InputError: one has not.
    """
    counts = pd.crosstab(assigned["label"], assigned["split"]).reindex(columns=SPLITS, fill_value=0)
    for label, row in counts.iterrows():
        for name in SPLITS:
            if row[name] == 0:
                raise InputError(
                    f"class {label!r} ({row.sum()} images) has no {name} image; add images to it, "
                    f"or change preprocess.split or preprocess.seed in params.yaml"
                )


def pairs_table(assigned: pd.DataFrame, pairs: Pairs) -> pd.DataFrame:
    """List the near-duplicates for people: those with two labels first, then those in two splits, then the others."""
    one, other = assigned.iloc[pairs.first], assigned.iloc[pairs.second]
    conflict = one["label"].to_numpy() != other["label"].to_numpy()
    apart = one["split"].to_numpy() != other["split"].to_numpy()
    columns = [
        *(one[column].to_numpy() for column in ("name", "label", "split")),
        *(other[column].to_numpy() for column in ("name", "label", "split")),
        pairs.similarity.round(4),
        np.where(conflict, "two labels", np.where(apart, "two splits", "")),
    ]
    table = pd.DataFrame(dict(zip(PAIR_COLUMNS, columns, strict=True)))
    rank = table["what"].map({"two labels": 0, "two splits": 1, "": 2})
    return table.assign(rank=rank).sort_values(["rank", "image", "other"], kind="stable").drop(columns="rank")


def read(path: Path, params: PreprocessParams) -> dict[str, SplitName]:
    """Read the splits of before, by the beginning of the SHA-256; nothing, where seed or shares were others.

    Raises:
        InputError: the file cannot be read.
    """
    if not path.is_file():
        return {}
    head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    if head != _head(params):
        return {}
    found: dict[str, SplitName] = {}
    for number, line in enumerate(lines, start=2):
        sha256, _, name = line.partition(",")
        split = next((split for split in SPLITS if split == name), None)
        if split is None or len(sha256) != HASH_DIGITS:
            raise InputError(
                f"{path}, line {number}: {line[:60]!r} is no image with its split, as after a merge with conflicts; "
                f"take that of one side: git checkout HEAD -- {path}"
            )
        found[sha256] = split
    return found


def write(path: Path, assigned: pd.DataFrame, earlier: Mapping[str, SplitName], params: PreprocessParams) -> None:
    """Write the splits of all images that are or were there: one that comes back has the split that it had."""
    now = zip(assigned["sha256"].str[:HASH_DIGITS], assigned["split"], strict=True)
    lines = sorted(f"{sha256},{split}" for sha256, split in {**dict(now), **earlier}.items())
    replace_text(path, "\n".join([_head(params), *lines]) + "\n")


def _head(params: PreprocessParams) -> str:
    shares = "/".join(f"{getattr(params.split, name):g}" for name in SPLITS)
    return f"# splits of images by SHA-256, for seed {params.seed} and shares {shares}"
