"""The learning-rate schedules by hand, at their borders."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.networks import ScheduleParams
from darkroom.training.schedules import Plateau, learning_rate


def rates(epochs, start=1.0, **values):
    schedule = ScheduleParams(**values)
    return [learning_rate(schedule, start, epoch, epochs) for epoch in range(epochs)]


def test_constant_and_plateau_start_and_stay():
    assert rates(3, start=0.3) == [0.3] * 3
    assert rates(3, start=0.3, kind="plateau", factor=0.5) == [0.3] * 3


def test_step_falls_after_every_so_many_epochs():
    assert rates(7, start=4.0, kind="step", factor=0.5, every=3) == [4, 4, 4, 2, 2, 2, 1]
    assert rates(3, start=4.0, kind="step", factor=0.5, every=1) == [4, 2, 1]


def test_exponential_has_fallen_by_its_factor_after_every_so_many_epochs():
    found = rates(9, start=2.0, kind="exponential", factor=0.0625, every=4)
    assert found == pytest.approx([2 * 0.5**epoch for epoch in range(9)])
    assert (found[4], found[8]) == (2 * 0.0625, 2 * 0.0625**2)


def test_piecewise_changes_after_its_boundaries():
    found = rates(6, start=2.0, kind="piecewise", boundaries=(2, 3), factors=(0.5, 0.125))
    assert found == [2, 2, 1, 0.25, 0.25, 0.25]


def test_linear_falls_each_epoch_to_its_share():
    assert rates(5, start=2.0, kind="linear", factor=0.5) == pytest.approx([2, 1.75, 1.5, 1.25, 1])
    assert rates(2, start=2.0, kind="linear", factor=0.25) == [2, 0.5]
    # An `every` equal to the default counts if it is given.
    assert rates(21, kind="linear", factor=0.5, every=10) == pytest.approx([1.0] * 10 + [0.75] * 10 + [0.5])
    assert rates(21, kind="linear", factor=0.5)[1] == pytest.approx(1 - 0.5 / 20)
    # In two steps of three epochs; the last one is reached in the sixth epoch.
    assert rates(6, kind="linear", factor=0.5, every=3) == [1, 1, 1, 0.5, 0.5, 0.5]


def test_cosine_ends_at_its_share():
    found = rates(5, start=2.0, kind="cosine", factor=0.5)
    half = math.sqrt(0.5)
    assert found == pytest.approx([2, 1 + (1 + half) / 2, 1.5, 1 + (1 - half) / 2, 1])
    assert rates(3, start=2.0, kind="cosine", factor=0.1) == pytest.approx([2, 1.1, 0.2])


def test_one_cycle_is_highest_after_its_warmup():
    schedule = ScheduleParams(kind="one_cycle", warmup=0.25, factor=0.5)
    times = [0, 1, 2, 5, 8]
    found = [learning_rate(schedule, 2.0, time, 8) for time in times]
    # Up from a tenth to 2 at a quarter of the training; then down by 1 over six epochs.
    assert found == pytest.approx([0.2, 1.1, 2, 1.5, 1])
    assert learning_rate(schedule, 2.0, 2, 8) == 2.0
    assert learning_rate(schedule, 2.0, 2 - 1e-9, 8) == pytest.approx(2, abs=1e-8)
    assert learning_rate(schedule, 2.0, 7.5, 8) == pytest.approx(1 + 0.5 / 6)


@pytest.mark.parametrize("kind", ["constant", "step", "exponential", "linear", "cosine", "plateau"])
def test_a_training_of_one_epoch_has_the_first_rate(kind):
    assert rates(1, start=0.7, kind=kind) == [0.7]
    if kind == "linear":
        assert rates(1, start=0.7, kind=kind, every=3) == [0.7]


@given(
    st.sampled_from(["linear", "cosine"]), st.integers(2, 60), st.floats(0.01, 1), st.floats(1e-5, 1),
)  # fmt: skip
def test_schedules_fall_from_the_first_rate_to_the_last(kind, epochs, factor, start):
    found = rates(epochs, start=start, kind=kind, factor=factor)
    assert found[0] == pytest.approx(start)
    assert found[-1] == pytest.approx(start * factor)
    assert all(after <= before * (1 + 1e-9) for before, after in itertools.pairwise(found))


def test_plateau_acts_after_exactly_its_patience():
    listening = Plateau(ScheduleParams(kind="plateau", factor=0.25, patience=2, growth=2.0))
    # Equal losses are no improvement; counting starts again after each change.
    expected = [
        (5.0, 1),
        (4.0, 2),
        (3.0, 1),
        (3.0, 1),
        (3.0, 0.25),
        (2.9, 1),
        (2.8, 2),
        (2.9, 1),
        (2.85, 0.25),
        (2.95, 1),
    ]
    assert [listening.next(1.0, loss) for loss, _ in expected] == [rate for _, rate in expected]
    assert listening.state() == {"lowest": 2.8, "without": 1, "steady": 0}


def test_plateau_counts_from_zero_after_each_change():
    schedule = ScheduleParams(kind="plateau", factor=0.25, patience=2, growth=2.0)
    falling, flat = Plateau(schedule), Plateau(schedule)
    assert [falling.next(1.0, -loss) for loss in range(6)] == [1, 2, 1, 2, 1, 2]
    assert [flat.next(1.0, 3.0) for _ in range(7)] == [1, 1, 0.25, 1, 0.25, 1, 0.25]
    assert falling.state() == {"lowest": -5, "without": 0, "steady": 0}
    assert flat.state() == {"lowest": 3.0, "without": 0, "steady": 0}


def test_an_improvement_between_starts_the_count_again():
    listening = Plateau(ScheduleParams(kind="plateau", factor=0.5, patience=2, growth=2.0))
    # Improvement and none in turn: neither patience is ever reached.
    assert [listening.next(8.0, loss) for loss in (5, 6, 4, 6, 3, 6, 2)] == [8.0] * 7
    assert listening.state() == {"lowest": 2, "without": 0, "steady": 1}


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 5), st.data())
def test_plateau_goes_on_where_it_was(losses, patience, data):
    schedule = ScheduleParams(kind="plateau", factor=0.5, patience=patience, growth=1.5)
    whole, before, after = Plateau(schedule), Plateau(schedule), Plateau(schedule)
    cut = data.draw(st.integers(0, len(losses)))
    expected = [whole.next(1.0, loss) for loss in losses]
    found = [before.next(1.0, loss) for loss in losses[:cut]]
    after.restore(before.state())
    assert found + [after.next(1.0, loss) for loss in losses[cut:]] == expected
    assert after.state() == whole.state()
