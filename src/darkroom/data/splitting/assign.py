"""Assign images to training, validation and test splits, once and for all.

Equal files, near-duplicates and images of one group stay together. The split of a new unit is chosen by a threshold on
a hash. The split of an earlier image never changes, even if other images are added or removed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from darkroom.base.errors import InputError
from darkroom.base.types import HASH_DIGITS, Flags, SplitName
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting.pairs import Pairs
from darkroom.params import PreprocessParams, SplitParams


def hash_fraction(key: str, seed: int) -> float:
    """Return a number from 0 to 1, uniformly distributed over keys."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(key: str, seed: int, shares: SplitParams, choices: Sequence[SplitName] = SPLITS) -> SplitName:
    """Choose a split by a threshold on a hash: stateless, and the same for a key at every call.

    Args:
        key: SHA-256 of an image, or key of a group.
        seed: seed of the hash.
        shares: share of each split.
        choices: splits to choose from; their shares are normalised.
    """
    weights = [getattr(shares, name) for name in choices]
    place = hash_fraction(key, seed) * sum(weights)
    for name, reached in zip(choices, np.cumsum(weights), strict=True):
        if place < reached:
            return name
    return choices[-1]


def assign(
    rows: pd.DataFrame, pairs: Pairs, earlier: Mapping[str, SplitName], params: PreprocessParams
) -> pd.DataFrame:
    """Assign a split to every image.

    - Splits assigned by the source are kept. If it has no validation or test images, its training images are divided.
    - Earlier images keep their split.
    - A new image joins the split of the images that it belongs to, or training if these are in several splits.
    - A new unit is assigned by the hash of its group name, or of its first file.

    Args:
        rows: manifest, in any order.
        pairs: near-duplicates among its rows.
        earlier: earlier splits by the first digits of the SHA-256, see ``kept.read``.
        params: shares and seed.

    Returns:
        The manifest with three more columns: ``split``; ``leaked``, True for a validation or test image with a
        near-duplicate or group member in training; and ``cluster``, a number shared by images that belong together.
    """
    given = rows["given_split"].to_numpy()
    missing = [name for name in SPLITS if name not in set(given)]
    fixed = (given == "validation") | (given == "test") | ((given == "train") & (not missing))
    known = np.where(fixed, given, [earlier.get(sha256[:HASH_DIGITS], "") for sha256 in rows["sha256"]])
    # Training images of a source with splits may only fill the splits that it lacks.
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
    """Number the units of new images that belong together; return the unit of each row.

    Earlier images do not link others, because their split is fixed.
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
    """Number the connected components of a graph; return the component of each of ``count`` rows."""
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _keys(rows: pd.DataFrame, units: npt.NDArray[np.int64]) -> list[str]:
    """Return the hash key of each unit: its first group name, or its first SHA-256 if it has no group."""
    frame = pd.DataFrame({"unit": units, "sha256": rows["sha256"].to_numpy(), "group": rows["group"].to_numpy()})
    hashes = frame.groupby("unit")["sha256"].min()
    names = "group " + frame[frame["group"] != ""].groupby("unit")["group"].min()
    keys: list[str] = names.reindex(hashes.index).fillna(hashes).tolist()
    return keys


def _known_splits(
    rows: pd.DataFrame, pairs: Pairs, units: npt.NDArray[np.int64], known: npt.NDArray[np.object_]
) -> Mapping[int, set[SplitName]]:
    """Return for each unit of new images the splits of the earlier images that it belongs to."""
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
    # By content, because pairs list only the first of equal files.
    content = np.unique(rows["sha256"].to_numpy(dtype=object), return_inverse=True)[1]
    trained, touched = (np.zeros(len(rows), dtype=bool) for _ in range(2))
    trained[content[training]] = True
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        touched[content[one[trained[content[other]]]]] = True
    groups = set(rows["group"].to_numpy()[training]) - {""}
    leaked = trained[content] | touched[content] | rows["group"].isin(groups).to_numpy()
    return np.asarray(leaked & ~training)


def require_all_splits(assigned: pd.DataFrame) -> None:
    """Check that every class has images in each split.

    Raises:
        InputError: a class has none in a split.
    """
    counts = pd.crosstab(assigned["label"], assigned["split"]).reindex(columns=SPLITS, fill_value=0)
    for label, row in counts.iterrows():
        for name in SPLITS:
            if row[name] == 0:
                raise InputError(
                    f"class {label!r} ({row.sum()} images) has no {name} image; add images to it, "
                    f"or change preprocess.split or preprocess.seed in params.yaml"
                )
