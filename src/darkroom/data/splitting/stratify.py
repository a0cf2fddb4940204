"""Divide new units among the splits so that every class has its shares.

Iterative stratification (K. Sechidis, G. Tsoumakas, I. Vlahavas, On the stratification of multi-label data, 2011):
classes are divided one after the other, the rarest first, and each unit goes where its class lacks most images.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from darkroom.base.types import Integers, Numbers, SplitName
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting.hashes import hash_fraction, split_of
from darkroom.params import SplitParams

Choices = tuple[int, ...]
"""Indices of ``SPLITS``."""


@dataclass(frozen=True)
class Unit:
    """New images that must not be apart."""

    key: str
    """Of the hash, see ``hash_fraction``."""
    images: Mapping[int, int]
    """Number of images by class."""
    choices: Choices
    """Splits that it may go to."""


@dataclass
class Balance:
    """What the splits have and lack."""

    lacking: Numbers
    """Images to reach the share, negative if there are too many, of shape (classes, splits)."""
    present: Integers
    """Images of any origin, of shape (classes, splits)."""

    def add(self, unit: Unit, split: int) -> None:
        """Count a unit's images in a split."""
        for number, images in unit.images.items():
            self.lacking[number, split] -= images
            self.present[number, split] += images


def divide(units: Sequence[Unit], balance: Balance, sizes: Integers, shares: SplitParams, seed: int) -> list[int]:
    """Choose the split of each unit; the result does not depend on their order.

    The largest units of a class are placed first, because the small ones can level the shares out; those of one size in
    the order of their hashes. The last units of a class fill the splits that have none of it.

    Args:
        units: units of new images.
        balance: what the splits have and lack; updated.
        sizes: number of images of each class; where a unit has several, the rarest decides.
        shares: shares of the splits, for the choice by hash between splits that lack equally many.
        seed: seed of the hash.

    Returns:
        Index of ``SPLITS`` per unit.
    """
    of_class: dict[int, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        of_class[min(unit.images, key=lambda label: (sizes[label], label))].append(number)
    order = [hash_fraction(unit.key, seed) for unit in units]
    chosen = [0] * len(units)
    for label in sorted(of_class, key=lambda label: (sizes[label], label)):
        members = sorted(of_class[label], key=lambda number: (-units[number].images[label], order[number]))
        for place, number in enumerate(members):
            chosen[number] = _choose(units[number], label, balance, len(members) - place, (shares, seed))
            balance.add(units[number], chosen[number])
    return chosen


def _choose(unit: Unit, label: int, balance: Balance, left: int, hashed: tuple[SplitParams, int]) -> int:
    """Choose the split that lacks most images of a class, then most images of all classes, then by hash.

    Args:
        unit: the unit.
        label: its rarest class.
        balance: what the splits have and lack.
        left: units of this class that have no split yet.
        hashed: shares and seed of the hash.
    """
    present, lacking = balance.present[label].tolist(), balance.lacking[label].tolist()
    empty = [split for split in unit.choices if not present[split]]
    choices = empty if empty and left <= len(empty) else unit.choices
    most = max(lacking[split] for split in choices)
    best = [split for split in choices if lacking[split] > most - TOLERANCE]
    if len(best) == 1:
        return best[0]
    overall = balance.lacking.sum(axis=0).tolist()
    most = max(overall[split] for split in best)
    best = [split for split in best if overall[split] > most - TOLERANCE]
    if len(best) == 1:
        return best[0]
    shares, seed = hashed
    names: list[SplitName] = [SPLITS[split] for split in best]
    return SPLITS.index(split_of(f"tie {unit.key}", seed, shares, names))


TOLERANCE = 1e-6  # images; differences below it are errors of rounding
