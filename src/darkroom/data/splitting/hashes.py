"""Numbers and choices by hash: without state, and the same for a key at every call."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from darkroom.base.types import SplitName
from darkroom.data.formats.manifest import SPLITS
from darkroom.params import SplitParams


def hash_fraction(key: str, seed: int) -> float:
    """Return a number from 0 to 1, uniformly distributed over keys."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(key: str, seed: int, shares: SplitParams, choices: Sequence[SplitName] = SPLITS) -> SplitName:
    """Choose a split by a threshold on a hash: stateless, and the same for a key at every call.

    Args:
        key: any text.
        seed: seed of the hash.
        shares: share of each split.
        choices: splits to choose from; their shares are normalised.
    """
    *reached, total = accumulate(getattr(shares, name) for name in choices)
    return choices[bisect_right(reached, hash_fraction(key, seed) * total)]
