"""The search, with the real Optuna and objectives that need no training."""

import json
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.errors import TrainingError
from darkroom.networks import MlpParams
from darkroom.params import Range, SearchParams, SearchSpace, with_values
from darkroom.search import Pruned, best_values, kept_study, open_study, search

SPACE = SearchSpace(
    learning={"learning_rate": Range(low=1e-4, high=1.0, log=True), "batch_size": Range(low=8, high=64)},
    regularisation={"dropout": Range(choices=(0.0, 0.25, 0.5))},
)
VALUES = MlpParams()


def run(objective, file=None, space=SPACE, **params):
    chosen = SearchParams(**{"trials": 8, "seed": 3, **params})
    with kept_study(file, chosen) if file else nullcontext(open_study(chosen)) as study:
        return search(study, VALUES, space, chosen, objective)


def bowl(number, tried, report):
    return abs(tried["learning_rate"] - 0.01) + tried["dropout"]


def test_only_what_the_space_names_is_turned_and_types_are_kept():
    for trial in run(bowl):
        assert set(trial.tried) == {"learning_rate", "batch_size", "dropout"}
        assert isinstance(trial.tried["batch_size"], int)
        assert 8 <= trial.tried["batch_size"] <= 64
        assert 1e-4 <= trial.tried["learning_rate"] <= 1
        assert trial.tried["dropout"] in {0.0, 0.25, 0.5}


def test_the_networks_own_values_come_first():
    first = run(bowl)[0].tried
    assert (first["learning_rate"], first["batch_size"], first["dropout"]) == (1e-3, 64, 0.0)
    outside = SearchSpace(learning={"learning_rate": Range(low=0.5, high=1.0)})
    (trial,) = run(lambda *_: 1.0, space=outside, trials=1)
    assert 0.5 <= trial.tried["learning_rate"] <= 1.0


WIDE = SearchSpace(
    architecture={"hidden_units": Range(choices=([32], [64, 32], [512, 512]))},
    learning={
        "schedule": Range(choices=({"kind": "constant"}, {"kind": "cosine", "factor": 0.05})),
        "early_stopping.patience": Range(low=2, high=20),
        "batch_size": Range(low=8, high=64),
        "epsilon": Range(low=1e-8, high=1e-3, log=True),
        "augmentation": Range(choices=(None, {"rotation": 5.0})),
        "optimizer": Range(choices=("adam", "rmsprop")),
    },
)


def test_lists_mappings_and_parts_of_parameters_are_searched(tmp_path):
    """Also where the network's own values, auto and null, are none of a range."""
    values = MlpParams(batch_size="auto")

    def objective(number, tried, report):
        used = with_values(values, tried)
        assert (used.schedule.kind, used.early_stopping.patience) == (tried["schedule"]["kind"], patience(tried))
        return len(tried["hidden_units"]) + used.early_stopping.patience / 100

    def patience(tried):
        return tried["early_stopping.patience"]

    params = SearchParams(trials=12, seed=1)
    with kept_study(tmp_path / "study.db", params) as study:
        trials = search(study, values, WIDE, params, objective)
    own = trials[0].tried
    assert own["hidden_units"] == [512, 512]
    assert own["schedule"] == {"kind": "cosine", "factor": 0.05}
    assert (patience(own), own["optimizer"], own["augmentation"]) == (20, "adam", None)
    for trial in trials:
        assert type(trial.tried["batch_size"]) is int
        assert type(patience(trial.tried)) is int
        assert 1e-8 <= trial.tried["epsilon"] <= 1e-3
    for name in ("hidden_units", "schedule", "augmentation"):
        assert len({str(trial.tried[name]) for trial in trials}) == len(WIDE.ranges()[name].choices)
    assert best_values(trials)["hidden_units"] == [32]
    # What the stages pass on as JSON.
    assert with_values(values, json.loads(json.dumps(best_values(trials)))).hidden_units == (32,)


def test_the_same_seed_tries_the_same_values():
    assert run(bowl) == run(bowl)
    assert run(bowl) != run(bowl, seed=4)


def test_the_best_finished_trial_wins():
    trials = run(bowl, trials=20)
    losses = [bowl(trial.number, trial.tried, None) for trial in trials]
    assert bowl(0, best_values(trials), None) == min(losses)
    assert [trial.val_loss for trial in trials] == losses


def test_a_hopeless_trial_is_pruned_and_cannot_win():
    epochs = []

    def objective(number, tried, report):
        loss = 1.0 if number < 3 else 9.0
        for epoch in range(10):
            report(epoch, {"val_loss": loss})
            epochs.append((number, epoch))
        # What it would have reached must not count: it was never asked.
        return 0.0 if number >= 3 else loss

    trials = run(objective, startup_trials=2, warmup_epochs=4)
    assert [trial.state for trial in trials] == ["complete"] * 3 + ["pruned"] * 5
    assert {trial.epochs for trial in trials[3:]} == {5}
    assert max(epoch for number, epoch in epochs if number >= 3) == 3
    assert best_values(trials) in [trial.tried for trial in trials[:3]]


def test_a_diverging_trial_does_not_end_the_search():
    def objective(number, tried, report):
        if number % 2:
            raise TrainingError("loss is nan at step 3")
        return 1.0

    assert [trial.state for trial in run(objective, trials=4)] == ["complete", "fail", "complete", "fail"]


def test_a_search_without_any_result_fails():
    def objective(number, tried, report):
        raise TrainingError("loss is nan at step 3")

    with pytest.raises(TrainingError, match="none of 8 trials came to an end; the last one: loss is nan at step 3"):
        run(objective)


def test_other_errors_are_not_swallowed():
    def objective(number, tried, report):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(objective)


class Killed(BaseException):
    """What no search catches."""


@settings(max_examples=4)
@given(st.lists(st.integers(0, 12), max_size=4))
def test_an_interrupted_search_ends_as_an_undisturbed_one(kills):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.db"
        started = []

        def objective(number, tried, report):
            started.append(number)
            report(0, {"val_loss": bowl(number, tried, report)})
            if kills and len(started) > kills[-1]:
                kills.pop()
                raise Killed
            if number == 2:
                raise TrainingError("loss is nan at step 3")
            return bowl(number, tried, report)

        def interrupted():
            while True:
                try:
                    return run(objective, file, trials=6)
                except Killed:
                    continue

        def undisturbed(number, tried, report):
            report(0, {"val_loss": bowl(number, tried, report)})
            if number == 2:
                raise TrainingError("loss is nan at step 3")
            return bowl(number, tried, report)

        assert interrupted() == run(undisturbed, trials=6)
        # Finished trials were not run again, and nothing is left behind.
        assert len(started) == 6 + (len(started) - 6) <= 6 + 4
        assert not file.exists()


def test_a_finished_search_leaves_nothing_to_go_on_with(tmp_path):
    run(bowl, tmp_path / "study.db")
    seen = []
    run(lambda number, *_: seen.append(number) or 1.0, tmp_path / "study.db")
    assert seen == list(range(8))


def test_pruned_is_optunas_own():
    import optuna

    assert Pruned is optuna.TrialPruned
