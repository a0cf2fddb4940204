"""Hyperparameter search; the only place that imports optuna."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from darkroom.errors import TrainingError
from darkroom.params import NetworkParams, Range, SearchParams, SearchSpace

Pruned = optuna.TrialPruned
Report = Callable[[int, Mapping[str, float]], None]
"""Takes an epoch and its values; raises ``Pruned`` where going on is not worth it."""
Objective = Callable[[int, dict[str, Any], Report], float]
"""Takes a trial's number, the values to try and where to report; returns the lowest validation loss."""


@dataclass(frozen=True)
class Trial:
    """What came of one trial."""

    number: int
    state: str
    """``complete``, ``pruned`` or ``fail``."""
    val_loss: float | None
    tried: dict[str, Any]
    epochs: int


def search(values: NetworkParams, space: SearchSpace, params: SearchParams, objective: Objective) -> list[Trial]:
    """Try values from a space for the lowest validation loss.

    Args:
        values: the network's own parameters; they say which searched ones are whole numbers.
        space: what may be turned.
        params: budget, seed and pruning.
        objective: trains one trial.

    Raises:
        TrainingError: no trial came to an end.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=params.seed),
        pruner=optuna.pruners.MedianPruner(params.startup_trials, params.warmup_epochs),
    )
    # The network's own values come first, so that a short search cannot make it worse.
    study.enqueue_trial(own_values(space, values))
    failures: list[TrainingError] = []

    def run(trial: optuna.Trial) -> float:
        tried = {name: suggest(trial, name, of, values) for name, of in space.ranges().items()}

        def report(epoch: int, epoch_values: Mapping[str, float]) -> None:
            trial.report(epoch_values["val_loss"], epoch)
            if trial.should_prune():
                raise Pruned(f"validation loss {epoch_values['val_loss']:.4f} after {epoch + 1} epochs")

        try:
            return objective(trial.number, tried, report)
        except TrainingError as error:
            failures.append(error)
            raise

    # A trial that diverges is a finding, not the end of the search.
    study.optimize(run, n_trials=params.trials, catch=(TrainingError,))
    trials = [_trial(trial) for trial in study.trials]
    if not any(trial.state == "complete" for trial in trials):
        raise TrainingError(f"none of {len(trials)} trials came to an end; the last one: {failures[-1]}")
    return trials


def best_values(trials: list[Trial]) -> dict[str, Any]:
    """Return the values of the finished trial with the lowest validation loss."""
    finished = [trial for trial in trials if trial.state == "complete" and trial.val_loss is not None]
    return min(finished, key=lambda trial: (trial.val_loss, trial.number)).tried


def own_values(space: SearchSpace, values: NetworkParams) -> dict[str, Any]:
    """Return the values that a network has without the search, as far as the space holds them."""
    own = {name: getattr(values, name) for name in space.ranges()}
    return {name: own[name] for name, tried in space.ranges().items() if holds(tried, own[name])}


def holds(tried: Range, value: Any) -> bool:
    """Say whether a value is one of those that a range offers."""
    if tried.choices is not None:
        return value in tried.choices
    return tried.low is not None and tried.high is not None and tried.low <= value <= tried.high


def suggest(trial: optuna.Trial, name: str, tried: Range, values: NetworkParams) -> Any:
    """Let Optuna choose a value: a whole number where the network's own value is one."""
    if tried.choices is not None:
        return trial.suggest_categorical(name, tried.choices)
    if tried.low is None or tried.high is None:
        raise ValueError(f"{name}: low and high are missing")  # read_params refuses this
    if isinstance(getattr(values, name), int):
        return trial.suggest_int(name, int(tried.low), int(tried.high), log=tried.log)
    return trial.suggest_float(name, tried.low, tried.high, log=tried.log)


def _trial(trial: optuna.trial.FrozenTrial) -> Trial:
    reported = trial.intermediate_values
    value = trial.value if trial.value is not None else min(reported.values(), default=None)
    return Trial(trial.number, trial.state.name.lower(), value, dict(trial.params), len(reported))
