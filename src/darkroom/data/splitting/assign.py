"""Assign images to training, validation and test splits, once and for all.

Equal pictures, near-duplicates and images of one group stay together. A new unit goes where its class lacks images, in
the order of a hash. The split of an earlier image never changes, even if other images are added or removed.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.types import Flags, Integers
from darkroom.base.wording import counted
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting.earlier import Pictures
from darkroom.data.splitting.kept import Kept
from darkroom.data.splitting.pairs import Pairs
from darkroom.data.splitting.relations import Links, connected, families, leaked, linked
from darkroom.data.splitting.stratify import Balance, Choices, Unit, divide
from darkroom.params import PreprocessParams, SplitParams

NEW = -1
"""Stands for the split of a new image; the others are indices of ``SPLITS``."""
TRAIN = SPLITS.index("train")


def with_gone(rows: pd.DataFrame, pictures: Pictures) -> pd.DataFrame:
    """Append earlier pictures that are not in the data now, as rows without a name, and mark bridges.

    Args:
        rows: manifest.
        pictures: those of the rows, in order, then the others; see ``earlier.with_current``.
    """
    gone = pictures.hashes[len(rows) :]
    texts = {column: [""] * len(gone) for column in ("name", "label", "sha256", "given_split", "group")}
    appended = pd.DataFrame({**texts, "picture": gone}, index=range(-len(gone), 0))
    return (pd.concat([rows, appended]) if gone else rows).assign(bridge=pictures.bridges)


def assign(rows: pd.DataFrame, pairs: Pairs, earlier: Kept, params: PreprocessParams) -> pd.DataFrame:
    """Assign a split to every image.

    - Splits assigned by the source are kept. If it has no validation or test images, its training images are divided.
    - Earlier images keep their split.
    - A new image joins the split of the images that it belongs to. Of several splits it joins the last (``SPLITS``),
      so that the training split gets no near-duplicate of a test image.
    - New units that belong to no earlier image are divided by class, see ``stratify.divide``.

    Args:
        rows: manifest, in any order; it may have earlier pictures, see ``with_gone``.
        pairs: near-duplicates among the rows.
        earlier: earlier splits.
        params: shares and seed.

    Returns:
        The rows with more columns: ``split``; ``leaked``, True for a test image with a near-duplicate or group member
        in training or validation, and for a validation image with one in training; ``cluster``, a number shared by
        images that belong together; ``family`` and ``bridge``, see ``relations.Related``; and ``joining``, True for
        new images and earlier bridges.
    """
    source = _source(rows, params.split)
    before = [earlier.split(*hashes) for hashes in zip(rows["picture"], rows["sha256"], strict=True)]
    known = np.array([NEW if name is None else SPLITS.index(name) for name in before], dtype=np.int64)
    known[source.fixed] = source.given[source.fixed]
    split = _complete(rows, pairs, known, source, params)
    joining = (known == NEW) | (rows["bridge"].to_numpy() & ~source.fixed if "bridge" in rows else False)
    near = [np.stack([pairs.first, pairs.second]), linked(rows["picture"]), linked(rows["picture"].where(joining, ""))]
    related = families(np.concatenate(near, axis=1), split, joining)
    together = np.concatenate([*near, linked(rows["group"])], axis=1)
    current = (rows["name"] != "").to_numpy()
    return rows.assign(
        split=pd.Series(np.array(SPLITS, dtype=object)[split], index=rows.index, dtype="str"),
        leaked=leaked(related.families, rows["group"], split, current),
        cluster=connected(len(rows), *together),
        family=related.families,
        bridge=related.bridges,
        joining=joining,
    )


class _Source(NamedTuple):
    """What the source says about splits."""

    given: Integers
    """Given split of each image, or ``NEW``."""
    fixed: Flags
    """Whether it is final."""
    choices: list[Choices]
    """Splits that each image may go to if it is not final."""


def _source(rows: pd.DataFrame, shares: SplitParams) -> _Source:
    given = np.array([NEW if name == "" else SPLITS.index(name) for name in rows["given_split"]], dtype=np.int64)
    if shares.given_validation == "test":
        given = _validation_as_test(given)
    there = set(given.tolist()) - {NEW}
    everywhere = tuple(range(len(SPLITS)))
    # Training images of a source with splits may only fill the splits that it lacks.
    lacking = tuple(split for split in everywhere if split == TRAIN or split not in there)
    fixed = (given != NEW) & ((given != TRAIN) | (len(lacking) == 1))
    return _Source(given, fixed, [everywhere if name == NEW else lacking for name in given.tolist()])


def _validation_as_test(given: Integers) -> Integers:
    """Return the given splits with test in place of validation.

    Raises:
        InputError: the source has test images, or no validation images.
    """
    validation, test = (SPLITS.index(name) for name in ("validation", "test"))
    found = set(given.tolist())
    if test in found or validation not in found:
        what = "has test images" if test in found else "has no validation images"
        raise InputError(f"preprocess.split.given_validation: test given, but the source {what}; remove it")
    return np.where(given == validation, test, given)


def _complete(rows: pd.DataFrame, pairs: Pairs, known: Integers, source: _Source, params: PreprocessParams) -> Integers:
    """Return the split of each image, given those of earlier ones."""
    new = known == NEW
    near = (pairs.first, pairs.second)
    names = [linked(rows[column].where(new, "")) for column in ("picture", "group")]
    first, second = np.concatenate([np.stack(near), *names], axis=1)
    both = new[first] & new[second]
    units = connected(len(rows), first[both], second[both])
    choices = _choices(units, new, source.choices)
    split = known.copy()
    joined = _joined(rows, np.stack(near), known, units)
    for row in np.flatnonzero(new).tolist():
        if (unit := units[row]) in joined:
            split[row] = max(joined[unit] & set(choices[unit]), default=TRAIN)
    free = np.flatnonzero(split == NEW)
    if len(free):
        labels, classes = pd.factorize(rows["label"], sort=True)
        balance = _balance(labels, len(classes), split, source, (rows["name"] != "").to_numpy(), params.split)
        found = _units(rows.iloc[free], units[free], labels[free], choices)
        places = divide(list(found.values()), balance, params.split, params.seed)
        of_unit = dict(zip(found, places, strict=True))
        split[free] = [of_unit[unit] for unit in units[free].tolist()]
    return split


def _choices(units: Integers, new: Flags, choices: Sequence[Choices]) -> Mapping[int, Choices]:
    """Return the splits that all new images of a unit may go to; training always is one."""
    found: dict[int, Choices] = {}
    for row in np.flatnonzero(new).tolist():
        unit = int(units[row])
        found[unit] = tuple(split for split in found.get(unit, choices[row]) if split in choices[row])
    return found


def _joined(rows: pd.DataFrame, near: Links, known: Integers, units: Integers) -> Mapping[int, set[int]]:
    """Return the splits that units of new images may join: those of near-duplicates, equal pictures and groups.

    Of a group in several splits, the first counts: its images in the others are leaked already.
    """
    found: dict[int, set[int]] = defaultdict(set)
    for one, other in (near, near[::-1]):
        old = (known[one] != NEW) & (known[other] == NEW)
        for before, new in zip(one[old].tolist(), other[old].tolist(), strict=True):
            found[int(units[new])].add(int(known[before]))
    for column in ("picture", "group"):
        names = rows[column].to_numpy(dtype=object)
        there: dict[str, set[int]] = defaultdict(set)
        for row in np.flatnonzero((known != NEW) & (names != "")).tolist():
            there[names[row]].add(int(known[row]))
        for row in np.flatnonzero((known == NEW) & (names != "")).tolist():
            if names[row] in there:
                splits = there[names[row]]
                found[int(units[row])] |= splits if column == "picture" else {min(splits)}
    return found


def _balance(
    labels: npt.NDArray[np.intp], classes: int, split: Integers, source: _Source, current: Flags, shares: SplitParams
) -> Balance:
    """Count what the splits have and lack of each class."""
    wanted = np.zeros((classes, len(SPLITS)))
    filled, present = (np.zeros((classes, len(SPLITS)), dtype=np.int64) for _ in range(2))
    placed = current & (split != NEW)
    np.add.at(present, (labels[placed], split[placed]), 1)
    np.add.at(filled, (labels[placed & ~source.fixed], split[placed & ~source.fixed]), 1)
    divided = Counter((label, source.choices[row]) for row, label in enumerate(labels.tolist())
                      if current[row] and not source.fixed[row])  # fmt: skip
    weights = np.array([getattr(shares, name) for name in SPLITS])
    for (label, choices), images in divided.items():
        wanted[label, list(choices)] += images * weights[list(choices)] / weights[list(choices)].sum()
    return Balance(wanted, filled, present)


def _units(
    rows: pd.DataFrame, units: Integers, labels: npt.NDArray[np.intp], choices: Mapping[int, Choices]
) -> Mapping[int, Unit]:
    """Describe each unit by number; its key is its first group name, or its first picture if it has no group."""
    images: dict[int, Counter[int]] = defaultdict(Counter)
    keys: dict[int, str] = {}
    of_group = ("group " + rows["group"]).where(rows["group"] != "", "")
    for unit, label, group, picture in zip(units.tolist(), labels.tolist(), of_group, rows["picture"], strict=True):
        images[unit][label] += 1
        key = group or picture
        keys[unit] = min(key, keys.get(unit, key), key=lambda text: (not text.startswith("group "), text))
    return {unit: Unit(keys[unit], images[unit], choices[unit]) for unit in images}


def require_all_splits(assigned: pd.DataFrame) -> None:
    """Check that every class has images in each split.

    Raises:
        InputError: a class has none in a split.
    """
    counts = pd.crosstab(assigned["label"], assigned["split"]).reindex(columns=SPLITS, fill_value=0)
    given = set(assigned["given_split"]) if "given_split" in assigned else set()
    for label, row in counts.iterrows():
        for name in SPLITS:
            if row[name] == 0:
                of_class = assigned[assigned["label"] == label]
                advice = _advice(of_class, name, given)
                raise InputError(f"class {label!r} ({counted(int(row.sum()), 'image')}) has no {name} image; {advice}")


def _advice(of_class: pd.DataFrame, missing: str, given: set[str]) -> str:
    """Return how to give a class images in a split: what helps depends on why it has none.

    Args:
        of_class: the class's images, with their splits.
        missing: the split without images.
        given: splits that the source assigns.
    """
    if missing in given:
        return (
            f"the source assigns {missing} images of other classes: add images to it there, or take this class out of "
            "the data"
        )
    if given - {""}:
        return (
            "the source assigns none, and none of its training images can be moved there, as they are too few or equal "
            f"test images: give {missing} images of it, or add training images"
        )
    if len(of_class) < len(SPLITS):
        return f"add images to it, so that it has {len(SPLITS)} or more, or take it out of the data"
    units = of_class["cluster"].nunique() if "cluster" in of_class else len(of_class)
    if units < len(SPLITS):
        return (
            f"near-duplicates, equal pictures and members of a group stay together, which leaves {units} of the "
            f"{len(SPLITS)} groups that are needed; add images to it that are independent of these"
        )
    return "add images to it, or change preprocess.split or preprocess.seed in params.yaml"
