"""Numbers and choices by hash: exact values, and shares within chance."""

import hashlib

import numpy as np
import pytest

from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting import hashes
from darkroom.params import SplitParams


@pytest.mark.parametrize("key", ["", "a", "group ann", "1" * 64])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_fraction_is_a_hash_divided_by_the_largest_one(key, seed):
    digest = hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()
    assert hashes.hash_fraction(key, seed) == pytest.approx(int(digest, 16) / 2**256, rel=1e-14)


def test_a_key_goes_where_its_fraction_lies_among_the_shares_of_the_choices():
    shares = SplitParams(train=0.5, validation=0.3, test=0.2)
    keys = [f"{number}" for number in range(500)]
    for choices, reached in (
        (("train", "validation", "test"), (0.5, 0.8)),
        (("train", "test"), (5 / 7,)),
        (("validation", "test"), (3 / 5,)),
        (("test",), ()),
    ):
        expected = [choices[np.searchsorted(reached, hashes.hash_fraction(key, 3))] for key in keys]
        assert [hashes.split_of(key, 3, shares, choices) for key in keys] == expected
        assert set(expected) == set(choices)


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.2), (0.7, 0.15, 0.15), (0.5, 0.3, 0.2)])
@pytest.mark.parametrize("seed", range(10))
def test_the_shares_are_right_within_chance(seed, shares):
    count = 3000
    params = SplitParams(train=shares[0], validation=shares[1], test=shares[2])
    names = [hashes.split_of(f"{number:08x}", seed, params) for number in range(count)]
    for name, share in zip(SPLITS, shares, strict=True):
        assert abs(names.count(name) - count * share) <= 3 * np.sqrt(count * share * (1 - share))


def test_another_seed_splits_otherwise():
    names = [[hashes.split_of(f"{n:08x}", seed, SplitParams()) for n in range(200)] for seed in (0, 1)]
    assert names[0] != names[1]
