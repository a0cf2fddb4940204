"""Which candidates are compared and linked, from similarities that are given."""

import numpy as np
import pytest

from darkroom.data.splitting import rounds
from darkroom.data.splitting.candidates import VIEWS, Candidates
from darkroom.data.splitting.descriptions import WHOLE
from darkroom.data.splitting.rounds import ALIKE, CLOSE, CROWD, EACH, LEAST, LEAST_PHASE, SAME_PHASE, Rounds

COPY, LINKED, LOOKALIKE, OTHER = (0.9, 0.9), (0.82, 0.5), (0.6, 0.4), (0.1, 0.0)
BIT = 1e-6


class Verified:
    """Rounds of pairs with given similarities, and the pairs that were compared in each round."""

    def __init__(self, monkeypatch):
        self.compared = []
        self.similarity = {}
        monkeypatch.setattr(rounds, "similarities", self._similarities)

    def _similarities(self, _thumbnails, pairs, maps):
        rows = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        self.compared.append(rows)
        # A pair is aligned by the map of its own view.
        assert maps.tolist() == pairs.view.tolist()
        return np.array([self.similarity[row] for row in rows], np.float32).reshape(-1, 2)

    def __call__(self, count, similarity, heights=None, views=None):
        """Verify pairs, {(first, second): similarities}; without heights, in this order."""
        self.compared, self.similarity = [], dict(similarity)
        found = Rounds(np.zeros((count, 32, 32), np.uint8))
        self.verify(found, list(similarity), heights, views)
        return found

    def verify(self, found, pairs, heights=None, views=None):
        heights = np.linspace(0.95, 0.9, len(pairs)) if heights is None else np.array(heights)
        first, second = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
        view = np.array([VIEWS.index(WHOLE)] * len(pairs) if views is None else views)
        found.verify(Candidates(first, second, view, np.zeros(len(pairs), np.int64), heights), heights, view)


@pytest.fixture
def verified(monkeypatch):
    return Verified(monkeypatch)


def links(found):
    first, second, similarity = found.links()
    values = [round(value, 3) for value in similarity.tolist()]
    return dict(zip(zip(first.tolist(), second.tolist(), strict=True), values, strict=True))


def test_the_constants_of_the_documentation():
    assert (LEAST, CLOSE, ALIKE, CROWD, SAME_PHASE, EACH) == (0.8, 0.83, 0.5, 6, 0.99, 2)


def test_pairs_are_linked_from_the_least_similarity_on(verified):
    found = verified(
        12,
        {
            (0, 1): (LEAST, -1),
            (2, 3): (LEAST - BIT, 0.82),
            (4, 5): (0.6, CLOSE),
            (6, 7): (0.6, CLOSE - BIT),
            (8, 9): COPY,
        },
    )
    assert links(found) == {(0, 1): 0.8, (4, 5): 0.83, (8, 9): 0.9}
    # Copies are those of the stricter bound.
    assert [found.copies[one] == found.copies[other] for one, other in ((0, 1), (4, 5), (8, 9))] == [False, True, True]
    assert [found.family[one] == found.family[other] for one, other in ((0, 1), (2, 3), (8, 9))] == [True, False, True]


def crowd(center, others, likeness=LOOKALIKE):
    """Look-alikes of an image, which comes first or last in each pair."""
    return {(center, other) if other % 2 else (other, center): likeness for other in others}


@pytest.mark.parametrize("likeness", [(ALIKE, 0.0), LOOKALIKE, (LEAST - BIT, 0.0)])
@pytest.mark.parametrize("center", [0, 20])
def test_an_image_with_six_lookalikes_is_in_a_crowd(verified, center, likeness):
    """In a crowd, the stricter bound alone counts, whichever of the two is in one."""
    partners = {(center, 10): LINKED, (11, center): LINKED, (center, 12): COPY}
    assert links(verified(21, crowd(center, range(1, 7), likeness) | partners)) == {(center, 12): 0.9}
    assert len(links(verified(21, crowd(center, range(1, 6), likeness) | partners))) == 3


@pytest.mark.parametrize("likeness", [(ALIKE - BIT, 0.0), (0.4, 0.79), OTHER])
def test_images_that_do_not_resemble_it_are_no_crowd(verified, likeness):
    assert (0, 10) in links(verified(11, crowd(0, range(1, 7), likeness) | {(0, 10): LINKED}))


def test_linked_pairs_are_no_crowd(verified):
    linked = crowd(0, range(1, 7), (LEAST, 0.7)) | {(0, 10): LINKED}
    assert len(links(verified(11, linked))) == 7


def test_copies_count_once_in_a_crowd(verified):
    alike = crowd(0, range(1, 7)) | {(0, 10): LINKED}
    assert (0, 10) not in links(verified(11, alike))
    assert (0, 10) in links(verified(11, alike | {(1, 2): COPY}))
    # One of the look-alikes is a copy by the stricter bound, and no other picture.
    assert (0, 10) in links(verified(11, alike | {(0, 3): (0.6, 0.9)}))


def test_candidates_with_a_low_phase_correlation_are_rejected_unseen(verified):
    found = verified(6, {(0, 1): COPY, (2, 3): COPY, (4, 5): OTHER}, heights=[LEAST_PHASE, LEAST_PHASE - BIT, 0.9])
    assert verified.compared == [[(4, 5), (0, 1)]]
    assert found.settled(1).tolist() == [False, False, True, True, True, True]
    # More of them are counted with these.
    verified.similarity = {(5, 3): OTHER, (2, 0): COPY}
    verified.verify(found, [(5, 3), (2, 0)])
    assert found.settled(2).tolist() == [False, False, False, True, False, True]


def test_rejected_are_those_below_the_least_similarity(verified):
    found = verified(8, {(0, 1): (LEAST, 0.1), (2, 3): (LEAST - BIT, 0.9), (4, 5): COPY, (6, 7): (0.1, 0.9)})
    assert found.settled(1).tolist() == [False, False, True, True, False, False, True, True]


def test_of_each_pair_the_view_with_the_highest_phase_correlation_is_compared(verified):
    verified.similarity = dict.fromkeys([(0, 1), (1, 0), (1, 2)], OTHER)
    found = Rounds(np.zeros((3, 32, 32), np.uint8))
    verified.verify(found, [(0, 1), (1, 0), (1, 2), (1, 0)], heights=[0.8, 0.9, 0.7, 0.85], views=[1, 2, 3, 4])
    assert verified.compared == [[(1, 0), (1, 2)]]


def test_two_candidates_of_each_image_are_compared_in_a_round(verified):
    pairs = [(0, 3), (0, 4), (3, 5), (4, 5), (0, 5)]
    verified(6, dict.fromkeys(pairs, OTHER))
    assert verified.compared == [pairs[:4], pairs[4:]]
    # A copy of a copy need not be compared, one that is only linked is.
    verified(6, dict.fromkeys(pairs, OTHER) | {(0, 3): COPY, (3, 5): COPY})
    assert verified.compared == [pairs[:4]]
    found = verified(6, dict.fromkeys(pairs, OTHER) | {(0, 3): LINKED, (3, 5): LINKED})
    assert verified.compared == [pairs[:4], pairs[4:]]
    assert found.family[0] == found.family[5]
    # The second of both.
    verified(5, dict.fromkeys([(0, 3), (1, 4), (0, 4)], OTHER))
    assert len(verified.compared) == 1


def test_what_is_left_of_two_crowds_is_not_compared(verified):
    pairs = dict.fromkeys([(0, 1), (0, 3), (2, 9), (4, 9), (0, 9)], LOOKALIKE)
    both = pairs | crowd(0, [11, 13, 15, 17]) | crowd(9, [10, 12, 14, 16])
    # The pair of both centres is the last candidate.
    order = [pair for pair in both if pair != (0, 9)] + [(0, 9)]
    verified(20, {pair: both[pair] for pair in order})
    assert len(verified.compared) == 1
    verified(20, {pair: both[pair] for pair in order if pair not in {(10, 9), (12, 9)}})
    assert verified.compared[1] == [(0, 9)]


@pytest.mark.parametrize(
    ("height", "view", "likeness", "expected"),
    [
        (SAME_PHASE, WHOLE, LOOKALIKE, True),
        (SAME_PHASE - BIT, WHOLE, LOOKALIKE, False),
        (SAME_PHASE, VIEWS[1], LOOKALIKE, False),
        (SAME_PHASE, WHOLE, COPY, False),
        (SAME_PHASE, WHOLE, LINKED, False),
    ],
)
def test_whole_images_that_are_the_same_but_for_faint_detail_are_undecided(verified, height, view, likeness, expected):
    found = verified(4, {(0, 1): OTHER, (1, 2): likeness}, [0.9, height], [0, VIEWS.index(view)])
    assert found.undecided().tolist() == [False, expected, expected, False]


def test_what_others_connect_is_decided(verified):
    pairs = {(0, 1): LOOKALIKE, (1, 2): LINKED, (0, 2): LINKED}
    assert not verified(3, pairs, [0.995, 0.9, 0.9]).undecided().any()
    assert verified(3, pairs | {(0, 2): OTHER}, [0.995, 0.9, 0.9]).undecided().tolist() == [True, True, False]


def test_without_candidates_nothing_is_found(verified):
    found = verified(2, {})
    assert links(found) == {}
    assert (verified.compared, found.copies.tolist(), found.family.tolist()) == ([], [0, 1], [0, 1])
    assert not found.undecided().any()
