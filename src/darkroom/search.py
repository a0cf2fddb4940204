"""Hyperparameter search; the only place that imports optuna."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.trial import TrialState

from darkroom.errors import TrainingError
from darkroom.networks import NetworkParams
from darkroom.params import Range, SearchParams, SearchSpace, is_whole, value_of
from darkroom.sections import Section

Study = optuna.Study
Pruned = optuna.TrialPruned
Report = Callable[[int, Mapping[str, float]], None]
"""Takes an epoch and its values; raises ``Pruned`` where going on is not worth it."""
Objective = Callable[[int, dict[str, Any], Report], float]
"""Takes a trial's number, from 0, the values to try and where to report; returns the lowest validation loss."""

DIVERGED = "diverged"
TRIED = "tried"


@dataclass(frozen=True)
class Trial:
    """What came of one trial."""

    number: int
    state: str
    """``complete``, ``pruned`` or ``fail``."""
    val_loss: float | None
    tried: dict[str, Any]
    epochs: int


def open_study(params: SearchParams, storage: str | None = None) -> Study:
    """Open a study in a storage, or in memory alone."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage,
        study_name="search",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(params.startup_trials, params.warmup_epochs),
    )


@contextmanager
def kept_study(path: Path, params: SearchParams) -> Iterator[Study]:
    """Open a study that outlives an interruption: it is in a file until the search has come to its end.

    Args:
        path: the file, named by everything that the outcome depends on. A second process waits for the first.
        params: budget, seed and pruning.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        study = open_study(params, f"sqlite:///{path}")
        # Nobody else has the lock: what is running there belongs to a process that is gone.
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        yield study
        path.unlink()


def search(
    study: Study, values: NetworkParams, space: SearchSpace, params: SearchParams, objective: Objective
) -> list[Trial]:
    """Try values from a space for the lowest validation loss, until the budget is used up.

    Trials that the study has already are counted, and not run again. What a trial tries depends on the seed and on the
    trials before it, not on how often the search was interrupted.

    Args:
        study: from ``kept_study``.
        values: the network's own parameters.
        space: what may be turned.
        params: budget, seed and pruning.
        objective: trains one trial.

    Raises:
        TrainingError: no trial came to an end.
    """
    while (number := len(_ended(study))) < params.trials:
        seed = int(np.random.SeedSequence((params.seed, number)).generate_state(1)[0])
        study.sampler = optuna.samplers.TPESampler(seed=seed)
        if number == 0 and not study.get_trials(states=(TrialState.WAITING,)):
            # The network's own values come first, so that a short search cannot make it worse.
            study.enqueue_trial(own_values(space, values))
        trial = study.ask()
        tried = {name: suggest(trial, name, of, values) for name, of in space.ranges().items()}
        trial.set_user_attr(TRIED, tried)
        _run(study, trial, partial(objective, number, tried))
    ended = _ended(study)
    trials = [_trial(number, trial) for number, trial in enumerate(ended)]
    if not any(trial.state == "complete" for trial in trials):
        raise TrainingError(
            f"none of {len(trials)} trials came to an end; the last one: {ended[-1].user_attrs[DIVERGED]}"
        )
    return trials


def _ended(study: Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that count: those of an interruption are failed ones that did not diverge."""
    return [
        trial
        for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
        if trial.state != TrialState.FAIL or DIVERGED in trial.user_attrs
    ]


def _run(study: Study, trial: optuna.Trial, objective: Callable[[Report], float]) -> None:
    """Run a trial, and tell the study what came of it."""

    def report(epoch: int, epoch_values: Mapping[str, float]) -> None:
        trial.report(epoch_values["val_loss"], epoch)
        if trial.should_prune():
            raise Pruned(f"validation loss {epoch_values['val_loss']:.4f} after {epoch + 1} epochs")

    try:
        study.tell(trial, objective(report))
    except Pruned:
        study.tell(trial, state=TrialState.PRUNED)
    except TrainingError as error:
        # A trial that diverges is a finding, not the end of the search.
        trial.set_user_attr(DIVERGED, str(error))
        study.tell(trial, state=TrialState.FAIL)


def best_values(trials: list[Trial]) -> dict[str, Any]:
    """Return the values of the finished trial with the lowest validation loss."""
    finished = [trial for trial in trials if trial.state == "complete" and trial.val_loss is not None]
    return min(finished, key=lambda trial: (trial.val_loss, trial.number)).tried


def own_values(space: SearchSpace, values: NetworkParams) -> dict[str, Any]:
    """Return the values that a network has without the search, as far as the space holds them, as Optuna takes them."""
    held = ((name, held_as(tried, value_of(values, name))) for name, tried in space.ranges().items())
    return {name: value for name, value in held if value is not None}


def held_as(tried: Range, value: Any) -> Any:
    """Return a value as Optuna takes it; None where it is not one of those that a range offers."""
    if tried.choices is not None:
        return next((_text(choice) for choice in tried.choices if _same(choice, value)), None)
    if tried.low is None or tried.high is None or not isinstance(value, int | float):
        return None
    return value if tried.low <= value <= tried.high else None


def _same(choice: Any, value: Any) -> bool:
    """Say whether a choice, as params.yaml has it, is a parameter's value."""
    if isinstance(value, Section):
        return isinstance(choice, dict) and type(value).model_validate_json(json.dumps(choice)) == value
    return bool((tuple(choice) if isinstance(choice, list) else choice) == value)


def _text(choice: Any) -> str:
    """Write a choice as text, since Optuna keeps no lists and mappings."""
    return json.dumps(choice)


def suggest(trial: optuna.Trial, name: str, tried: Range, values: NetworkParams) -> Any:
    """Let Optuna choose a value: a whole number where the parameter is one."""
    if tried.choices is not None:
        return json.loads(trial.suggest_categorical(name, [_text(choice) for choice in tried.choices]))
    if tried.low is None or tried.high is None:
        raise ValueError(f"{name}: low and high are missing")  # read_params refuses this
    if is_whole(values, name):
        return trial.suggest_int(name, int(tried.low), int(tried.high), log=tried.log)
    return trial.suggest_float(name, tried.low, tried.high, log=tried.log)


def _trial(number: int, trial: optuna.trial.FrozenTrial) -> Trial:
    reported = trial.intermediate_values
    value = trial.value if trial.value is not None else min(reported.values(), default=None)
    return Trial(number, trial.state.name.lower(), value, trial.user_attrs[TRIED], len(reported))
