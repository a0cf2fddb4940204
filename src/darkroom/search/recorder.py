"""Record a search and its trials in MLflow."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom.networks import Network
from darkroom.params import Params
from darkroom.search.executors.protocol import Trial
from darkroom.search.figures import draw
from darkroom.search.loop import SearchResult, best_values
from darkroom.search.objective import epochs_of
from darkroom.search.progress import Progress
from darkroom.search.study import SECONDS_SPENT, Study, results
from darkroom.tracking import runs

STATUS = {"complete": "FINISHED", "pruned": "KILLED"}
"""MLflow run status of each trial state; other states are FAILED."""


class Recorder:
    """A ``Watch`` that records the trials of a search in MLflow and shows the progress."""

    def __init__(
        self, network: Network, params: Params, tags: Mapping[str, str], parent: runs.Run, study: Study
    ) -> None:
        self._network, self._parent = network, parent
        self._tags = {**tags, "stage": "search"}
        self._runs: dict[int, runs.Run] = {}
        self._ended = results(study)
        # Lost trials are retried and counted then.
        earlier = [one for one in self._ended if one.state != "lost"]
        epochs, spent = epochs_of(network, params), study.user_attrs.get(SECONDS_SPENT, 0.0)
        self.progress = Progress(network, params.search.budget, epochs, earlier, spent)

    def started(self, number: int, tried: dict[str, Any]) -> None:
        """Start a trial's run."""
        self._runs[number] = runs.open_trial(f"{self._network} trial {number}", self._tags)
        self._runs[number].log_params(tried)

    def epoch(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch of a trial."""
        self._runs[number].log_epoch(epoch, values)
        self.progress.epoch(number, epoch, values["val_loss"])

    def ended(self, trial: Trial) -> None:
        """End a trial's run, and log the best loss so far."""
        run = self._runs.pop(trial.number)
        if trial.state == "complete" and trial.val_loss is not None:
            run.log_metrics({"best_val_loss": trial.val_loss})
        if trial.reason:
            run.tag({"reason": trial.reason})
        run.end(STATUS.get(trial.state, "FAILED"))
        self._ended.append(trial)
        finished = [one.val_loss for one in self._ended if one.state == "complete" and one.val_loss is not None]
        if finished:
            # The step is the number of ended trials, so that the series shows the search's progress.
            self._parent.log_metrics({"best_val_loss": min(finished)}, step=len(self._ended))
        self.progress.ended(trial)


def log_outcome(parent: runs.Run, study: Study, found: SearchResult) -> None:
    """Log the result of a search and its figures."""
    states = [one.state for one in found.trials]
    parent.log_metrics(
        {
            **{f"trials_{state}": states.count(state) for state in ("complete", "pruned", "diverged", "lost")},
            "pruned_share": states.count("pruned") / len(states),
            "epochs_spent": sum(one.epochs for one in found.trials),
            "seconds_spent": found.seconds,
        }
    )
    parent.tag({"ended_by": found.ended_by})
    best = best_values(found.trials)
    parent.log_params({"best": best})
    parent.log_json(best, "best_params.json")
    with tempfile.TemporaryDirectory() as folder:
        for picture in draw(study, Path(folder)):
            parent.log_file(picture, "search")
