"""Convert values between a network's parameters and Optuna."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import optuna

from darkroom.networks import NetworkParams
from darkroom.params import Range, SearchSpace, value_of
from darkroom.params.combinations import is_same
from darkroom.params.samplers import GridSettings
from darkroom.params.values import is_integer


def own_values(space: SearchSpace, values: NetworkParams) -> dict[str, Any]:
    """Return a network's current values, encoded for Optuna; values outside the space are left out."""
    encoded = {name: encode_if_inside(tried, value_of(values, name)) for name, tried in space.ranges().items()}
    return {name: value[0] for name, value in encoded.items() if value}


def encode_if_inside(tried: Range, value: Any) -> tuple[Any, ...]:
    """Return a value encoded for Optuna as a 1-tuple; empty if it is not in the range."""
    if tried.choices is not None:
        return tuple(_encode_choice(choice) for choice in tried.choices if is_same(choice, value))[:1]
    if tried.low is None or tried.high is None or not isinstance(value, int | float):
        return ()
    return (value,) if tried.low <= value <= tried.high else ()


def encode(space: SearchSpace, tried: Mapping[str, Any]) -> dict[str, Any]:
    """Encode values of a trial for Optuna; names outside the space are left out."""
    return {name: _encode_choice(value) for name, value in tried.items() if name in space.ranges()}


def _encode_choice(choice: Any) -> Any:
    """Encode lists and mappings as JSON, since Optuna does not store them."""
    return json.dumps(choice) if isinstance(choice, list | dict) else choice


def grid_points(tried: Range, name: str, values: NetworkParams, chosen: GridSettings) -> Sequence[Any]:
    """Return one parameter's grid points."""
    if tried.choices is not None:
        return tried.choices
    if tried.low is None or tried.high is None:
        raise ValueError(f"{name}: low and high are missing")  # read_params refuses this
    spaced = np.geomspace if tried.log else np.linspace
    points = np.clip(spaced(tried.low, tried.high, chosen.points), tried.low, tried.high).tolist()
    return sorted({round(point) for point in points}) if is_integer(values, name) else points


def suggest(trial: optuna.Trial, name: str, tried: Range, values: NetworkParams) -> Any:
    """Let Optuna suggest a value of the parameter's type."""
    if tried.choices is not None and is_numeric_scale(tried.choices):
        # As a range, so that the sampler generalizes from one number to its neighbours.
        low, high, log = scale_range(tried.choices)
        chosen = trial.suggest_float(name, low, high, log=log)
        return min(tried.choices, key=lambda choice: abs(math.log(choice / chosen) if log else choice - chosen))
    if tried.choices is not None:
        chosen = trial.suggest_categorical(name, [_encode_choice(choice) for choice in tried.choices])
        return next(choice for choice in tried.choices if is_same(_encode_choice(choice), chosen))
    if tried.low is None or tried.high is None:
        raise ValueError(f"{name}: low and high are missing")  # read_params refuses this
    if is_integer(values, name):
        return trial.suggest_int(name, int(tried.low), int(tried.high), log=tried.log)
    return trial.suggest_float(name, tried.low, tried.high, log=tried.log)


def is_numeric_scale(choices: Sequence[Any]) -> TypeGuard[Sequence[float]]:
    """Return whether choices are three or more distinct numbers, which are searched as a range."""
    numbers = {choice for choice in choices if isinstance(choice, int | float) and not isinstance(choice, bool)}
    return len(numbers) == len(choices) and len(numbers) > 2  # noqa: PLR2004


def scale_range(choices: Sequence[float]) -> tuple[float, float, bool]:
    """Return low and high of the range that covers numeric choices, and whether it is logarithmic (all positive).

    It extends half a step below the lowest and above the highest, so that the outer choices get a similar share of the
    range as the inner ones.
    """
    steps, log = sorted(choices), min(choices) > 0
    if log:
        return steps[0] * math.sqrt(steps[0] / steps[1]), steps[-1] * math.sqrt(steps[-1] / steps[-2]), log
    return steps[0] - (steps[1] - steps[0]) / 2, steps[-1] + (steps[-1] - steps[-2]) / 2, log
