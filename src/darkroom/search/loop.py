"""The search loop: choose the values of the next trial, prune trials, stop when the budget is used up."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import optuna
from optuna.trial import TrialState

from darkroom.base.errors import TrainingError
from darkroom.networks import NetworkParams
from darkroom.params import SearchParams, SearchSpace
from darkroom.params.combinations import grid, is_active
from darkroom.params.samplers import GridSettings, RandomSettings
from darkroom.search import sampling
from darkroom.search.executors.protocol import Executor, Outcome, Trial, Watch
from darkroom.search.interrupts import kept_interrupts
from darkroom.search.study import (
    DIVERGED,
    DUPLICATE,
    INTERRUPTED,
    LOST,
    NUMBER,
    SECONDS,
    SECONDS_SPENT,
    TRIED,
    WITH_THE_SEARCH,
    Study,
    attempts,
    mark_lost,
    result,
    results,
    was_lost,
)
from darkroom.search.values import encode, grid_points, own_values, suggest

ATTEMPTS = 2
"""A lost trial is retried once; lost again, it is recorded as lost."""
ENDED_SEARCHES = 5
"""The number of times that a whole search ends during a trial until the trial is recorded as lost: it may be the cause,
or a reboot, a full disk or a server.
"""
MAX_DRAWS = 40
"""Maximum draws to find values that were not tried before; the last draw is used even if it was."""
SAMPLER_DRAWS = 20
"""Draws from the sampler; the remaining ones are random, because a converged sampler repeats the same values."""
ASSIGNED_NUMBER = "meant_for"
"""Attribute of an enqueued trial: its number."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search."""

    trials: list[Trial]
    ended_by: str
    """The budget that was used up: ``trials``, ``epochs`` or ``seconds``; or ``grid``: all grid points were tried."""
    seconds: float
    """Wall-clock time without interruptions."""


def search(
    study: Study,
    values: NetworkParams,
    space: SearchSpace,
    params: SearchParams,
    executor: Executor,
    watch: Watch | None = None,
) -> SearchResult:
    """Search a space for the values with the lowest validation loss, until the budget is used up.

    Trials already in the study count and are not run again. A trial's values depend on the seed and the earlier
    trials, not on interruptions.

    Args:
        study: from ``persistent_study``.
        values: the network's parameters in params.yaml.
        space: the search space.
        params: budget, seed, sampler and pruner.
        executor: runs the trials.
        watch: observer of the trials.

    Raises:
        TrainingError: no trial finished.
    """
    active = _Search(study, values, space, params, watch)
    try:
        with kept_interrupts() as check:
            _run(active, executor, check)
    except BaseException as error:
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "lost"
        for number in list(active.running):
            active.end(number, Outcome(state, reason=WITH_THE_SEARCH))
        raise
    trials = results(study)
    if not any(trial.state == "complete" for trial in trials):
        raise TrainingError(f"none of {len(trials)} trials finished; the last one: {trials[-1].reason}")
    return SearchResult(trials, active.limit() or "trials", active.seconds())


def _run(active: "_Search", executor: Executor, check_interrupts: Callable[[], None]) -> None:
    """Run trials until a limit is reached and none runs any more."""

    def on_epoch(number: int, epoch: int, values: Mapping[str, float]) -> bool:
        check_interrupts()
        return active.on_epoch(number, epoch, values)

    while True:
        check_interrupts()
        while len(active.running) < executor.workers and active.limit() is None:
            executor.start(*active.begin())
        if not active.running:
            return
        active.end(*executor.wait(on_epoch))


class _Search:
    """The state of a running search: starts trials, records their results, checks the budget."""

    def __init__(
        self, study: Study, values: NetworkParams, space: SearchSpace, params: SearchParams, watch: Watch | None
    ) -> None:
        self._study, self._values, self._space, self._params, self._watch = study, values, space, params, watch
        self.running: dict[int, tuple[optuna.Trial, float]] = {}
        """Running trials by number, each with its start time."""
        self._before: float = study.user_attrs.get(SECONDS_SPENT, 0.0)
        self._began = monotonic()
        self._longest = values.shortened(params.epochs).all_epochs
        # The network's current values come first, so that a short search cannot return worse ones.
        own = own_values(space, values)
        self._given = [own]
        self._is_grid = isinstance(params.sampler, GridSettings)
        if isinstance(params.sampler, GridSettings):
            points = {name: grid_points(tried, name, values, params.sampler) for name, tried in space.ranges().items()}
            self._given += [encode(space, one) for one in grid(space, points, values) if encode(space, one) != own]

    def seconds(self) -> float:
        """Return the duration of the search without interruptions."""
        return self._before + monotonic() - self._began

    def out_of_time(self) -> bool:
        """Return whether the budget of seconds is used up; never before one trial has finished."""
        limit = self._params.budget.seconds
        if limit is None or self.seconds() < limit:
            return False
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    def limit(self) -> str | None:
        """Return the limit that prevents another trial; None if one may start."""
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
        """Return the epochs used by finished trials plus the maximum epochs of running trials."""
        last = [tries[-1] for tries in known.values()]
        return sum(len(trial.intermediate_values) if trial.state.is_finished() else self._longest for trial in last)

    def begin(self) -> tuple[int, dict[str, Any]]:
        """Start the next trial; return its number and values."""
        known = attempts(self._study)
        draws = MAX_DRAWS if self._has_more(known) else 1
        for draw in range(draws):
            trial, number = self._ask(known, draw)
            tried: dict[str, Any] = {}
            for name, of in self._space.ranges().items():
                if is_active(self._space, name, tried, self._values):
                    tried[name] = suggest(trial, name, of, self._values)
            # The same values would give exactly the same training.
            if number in known or draw == draws - 1 or not any(_has_tried(tries, tried) for tries in known.values()):
                break
            trial.set_user_attr(DUPLICATE, value=True)
            self._study.tell(trial, state=TrialState.FAIL)
        trial.set_user_attr(TRIED, tried)
        trial.set_user_attr(NUMBER, number)  # from here on, the trial counts
        self.running[number] = trial, monotonic()
        if self._watch:
            self._watch.started(number, tried)
        return number, tried

    def _has_more(self, known: Mapping[int, Sequence[optuna.trial.FrozenTrial]]) -> bool:
        """Return whether untried values remain: false if all parameters are choices and all combinations were tried."""
        choices = [tried.choices for tried in self._space.ranges().values()]
        tried = {json.dumps(tries[-1].user_attrs[TRIED], sort_keys=True) for tries in known.values()}
        return None in choices or len(tried) < math.prod(len(each) for each in choices if each is not None)

    def _ask(self, known: Mapping[int, Sequence[optuna.trial.FrozenTrial]], draw: int) -> tuple[optuna.Trial, int]:
        """Ask the study for a trial; return it with its number among those that count."""
        study = self._study
        if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            if (lost := _to_retry(known)) is not None:
                study.enqueue_trial(known[lost][-1].params, user_attrs={ASSIGNED_NUMBER: lost})
            elif len(known) < len(self._given):
                study.enqueue_trial(self._given[len(known)], user_attrs={ASSIGNED_NUMBER: len(known)})
        chosen = self._params.sampler if draw < SAMPLER_DRAWS else RandomSettings(name="random")
        study.sampler = sampling.sampler(chosen, self._params.seed, len(known), draw)
        trial = study.ask()
        return trial, trial.user_attrs.get(ASSIGNED_NUMBER, len(known))

    def on_epoch(self, number: int, epoch: int, values: Mapping[str, float]) -> bool:
        """Record an epoch of a trial; return whether the trial should continue."""
        trial, _ = self.running[number]
        if self._watch:
            self._watch.epoch(number, epoch, values)
        trial.report(values["val_loss"], epoch)
        # Pruning after the last epoch saves nothing.
        return epoch + 1 >= self._longest or not (trial.should_prune() or self.out_of_time())

    def end(self, number: int, outcome: Outcome) -> None:
        """Record the outcome of a trial."""
        trial, began = self.running.pop(number)
        trial.set_user_attr(SECONDS, monotonic() - began)
        _record_outcome(self._study, trial, outcome)
        self._study.set_user_attr(SECONDS_SPENT, self.seconds())
        if self._watch:
            self._watch.ended(result(self._study.trials[trial.number]))


def _to_retry(known: Mapping[int, Sequence[optuna.trial.FrozenTrial]]) -> int | None:
    """Return the first number whose trial was lost too few times to be given up, not counting user interruptions."""
    for number, tries in sorted(known.items()):
        why = [trial.user_attrs.get(LOST, WITH_THE_SEARCH) for trial in tries if INTERRUPTED not in trial.user_attrs]
        ended = why.count(WITH_THE_SEARCH)
        if was_lost(tries[-1]) and len(why) - ended < ATTEMPTS and ended < ENDED_SEARCHES:
            return number
    return None


def _has_tried(tries: Sequence[optuna.trial.FrozenTrial], tried: dict[str, Any]) -> bool:
    return not was_lost(tries[-1]) and bool(tries[-1].user_attrs[TRIED] == tried)


def _record_outcome(study: Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Record the outcome of a trial in the study."""
    match outcome.state:
        case "complete":
            study.tell(trial, outcome.val_loss)
        case "pruned":
            study.tell(trial, state=TrialState.PRUNED)
        case "diverged":
            # A diverged trial does not end the search.
            trial.set_user_attr(DIVERGED, outcome.reason)
            study.tell(trial, state=TrialState.FAIL)
        case _:
            if outcome.state == INTERRUPTED:
                trial.set_user_attr(INTERRUPTED, value=True)
            mark_lost(study, trial, outcome.reason)


def best_values(trials: list[Trial]) -> dict[str, Any]:
    """Return the values of the finished trial with the lowest validation loss."""
    finished = [trial for trial in trials if trial.state == "complete" and trial.val_loss is not None]
    return min(finished, key=lambda trial: (trial.val_loss, trial.number)).tried
