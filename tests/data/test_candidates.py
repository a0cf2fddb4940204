"""Of many similar images, the search for near-duplicates keeps the most similar; no other is needed afterwards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from darkroom.data.splitting import candidates
from darkroom.data.splitting.descriptions import thumbnails

CORRELATIONS = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 12)), elements=st.sampled_from(range(9)))


@given(CORRELATIONS, st.integers(1, 12), st.integers(0, 8), st.integers(0, 4))
def test_a_row_keeps_its_highest_and_those_equal_to_them(correlations, most, low, more):
    lowest = np.full((len(correlations), 1), low, np.float32)
    most = min(most, correlations.shape[1])
    found = candidates.strongest(correlations, lowest, lowest + more, most)
    for row, kept in zip(correlations.tolist(), found.tolist(), strict=True):
        above = [value > low for value in row]
        bar = sorted(row)[-most]
        few = sum(above) <= most or bar <= low + more
        assert kept == (above if few else [value >= bar for value in row])


def album(generator):
    """Pictures that resemble each other, copies of some of them, and other pictures."""
    alike = generator.normal(0, 1, (1, 12, 12)) + generator.normal(0, 0.3, (80, 12, 12))
    pictures = np.concatenate([alike, alike[:20], alike[:10, :, ::-1], generator.normal(0, 1, (40, 12, 12))])
    pixels = np.clip(128 + 40 * np.kron(pictures, np.ones((4, 4))), 0, 255).astype(np.uint8)
    return thumbnails(pixels[..., None])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_left_out_is_no_candidate(monkeypatch, seed):
    generator = np.random.default_rng(seed)
    monkeypatch.setattr(candidates, "MOST", 5)
    images = album(generator)
    count = len(images)
    for family in (np.arange(count), generator.integers(0, count // 4, count), np.arange(count) % 2):
        search = candidates.Search(images)
        kept, more = search.candidates(np.arange(count), family)
        with monkeypatch.context() as patch:
            patch.setattr(candidates, "strongest", lambda correlations, lowest, *_: correlations > lowest)
            everything, more_of_all = search.candidates(np.arange(count), family)
        assert len(kept.first)
        assert all(map(np.array_equal, kept, everything))
        assert np.array_equal(more, more_of_all)
