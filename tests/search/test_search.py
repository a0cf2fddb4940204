"""The search, with the real Optuna and objectives that need no training."""

import inspect
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from darkroom.base.errors import InputError, TrainingError
from darkroom.networks.mlp import Params as MlpParams
from darkroom.params import BudgetSettings, Range, SearchParams, SearchSpace, pruners, samplers, with_values
from darkroom.params.pruners import MedianSettings
from darkroom.search import sampling
from darkroom.search.executors.protocol import ThisProcess
from darkroom.search.figures import draw, readable_copy
from darkroom.search.loop import ENDED_SEARCHES, best_values, search
from darkroom.search.study import TRIED, attempts, open_study, persistent_study
from support.projects import environment

SPACE = SearchSpace(
    learning={"learning_rate": Range(low=1e-4, high=1.0, log=True), "batch_size": Range(low=8, high=64)},
    regularisation={"dropout": Range(choices=(0.0, 0.25, 0.5))},
)
VALUES = MlpParams()


def run(objective, file=None, space=SPACE, trials=8, values=VALUES, **params):
    """Search, and return the trials."""
    return found(objective, file, space, values, budget=BudgetSettings(trials=trials), **params).trials


def found(objective, file=None, space=SPACE, values=VALUES, **params):
    chosen = SearchParams(**{"seed": 3, **params})
    with persistent_study(file, chosen) if file else nullcontext(open_study(chosen)) as study:
        return search(study, values, space, chosen, ThisProcess(objective))


def bowl(number, tried, report):
    return abs(tried["learning_rate"] - 0.01) + tried["dropout"]


def test_only_what_the_space_names_is_turned_and_types_are_kept():
    for trial in run(bowl):
        assert set(trial.tried) == {"learning_rate", "batch_size", "dropout"}
        assert isinstance(trial.tried["batch_size"], int)
        assert 8 <= trial.tried["batch_size"] <= 64
        assert 1e-4 <= trial.tried["learning_rate"] <= 1
        assert trial.tried["dropout"] in {0.0, 0.25, 0.5}


def test_three_numbers_among_choices_have_an_order_and_fewer_have_none():
    choices = {"learning_rate": (0.3, 1e-4, 1e-2), "batch_size": (256, 8, 64, 32), "dropout": (0.5, 0, 0.25, 0.1)}
    space = SearchSpace(
        learning={**{name: Range(choices=some) for name, some in choices.items()}, "beta_1": Range(choices=(0.8, 0.9))}
    )
    params = SearchParams(budget={"trials": 80}, epochs=1, sampler={"name": "random"}, pruner={"name": "none"})
    study = open_study(params)
    found = search(study, MlpParams(), space, params, ThisProcess(lambda *_: 1.0)).trials
    for name, some in choices.items():
        assert {trial.tried[name] for trial in found} == set(some)
        assert {type(trial.tried[name]) for trial in found} == {type(one) for one in some}
        spread = study.trials[0].distributions[name]
        assert spread.low < min(some)
        assert spread.high > max(some)
        assert spread.log == (min(some) > 0)
    assert study.trials[0].distributions["beta_1"].choices == (0.8, 0.9)
    by_chance = [trial.tried["batch_size"] for trial in found[1:]]
    assert all(by_chance.count(one) / len(by_chance) > 0.15 for one in (8, 32, 64, 256))
    # By their ratio, 16 is in the middle of 8 and 32.
    counted = [trial for trial in study.trials if TRIED in trial.user_attrs]
    nearest = [trial for trial in counted if 8 < trial.params["batch_size"] < 32]
    for trial in nearest:
        assert trial.user_attrs[TRIED]["batch_size"] == (8 if trial.params["batch_size"] < 16 else 32)
    shown, _ = readable_copy(study)
    assert {trial.params["batch_size"] for trial in shown.trials} == {8, 32, 64, 256}
    # What was drawn, but not begun, is not counted.
    assert len(shown.trials) == len(found) < len(study.trials)


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


def test_lists_mappings_and_parts_of_parameters_are_searched():
    """Also where the network's own values, auto and null, are none of a range."""
    values = MlpParams(batch_size="auto")

    def objective(number, tried, report):
        used = with_values(values, tried)
        assert (used.schedule.kind, used.early_stopping.patience) == (tried["schedule"]["kind"], patience(tried))
        return len(tried["hidden_units"]) + used.early_stopping.patience / 100

    def patience(tried):
        return tried["early_stopping.patience"]

    trials = run(objective, None, WIDE, 12, values, seed=1)
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


def test_a_sampler_that_is_sure_of_itself_does_not_go_round_in_circles():
    """One point is far better than all others, and TPE draws it again and again."""
    rates = tuple(0.001 * 2**number for number in range(8))
    space = SearchSpace(
        learning={"learning_rate": Range(choices=rates), "optimizer": Range(choices=("adam", "sgd", "rmsprop"))}
    )

    def of_point(_number, tried, report):
        return abs(math.log(tried["learning_rate"] / 0.008)) + 5 * (tried["optimizer"] != "sgd")

    trials = run(of_point, space=space, trials=20, seed=0)
    assert len({str(trial.tried) for trial in trials}) >= 19


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [{"name": "tpe"}, {"name": "random"}])
def test_values_that_were_tried_are_not_tried_again_while_there_are_others(sampler, tmp_path):
    space = SearchSpace(
        learning={"batch_size": Range(choices=(16, 32, 64)), "optimizer": Range(choices=("adam", "sgd"))}
    )

    def of_batch(_number, tried, report):
        report(0, {"val_loss": tried["batch_size"]})
        return float(tried["batch_size"])

    tries = [trial.tried for trial in run(of_batch, space=space, trials=6, sampler=sampler)]
    assert len({str(tried) for tried in tries}) == 6
    # Nor after an interruption; and where there are no others, the budget still holds.
    killed = []

    def dies(number, tried, report):
        if number == 4 and not killed:
            killed.append(number)
            raise RuntimeError
        return of_batch(number, tried, report)

    with pytest.raises(RuntimeError):
        run(dies, tmp_path / "study", space, trials=8, sampler=sampler)
    again = [trial.tried for trial in run(dies, tmp_path / "study", space, trials=8, sampler=sampler)]
    assert again[:6] == tries
    assert len(again) == 8


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

    trials = run(objective, pruner=MedianSettings(startup_trials=2, warmup_epochs=4))
    assert [trial.state for trial in trials] == ["complete"] * 3 + ["pruned"] * 5
    assert {trial.epochs for trial in trials[3:]} == {5}
    assert max(epoch for number, epoch in epochs if number >= 3) == 3
    assert best_values(trials) in [trial.tried for trial in trials[:3]]


def test_a_diverging_trial_does_not_end_the_search():
    def objective(number, tried, report):
        if number % 2:
            raise TrainingError("loss is nan at step 3")
        return 1.0

    assert [trial.state for trial in run(objective, trials=4)] == ["complete", "diverged"] * 2


@pytest.mark.slow
def test_a_search_without_any_result_fails_and_can_be_begun_again(tmp_path):
    def objective(number, tried, report):
        raise TrainingError("loss is nan at step 3")

    with pytest.raises(TrainingError, match="none of 8 trials finished; the last one: loss is nan at step 3"):
        run(objective, tmp_path / "study.db")
    assert len(run(bowl, tmp_path / "study.db")) == 8


def test_other_errors_are_not_swallowed():
    def objective(number, tried, report):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(objective)


class Killed(BaseException):
    """What no search catches."""


@pytest.mark.slow
@examples(max_examples=3)
@given(st.sets(st.integers(0, 5)))
def test_an_interrupted_search_ends_as_an_undisturbed_one(kills):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.db"
        started, left = [], set(kills)

        def objective(number, tried, report):
            started.append(number)
            return undisturbed(number, tried, report, left)

        def undisturbed(number, tried, report, left=()):
            report(0, {"val_loss": bowl(number, tried, report)})
            if number in left:
                left.remove(number)
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

        assert interrupted() == run(undisturbed, trials=6)
        # Finished trials were not run again, and nothing is left behind.
        assert sorted(started) == sorted([*range(6), *kills])
        assert not file.exists()


def test_a_search_that_ends_again_and_again_in_one_trial_has_the_trials_of_one_that_does_not():
    ends = [Killed, OSError, Killed, ValueError]

    def objective(number, tried, report):
        report(0, {"val_loss": 1.0})
        if number == 1 and ends:
            raise ends.pop()
        return bowl(number, tried, report)

    params = SearchParams(budget=BudgetSettings(trials=3))
    study = open_study(params)
    for error in ends[::-1]:
        with pytest.raises(error):
            search(study, VALUES, SPACE, params, ThisProcess(objective))
    trials = search(study, VALUES, SPACE, params, ThisProcess(objective)).trials
    undisturbed = search(open_study(params), VALUES, SPACE, params, ThisProcess(objective)).trials
    assert [(each.state, each.tried, each.val_loss) for each in trials] == [
        ("complete", each.tried, each.val_loss) for each in undisturbed
    ]


def test_a_trial_in_which_the_search_ends_each_time_is_recorded_and_the_search_goes_on():
    tried_of, lost = {}, []

    def objective(number, tried, report):
        tried_of.setdefault(number, []).append(tried)
        report(0, {"val_loss": 1.0})
        if number == 1:
            lost.append(number)
            raise Killed
        return 1.0

    params = SearchParams(budget=BudgetSettings(trials=3))
    study = open_study(params)
    for _ in range(ENDED_SEARCHES):
        with pytest.raises(Killed):
            search(study, VALUES, SPACE, params, ThisProcess(objective))
    trials = search(study, VALUES, SPACE, params, ThisProcess(objective)).trials
    assert [trial.state for trial in trials] == ["complete", "lost", "complete"]
    assert trials[1].reason == "the search was interrupted"
    assert tried_of[1] == [trials[1].tried] * ENDED_SEARCHES
    assert [len(tries) for tries in tried_of.values()] == [1, ENDED_SEARCHES, 1]


def test_a_trial_that_a_person_interrupts_is_tried_until_it_ends():
    started = []

    def objective(number, tried, report):
        started.append((number, tried))
        if len(started) < 4:
            raise KeyboardInterrupt
        return 1.0

    params = SearchParams(budget=BudgetSettings(trials=2))
    study = open_study(params)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            search(study, VALUES, SPACE, params, ThisProcess(objective))
    assert [trial.state for trial in search(study, VALUES, SPACE, params, ThisProcess(objective)).trials] == [
        "complete"
    ] * 2
    assert started[0] == started[1] == started[2] == started[3]


def test_no_trial_stays_running_after_an_interruption(tmp_path):
    def objective(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(objective, tmp_path / "study.db")
    (state,) = sqlite3.connect(tmp_path / "study.db").execute("SELECT DISTINCT state FROM trials").fetchone()
    assert state == "FAIL"


CONDITIONAL = SearchSpace(
    learning={
        # Written before what it waits for, on purpose.
        "momentum": Range(low=0.8, high=0.99, when={"optimizer": ["sgd", "rmsprop"]}),
        "nesterov": Range(choices=(True, False), when={"momentum": 0.9, "optimizer": "sgd"}),
        "optimizer": Range(choices=("sgd", "adam", "rmsprop")),
        "beta_1": Range(low=0.8, high=0.95, when={"optimizer": "adam"}),
        "schedule.kind": Range(choices=("constant", "step", "cosine")),
        "schedule.factor": Range(low=0.01, high=0.5, log=True, when={"schedule.kind": ["step", "cosine"]}),
    }
)
SPACE_WITH_MOMENTUM = SearchSpace(
    learning={**SPACE.learning, **{name: CONDITIONAL.learning[name] for name in ("momentum", "optimizer")}},
    regularisation=SPACE.regularisation,
)


def test_a_parameter_is_tried_only_with_what_it_waits_for():
    own = MlpParams(optimizer="sgd", momentum=0.95, nesterov=True, schedule={"kind": "step", "factor": 0.3})
    used = []

    def objective(number, tried, report):
        used.append(with_values(own, tried))
        return tried.get("momentum", 1.0)

    trials = run(objective, space=CONDITIONAL, trials=25, values=own)
    first = {"optimizer": "sgd", "momentum": 0.95, "schedule.kind": "step", "schedule.factor": 0.3}
    assert trials[0].tried == first  # 0.95 is not 0.9
    for trial, values in zip(trials, used, strict=True):
        tried = trial.tried
        assert ("momentum" in tried) == (tried["optimizer"] != "adam")
        assert ("beta_1" in tried) == (tried["optimizer"] == "adam")
        assert ("schedule.factor" in tried) == (tried["schedule.kind"] != "constant")
        # What was set for another optimizer is not carried along.
        assert values.momentum == tried.get("momentum", 0.0)
        assert values.nesterov == (tried["optimizer"] == "sgd")
    assert {trial.tried["optimizer"] for trial in trials} == {"sgd", "adam", "rmsprop"}
    assert {trial.tried["schedule.kind"] for trial in trials} == {"constant", "step", "cosine"}


def test_a_grid_tries_every_combination_once_and_then_ends():
    space = SearchSpace(
        architecture={"hidden_units": Range(choices=([8], [16]))},
        learning={
            "learning_rate": Range(low=1e-4, high=1e-2, log=True),
            "batch_size": Range(low=1, high=3),
            "optimizer": Range(choices=("sgd", "adam")),
            "momentum": Range(choices=(0.8, 0.9), when={"optimizer": "sgd"}),
        },
    )
    searched = found(bowl_of_rates, space=space, budget={"trials": 1000}, sampler={"name": "grid", "points": 3})
    tried = [json.dumps(trial.tried, sort_keys=True) for trial in searched.trials]
    own = searched.trials[0].tried
    assert own["learning_rate"] == 1e-3
    # batch_size 64, the network's own, is out of the range: chance fills in for it.
    assert 1 <= own["batch_size"] <= 3
    assert own["hidden_units"] in ([8], [16])
    assert len(set(tried[1:])) == len(tried) - 1 == 2 * 3 * 3 * (1 + 2)
    assert {trial.tried["learning_rate"] for trial in searched.trials[1:]} == set(np.geomspace(1e-4, 1e-2, 3).tolist())
    assert searched.ended_by == "grid"


def bowl_of_rates(number, tried, report):
    return abs(tried["learning_rate"] - 0.01)


def test_a_budget_of_epochs_holds_for_all_trials_together():
    def worse(number, tried, report):
        for epoch in range(4):
            report(epoch, {"val_loss": float(number)})
        return float(number)

    # Pruned after two epochs from the third on: 4 + 4 + 2 + 2 + …
    pruner = MedianSettings(startup_trials=2, warmup_epochs=1)
    searched = found(worse, epochs=4, budget={"epochs": 15}, pruner=pruner)
    assert [trial.epochs for trial in searched.trials] == [4, 4, 2, 2]
    assert searched.ended_by == "epochs"  # 3 are left, and a trial may take 4


class Clock:
    """A clock that goes as far as a trial says."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("darkroom.search.loop.monotonic", lambda: self.now)

    def takes(self, seconds):
        self.now += seconds


def test_a_budget_of_seconds_ends_the_trial_at_work_but_not_the_first(monkeypatch):
    clock = Clock(monkeypatch)

    def slow(number, tried, report):
        for epoch in range(10):
            clock.takes(1)
            report(epoch, {"val_loss": 1.0})
        return 1.0

    searched = found(slow, budget={"seconds": 5}, pruner={"name": "none"})
    assert [(trial.state, trial.epochs) for trial in searched.trials] == [("complete", 10)]
    searched = found(slow, budget={"seconds": 14, "trials": 50}, pruner={"name": "none"})
    assert [(trial.state, trial.epochs) for trial in searched.trials] == [("complete", 10), ("pruned", 4)]
    assert (searched.ended_by, searched.seconds) == ("seconds", 14)


def test_the_seconds_before_an_interruption_count(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)

    def objective(number, tried, report):
        clock.takes(3)
        if number == 1 and not interrupted:
            interrupted.append(number)
            raise Killed
        return 1.0

    interrupted = []
    budget = {"seconds": 8, "trials": 50}
    with pytest.raises(Killed):
        found(objective, tmp_path / "study.db", budget=budget)
    clock.takes(1000)  # nothing is at work
    searched = found(objective, tmp_path / "study.db", budget=budget)
    assert [trial.state for trial in searched.trials] == ["complete"] * 2
    assert searched.seconds == 9


SAMPLERS = [
    {"name": "tpe", "startup_trials": 2, "candidates": 5, "multivariate": False},
    {"name": "tpe", "startup_trials": 2, "multivariate": True},
    {"name": "random"},
    {"name": "qmc", "kind": "halton", "scramble": True},
    {"name": "qmc"},
    {"name": "grid", "points": 2},
    pytest.param(
        {"name": "cma_es", "population": 4, "pruned_trials": True},
        marks=pytest.mark.skipif(find_spec("cmaes") is None, reason="cmaes is not installed"),
    ),
    pytest.param(
        {"name": "gp", "startup_trials": 2},
        marks=pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
    ),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler["name"])
@pytest.mark.parametrize("space", [SPACE, CONDITIONAL], ids=["plain", "conditional"])
def test_every_sampler_finds_the_same_twice_also_when_interrupted(sampler, space):
    def loss(number, tried, report):
        return sum(value for value in tried.values() if isinstance(value, float))

    interrupted = []

    def disturbed(number, tried, report):
        if number in {1, 5} and number not in interrupted:
            interrupted.append(number)
            raise Killed
        return loss(number, tried, report)

    whole = run(loss, space=space, sampler=sampler)
    assert run(loss, space=space, sampler=sampler) == whole
    assert len({json.dumps(trial.tried) for trial in whole}) > 4
    if sampler["name"] == "cma_es":
        return  # it draws by the study's own count, in which what was lost has a number
    params = SearchParams(seed=3, budget=BudgetSettings(trials=8), sampler=sampler)
    study = open_study(params)
    for _ in range(2):
        with pytest.raises(Killed):
            search(study, VALUES, space, params, ThisProcess(disturbed))
    assert search(study, VALUES, space, params, ThisProcess(disturbed)).trials == whole


PRUNERS = [
    ({"name": "median", "startup_trials": 1, "warmup_epochs": 1, "interval_epochs": 1, "minimum_trials": 1}, True),
    ({"name": "percentile", "percentile": 25.0, "startup_trials": 1}, True),
    ({"name": "successive_halving", "minimum_epochs": 1, "reduction_factor": 2}, True),
    ({"name": "successive_halving"}, True),
    ({"name": "hyperband", "reduction_factor": 2, "maximum_epochs": 4}, True),
    ({"name": "threshold", "upper": 2.5}, True),
    ({"name": "patient", "patience": 1, "pruner": {"name": "none"}}, True),
    ({"name": "patient", "patience": 3, "pruner": {"name": "median"}}, False),
    ({"name": "none"}, False),
]


@pytest.mark.parametrize(("pruner", "prunes"), PRUNERS)
def test_every_pruner_prunes_what_it_should(pruner, prunes):
    def objective(number, tried, report):
        for epoch in range(4):
            report(epoch, {"val_loss": number + (epoch if number else -epoch) / 100})
        return float(number)

    trials = run(objective, pruner=pruner, epochs=4, trials=10)
    assert any(trial.state == "pruned" for trial in trials) == prunes
    assert trials[0].state == "complete" or pruner["name"] == "patient"


def test_optuna_takes_every_setting():
    """Each setting reaches Optuna: one that is left out of sampling.py is found here."""
    for kind in (samplers.CmaEsSettings, samplers.TpeSettings, samplers.QmcSettings):
        source = inspect.getsource(sampling.sampler)
        assert [name for name in kind.model_fields if name != "name" and f"chosen.{name}" not in source] == []
    for kind in (pruners.MedianSettings, pruners.SuccessiveHalvingSettings, pruners.HyperbandSettings):
        source = inspect.getsource(sampling.pruner)
        assert [name for name in kind.model_fields if name != "name" and f"chosen.{name}" not in source] == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://me:s3cret%21@127.0.0.1:1/studies?sslpassword=hidden", "Connection refused"),
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("mysql://me:s3cret@127.0.0.1:1/studies", "pip install"),
    ],
)
def test_a_storage_that_does_not_answer_is_one_line_without_a_secret(address, words, tmp_path):
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        found(bowl, tmp_path / "study.db", storage=address)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"search.storage: {address.partition('://')[0]}://")
    assert words in line
    assert "remove search.storage" in line
    assert not any(secret in line for secret in ("s3cret", "hidden", "%21"))
    assert time.monotonic() - began < 10


def test_a_study_in_a_database_stays_there_and_begins_anew(tmp_path):
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    first = run(bowl, tmp_path / "mlp-1234.db", storage=storage)
    assert not (tmp_path / "mlp-1234.db").exists()
    study = optuna.load_study(study_name="mlp-1234", storage=storage)
    assert len(attempts(study)) == 8
    seen = []
    again = run(
        lambda number, *rest: seen.append(number) or bowl(number, *rest), tmp_path / "mlp-1234.db", storage=storage
    )
    assert again == first
    assert seen == list(range(8))


def test_a_finished_search_leaves_nothing_to_go_on_with(tmp_path):
    run(bowl, tmp_path / "study.db")
    seen = []
    run(lambda number, *_: seen.append(number) or 1.0, tmp_path / "study.db")
    assert seen == list(range(8))


@pytest.mark.slow
def test_pictures_of_a_study_show_what_can_be_told_apart(tmp_path):
    def objective(number, tried, report):
        return 900.0 if number == 7 else bowl(number, tried, report)

    params = SearchParams(seed=3, budget=BudgetSettings(trials=12))
    study = open_study(params)
    search(study, VALUES, SPACE_WITH_MOMENTUM, params, ThisProcess(objective))
    drawn = draw(study, tmp_path)
    assert [file.name for file in drawn] == ["history.png", "slice.png", "importances.png", "parallel.png"]
    readable, name = readable_copy(study)
    assert re.fullmatch(r"lowest validation loss \(at most \S+ shown\)", name)
    assert max(trial.value for trial in readable.trials) < 10
    assert study.trials[7].value == 900.0
    # A pruned trial is shown with the lowest loss that it reached.
    pruned = open_study(params)
    for losses, state in ([0.5], "COMPLETE"), ([0.9, 0.7, 0.8], "PRUNED"), ([], "PRUNED"):
        trial = pruned.ask()
        for epoch, loss in enumerate(losses):
            trial.report(loss, epoch)
        pruned.tell(trial, 0.5 if state == "COMPLETE" else None, state=optuna.trial.TrialState[state])
    values = [trial.value for trial in readable_copy(pruned)[0].trials if trial.state.name == "COMPLETE"]
    assert values == [0.5, 0.7]
    # With one trial, there is nothing to weigh up.
    alone = open_study(params)
    search(alone, VALUES, SPACE, SearchParams(budget=BudgetSettings(trials=1)), ThisProcess(bowl))
    assert [file.name for file in draw(alone, tmp_path)] == ["history.png", "slice.png", "parallel.png"]


FULL_DISK = """
import resource, sys
from pathlib import Path
import test_search
from darkroom.base.errors import DarkroomError

file = Path("study.db")

def objective(number, tried, report):
    if number == 2:
        # From here on, no file can grow.
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, resource.RLIM_INFINITY))
        for epoch in range(5000):
            report(epoch, {"val_loss": 1.0})
    return 1.0

try:
    test_search.run(objective, file, trials=4, epochs=10_000, values=test_search.MlpParams(epochs=10_000))
except DarkroomError as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    pytest.importorskip("resource")
    variables = environment(PYTHONPATH=os.pathsep.join(map(str, (Path(__file__).parent, *filter(None, sys.path)))))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("the study in .darkroom/search can no longer be written to (")
    seen = []
    trials = run(lambda number, *_: seen.append(number) or 1.0, tmp_path / "study.db", trials=4)
    assert seen == [2, 3]
    assert [trial.state for trial in trials] == ["complete"] * 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database " * 100),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192 + path.read_bytes()[12288:]),
    ],
)
def test_a_damaged_study_is_set_aside_and_the_search_starts_over(tmp_path, capsys, damage):
    def killed(number, tried, report):
        if number == 2:
            raise KeyboardInterrupt
        return bowl(number, tried, report)

    path = tmp_path / "study.db"
    with pytest.raises(KeyboardInterrupt):
        run(killed, path)
    damage(path)
    damaged = path.read_bytes()
    assert len(run(bowl, path)) == 8
    assert "is damaged (" in capsys.readouterr().out
    assert (tmp_path / "study.db.damaged").read_bytes() == damaged
    assert sorted(file.name for file in tmp_path.iterdir()) == ["study.db.damaged"]
