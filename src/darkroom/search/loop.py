"""The search itself: which values are tried next, what goes on, and when it is enough."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeGuard

import numpy as np
import optuna
from optuna.trial import TrialState

from darkroom.errors import TrainingError
from darkroom.networks import NetworkParams
from darkroom.params import SearchParams, grid, is_same, is_tried, is_whole, value_of
from darkroom.search import sampling
from darkroom.search.settings import GridSettings, RandomSettings
from darkroom.search.spaces import Range, SearchSpace
from darkroom.search.study import (
    DIVERGED,
    INTERRUPTED,
    KNOWN,
    NUMBER,
    SPENT,
    TOOK,
    TRIED,
    Study,
    attempts,
    lose,
    result,
    results,
    was_lost,
)
from darkroom.search.trials import Executor, Outcome, Trial, Watch

ATTEMPTS = 2
"""A trial that is lost is tried once more; lost again, it is recorded as lost."""
DRAWS = 40
"""So often is drawn what was tried before; then it is tried again."""
SAMPLED = 20
"""So many of the draws are the sampler's, the others by chance: one that is sure of itself draws the same for ever."""
MEANT_FOR = "meant_for"
"""Attribute of a trial whose values were given: the number that it will have."""


@dataclass(frozen=True)
class Found:
    """What a search has found."""

    trials: list[Trial]
    ended_by: str
    """``trials``, ``epochs`` or ``seconds``: what of the budget was used up; or ``grid``: all was tried."""
    seconds: float
    """By the clock, interruptions left out."""


def search(
    study: Study,
    values: NetworkParams,
    space: SearchSpace,
    params: SearchParams,
    executor: Executor,
    watch: Watch | None = None,
) -> Found:
    """Try values from a space for the lowest validation loss, until the budget is used up.

    Trials that the study has already are counted, and not run again. What a trial tries depends on the seed and on the
    trials before it, not on how often the search was interrupted.

    Args:
        study: from ``kept_study``.
        values: the network's own parameters.
        space: what may be turned.
        params: budget, seed, sampler and pruner.
        executor: runs the trials.
        watch: is told what happens.

    Raises:
        TrainingError: no trial came to an end.
    """
    at_work = _Search(study, values, space, params, watch)
    try:
        while True:
            while len(at_work.running) < executor.workers and at_work.limit() is None:
                executor.start(*at_work.begin())
            if not at_work.running:
                break
            at_work.end(*executor.wait(at_work.on_epoch))
    except BaseException as error:
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "lost"
        for number in list(at_work.running):
            at_work.end(number, Outcome(state, reason="the search was interrupted"))
        raise
    trials = results(study)
    if not any(trial.state == "complete" for trial in trials):
        raise TrainingError(f"none of {len(trials)} trials came to an end; the last one: {trials[-1].reason}")
    return Found(trials, at_work.limit() or "trials", at_work.seconds())


class _Search:
    """A search at work: chooses the next trial, or says why there is none, and takes down what comes of each."""

    def __init__(
        self, study: Study, values: NetworkParams, space: SearchSpace, params: SearchParams, watch: Watch | None
    ) -> None:
        self._study, self._values, self._space, self._params, self._watch = study, values, space, params, watch
        self.running: dict[int, tuple[optuna.Trial, float]] = {}
        """By its number, a trial and when it began."""
        self._before: float = study.user_attrs.get(SPENT, 0.0)
        self._began = monotonic()
        self._longest = min(params.epochs, values.epochs)
        # The network's own values come first, so that a short search cannot make it worse.
        own = own_values(space, values)
        self._given = [own]
        self._is_grid = isinstance(params.sampler, GridSettings)
        if isinstance(params.sampler, GridSettings):
            points = {name: _points(tried, name, values, params.sampler) for name, tried in space.ranges().items()}
            self._given += [
                as_optuna(space, one) for one in grid(space, points, values) if as_optuna(space, one) != own
            ]

    def seconds(self) -> float:
        """Return the time that the search has taken, interruptions left out."""
        return self._before + monotonic() - self._began

    def out_of_time(self) -> bool:
        """Say whether the seconds are over; never before there is one finished trial, which is what they are for."""
        limit = self._params.budget.seconds
        if limit is None or self.seconds() < limit:
            return False
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    def limit(self) -> str | None:
        """Say what keeps another trial from being started, if anything does."""
        known, budget = attempts(self._study), self._params.budget
        if self.out_of_time():
            return "seconds"
        if _to_retry(known) is not None:
            return None
        if budget.trials is not None and len(known) >= budget.trials:
            return "trials"
        if budget.epochs is not None and self._epochs(known) + self._longest > budget.epochs:
            return "epochs"
        if self._is_grid and len(known) >= len(self._given):
            return "grid"
        return None

    def _epochs(self, known: Mapping[int, Sequence[optuna.trial.FrozenTrial]]) -> int:
        """Return the epochs that are spent, and those that the trials at work may still take."""
        last = [tries[-1] for tries in known.values()]
        return sum(len(trial.intermediate_values) if trial.state.is_finished() else self._longest for trial in last)

    def begin(self) -> tuple[int, dict[str, Any]]:
        """Begin the next trial; return its number and what it tries."""
        known = attempts(self._study)
        draws = DRAWS if self._has_more(known) else 1
        for draw in range(draws):
            trial, number = self._ask(known, draw)
            tried: dict[str, Any] = {}
            for name, of in self._space.ranges().items():
                if is_tried(self._space, name, tried, self._values):
                    tried[name] = suggest(trial, name, of, self._values)
            # The same values would give the same training again, to the last bit.
            if number in known or draw == draws - 1 or not any(_has_tried(tries, tried) for tries in known.values()):
                break
            trial.set_user_attr(KNOWN, value=True)
            self._study.tell(trial, state=TrialState.FAIL)
        trial.set_user_attr(TRIED, tried)
        trial.set_user_attr(NUMBER, number)  # from now on, it counts
        self.running[number] = trial, monotonic()
        if self._watch:
            self._watch.started(number, tried)
        return number, tried

    def _has_more(self, known: Mapping[int, Sequence[optuna.trial.FrozenTrial]]) -> bool:
        """Say whether there can be values that were not tried: not, where all combinations of choices were."""
        choices = [tried.choices for tried in self._space.ranges().values()]
        tried = {json.dumps(tries[-1].user_attrs[TRIED], sort_keys=True) for tries in known.values()}
        return None in choices or len(tried) < math.prod(len(each) for each in choices if each is not None)

    def _ask(self, known: Mapping[int, Sequence[optuna.trial.FrozenTrial]], draw: int) -> tuple[optuna.Trial, int]:
        """Return a new trial of the study, and its number among those that count."""
        study = self._study
        if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            if (lost := _to_retry(known)) is not None:
                study.enqueue_trial(known[lost][-1].params, user_attrs={MEANT_FOR: lost})
            elif len(known) < len(self._given):
                study.enqueue_trial(self._given[len(known)], user_attrs={MEANT_FOR: len(known)})
        chosen = self._params.sampler if draw < SAMPLED else RandomSettings(name="random")
        study.sampler = sampling.sampler(chosen, self._params.seed, len(known), draw)
        trial = study.ask()
        return trial, trial.user_attrs.get(MEANT_FOR, len(known))

    def on_epoch(self, number: int, epoch: int, values: Mapping[str, float]) -> bool:
        """Take down an epoch of a trial; return whether going on is worth it."""
        trial, _ = self.running[number]
        if self._watch:
            self._watch.epoch(number, epoch, values)
        trial.report(values["val_loss"], epoch)
        # After its last epoch, there is nothing left to save.
        return epoch + 1 >= self._longest or not (trial.should_prune() or self.out_of_time())

    def end(self, number: int, outcome: Outcome) -> None:
        """Take down how a trial ended."""
        trial, began = self.running.pop(number)
        trial.set_user_attr(TOOK, monotonic() - began)
        _tell(self._study, trial, outcome)
        self._study.set_user_attr(SPENT, self.seconds())
        if self._watch:
            self._watch.ended(result(self._study.trials[trial.number]))


def _to_retry(known: Mapping[int, Sequence[optuna.trial.FrozenTrial]]) -> int | None:
    """Return the first number whose trial was lost, and lost once; that a person interrupted it does not count."""
    for number, tries in sorted(known.items()):
        lost = sum(INTERRUPTED not in trial.user_attrs for trial in tries)
        if was_lost(tries[-1]) and lost < ATTEMPTS:
            return number
    return None


def _has_tried(tries: Sequence[optuna.trial.FrozenTrial], tried: dict[str, Any]) -> bool:
    return not was_lost(tries[-1]) and bool(tries[-1].user_attrs[TRIED] == tried)


def _tell(study: Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Tell the study what came of a trial."""
    match outcome.state:
        case "complete":
            study.tell(trial, outcome.val_loss)
        case "pruned":
            study.tell(trial, state=TrialState.PRUNED)
        case "diverged":
            # A finding, not the end of the search.
            trial.set_user_attr(DIVERGED, outcome.reason)
            study.tell(trial, state=TrialState.FAIL)
        case _:
            if outcome.state == INTERRUPTED:
                trial.set_user_attr(INTERRUPTED, value=True)
            lose(study, trial, outcome.reason)


def best_values(trials: list[Trial]) -> dict[str, Any]:
    """Return the values of the finished trial with the lowest validation loss."""
    finished = [trial for trial in trials if trial.state == "complete" and trial.val_loss is not None]
    return min(finished, key=lambda trial: (trial.val_loss, trial.number)).tried


def own_values(space: SearchSpace, values: NetworkParams) -> dict[str, Any]:
    """Return the values that a network has without the search, as far as the space holds them, as Optuna takes them."""
    return {name: held[0] for name, tried in space.ranges().items() if (held := held_as(tried, value_of(values, name)))}


def held_as(tried: Range, value: Any) -> tuple[Any, ...]:
    """Return a value as Optuna takes it, alone; nothing where it is not one of those that a range offers."""
    if tried.choices is not None:
        return tuple(_encoded(choice) for choice in tried.choices if is_same(choice, value))[:1]
    if tried.low is None or tried.high is None or not isinstance(value, int | float):
        return ()
    return (value,) if tried.low <= value <= tried.high else ()


def as_optuna(space: SearchSpace, tried: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that are tried as Optuna takes them."""
    return {name: _encoded(value) for name, value in tried.items() if name in space.ranges()}


def _encoded(choice: Any) -> Any:
    """Write lists and mappings as text, since Optuna keeps none."""
    return json.dumps(choice) if isinstance(choice, list | dict) else choice


def _points(tried: Range, name: str, values: NetworkParams, chosen: GridSettings) -> Sequence[Any]:
    """Return the points of a grid on one parameter."""
    if tried.choices is not None:
        return tried.choices
    if tried.low is None or tried.high is None:
        raise ValueError(f"{name}: low and high are missing")  # read_params refuses this
    spaced = np.geomspace if tried.log else np.linspace
    points = np.clip(spaced(tried.low, tried.high, chosen.points), tried.low, tried.high).tolist()
    return sorted({round(point) for point in points}) if is_whole(values, name) else points


def suggest(trial: optuna.Trial, name: str, tried: Range, values: NetworkParams) -> Any:
    """Let Optuna choose a value: a whole number where the parameter is one."""
    if tried.choices is not None and is_ladder(tried.choices):
        # As a range, so that what is learnt of one number is learnt of its neighbours too.
        low, high, log = span(tried.choices)
        chosen = trial.suggest_float(name, low, high, log=log)
        return min(tried.choices, key=lambda choice: abs(math.log(choice / chosen) if log else choice - chosen))
    if tried.choices is not None:
        chosen = trial.suggest_categorical(name, [_encoded(choice) for choice in tried.choices])
        return next(choice for choice in tried.choices if is_same(_encoded(choice), chosen))
    if tried.low is None or tried.high is None:
        raise ValueError(f"{name}: low and high are missing")  # read_params refuses this
    if is_whole(values, name):
        return trial.suggest_int(name, int(tried.low), int(tried.high), log=tried.log)
    return trial.suggest_float(name, tried.low, tried.high, log=tried.log)


def is_ladder(choices: Sequence[Any]) -> TypeGuard[Sequence[float]]:
    """Say whether choices are three numbers or more, of which some lie between others."""
    numbers = {choice for choice in choices if isinstance(choice, int | float) and not isinstance(choice, bool)}
    return len(numbers) == len(choices) and len(numbers) > 2  # noqa: PLR2004


def span(choices: Sequence[float]) -> tuple[float, float, bool]:
    """Return the range that stands for numbers, and whether it goes by their logarithm, as that of positive ones does.

    It begins half a step below the lowest and ends half a step above the highest, so that these are as near to as much
    of it as those between.
    """
    rungs, log = sorted(choices), min(choices) > 0
    if log:
        return rungs[0] * math.sqrt(rungs[0] / rungs[1]), rungs[-1] * math.sqrt(rungs[-1] / rungs[-2]), log
    return rungs[0] - (rungs[1] - rungs[0]) / 2, rungs[-1] + (rungs[-1] - rungs[-2]) / 2, log
