"""Divide new units among the splits so that every class has its shares.

Units are placed one after the other, the largest first, each where Pearson's chi-squared statistic is lowest then: the
sum of (images - wanted)² / wanted over classes and splits. So all splits fill up in proportion, and a large unit does
not overfill a small split.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from darkroom.base.types import Integers, Numbers, SplitName
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting.hashes import hash_fraction, split_of
from darkroom.params import SplitParams

Choices = tuple[int, ...]
"""Indices of ``SPLITS``."""
TOLERANCE = 1e-9  # differences below it are errors of rounding


@dataclass(frozen=True)
class Unit:
    """New images that must not be apart."""

    key: str
    """Of the hash, see ``hash_fraction``."""
    images: Mapping[int, int]
    """Number of images by class."""
    choices: Choices
    """Splits that it may go to."""


class Balance:
    """What the splits have and lack."""

    def __init__(self, wanted: Numbers, filled: Integers, present: Integers) -> None:
        """Start from what is there; all arrays have the shape (classes, splits).

        Args:
            wanted: images of each class for the shares.
            filled: how many of them are there.
            present: images of any origin, such as those whose split the source gives.
        """
        # Lists, because single values are read and written for every unit.
        self.wanted: list[list[float]] = wanted.tolist()
        self.lacking: list[list[float]] = (wanted - filled).tolist()
        self.present: list[list[int]] = present.tolist()
        self.overall: list[float] = (wanted - filled).sum(axis=0).tolist()
        """Images that a split lacks of all classes."""

    def add(self, unit: Unit, split: int) -> None:
        """Count a unit's images in a split."""
        for label, images in unit.images.items():
            self.lacking[label][split] -= images
            self.present[label][split] += images
            self.overall[split] -= images


def divide(units: Sequence[Unit], balance: Balance, shares: SplitParams, seed: int) -> list[int]:
    """Choose the split of each unit; the result does not depend on their order.

    Units of one size are placed in the order of their hashes. The last units of a class fill the splits that have none
    of it.

    Args:
        units: units of new images.
        balance: what the splits have and lack; updated.
        shares: shares of the splits, for the choice by hash between equally good ones.
        seed: seed of the hash.

    Returns:
        Index of ``SPLITS`` per unit.
    """
    order = sorted(
        range(len(units)),
        key=lambda number: (-sum(units[number].images.values()), hash_fraction(units[number].key, seed)),
    )
    left = Counter(label for unit in units for label in unit.images)
    chosen: dict[int, int] = {}
    for number in order:
        unit = units[number]
        places = _best(unit, _allowed(unit, balance, left), balance)
        names: list[SplitName] = [SPLITS[place] for place in places]
        chosen[number] = SPLITS.index(split_of(f"tie {unit.key}", seed, shares, names))
        balance.add(unit, chosen[number])
        left.subtract(list(unit.images))
    return [chosen[number] for number in range(len(units))]


def _allowed(unit: Unit, balance: Balance, left: Mapping[int, int]) -> Choices:
    """Return the splits that a unit may go to: if it is one of the last of a class, those that have none of it."""
    for label in sorted(unit.images, key=lambda label: (left[label], label)):
        empty = tuple(split for split in unit.choices if not balance.present[label][split])
        if empty and left[label] <= len(empty):
            return empty
    return unit.choices


def _best(unit: Unit, choices: Choices, balance: Balance) -> Choices:
    """Return the splits where a unit lowers Pearson's statistic most, and of these the ones that lack most images."""
    gains = {
        split: sum(
            images * (2 * balance.lacking[label][split] - images) / balance.wanted[label][split]
            for label, images in unit.images.items()
        )
        for split in choices
    }
    for values in (gains, dict(enumerate(balance.overall))):
        most = max(values[split] for split in choices)
        choices = tuple(split for split in choices if values[split] > most - TOLERANCE)
    return choices
