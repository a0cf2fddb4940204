"""Draw Optuna's figures of a study without a display."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna
from matplotlib import pyplot as plt
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

from darkroom.search.study import DUPLICATE, TRIED, Study

mpl.use("agg")
# As in reporting.figures: not the user's matplotlibrc, and no formulas.
mpl.rcdefaults()
mpl.rcParams["text.parse_math"] = False
LOSS = "lowest validation loss"
WIDTH_OF_A_PARAMETER = 2.4  # inches


def draw(study: Study, folder: Path) -> list[Path]:
    """Draw the figures of a search, except those that need more finished trials.

    Args:
        study: a study with at least one finished trial.
        folder: output folder.

    Returns:
        ``history.png``, ``slice.png`` and, if possible, ``importances.png`` and ``parallel.png``.
    """
    study, name_of_loss = readable_copy(study)
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    names = sorted({name for trial in finished for name in trial.params})
    figures: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study, target_name=name_of_loss),
        "slice": lambda: plots.plot_slice(study, names, target_name=name_of_loss),
    }
    if len({trial.value for trial in finished}) > 1 and any(_varies(finished, name) for name in names):
        figures["importances"] = lambda: plots.plot_param_importances(study, target_name=name_of_loss)
    if common := [name for name in names if all(name in trial.params for trial in finished)]:
        # Each line is one trial, which must have all parameters.
        figures["parallel"] = lambda: plots.plot_parallel_coordinate(study, common, target_name=name_of_loss)
    return [_save(each, folder / f"{name}.png", len(names)) for name, each in figures.items()]


def readable_copy(study: Study) -> tuple[Study, str]:
    """Return a copy of a study prepared for plotting, and the label of the loss axis.

    Pruned trials, often the majority, count as finished with their lowest loss. Losses above Tukey's outer fence
    (J. Tukey, Exploratory Data Analysis, 1977) are set to the fence, so that the other losses remain distinguishable.
    """
    trials = [trial for trial in study.get_trials() if DUPLICATE not in trial.user_attrs]
    for trial in trials:
        # For numeric choices, Optuna stores a value near the chosen one.
        trial.params.update({name: _tried(trial, name) for name in trial.params})
        if trial.state == TrialState.PRUNED and trial.intermediate_values:
            trial.state, trial.value = TrialState.COMPLETE, min(trial.intermediate_values.values())
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
    losses = [trial.value for trial in finished if trial.value is not None]
    lower, upper = np.quantile(losses, (0.25, 0.75))
    fence = float(upper + 3 * (upper - lower)) or max(losses)
    for trial, loss in zip(finished, losses, strict=True):
        trial.value = min(loss, fence)
    copy = optuna.create_study()
    copy.add_trials(trials)
    return copy, LOSS if max(losses) <= fence else f"{LOSS} (at most {fence:.2g} shown)"


def _tried(trial: optuna.trial.FrozenTrial, name: str) -> Any:
    chosen, tried = trial.params[name], trial.user_attrs.get(TRIED, {}).get(name)
    return tried if isinstance(chosen, float) and tried is not None else chosen


def _varies(finished: list[optuna.trial.FrozenTrial], name: str) -> bool:
    return len({trial.params[name] for trial in finished if name in trial.params}) > 1


def _save(picture: Callable[[], Any], path: Path, parameters: int) -> Path:
    # Optuna changes pyplot's style globally and warns that each plot is experimental.
    # Its logarithmic axes are written as formulas.
    with mpl.rc_context({"figure.constrained_layout.use": True, "text.parse_math": True}), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Matplotlib widens the axis of a parameter that has the same value in all finished trials.
        warnings.filterwarnings("ignore", message="Attempting to set identical low and high")
        # Importances from few trials are unreliable; the history shows the number of trials.
        warnings.filterwarnings("ignore", message="Some regimes for parameter")
        axes = picture()
        figure = np.ravel(axes)[0].figure
        if path.stem in {"slice", "parallel"}:
            figure.set_size_inches(max(8.0, WIDTH_OF_A_PARAMETER * parameters), 4.8)
        figure.savefig(path, dpi=100, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
    return path
