"""Change, look up and flatten the parameter values of a network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from darkroom.base.errors import InputError
from darkroom.base.files import read_record
from darkroom.params.messages import first_finding, leaves
from darkroom.params.network import OPTIMIZER_PARAMS, SCHEDULE_PARAMS, NetworkParams


def with_values(values: NetworkParams, changes: Mapping[str, Any]) -> NetworkParams:
    """Return a network's values with changes applied and validated.

    Args:
        values: the network's values.
        changes: new values; a dotted name, such as ``schedule.warmup``, changes a part of a parameter.

    Raises:
        InputError: a name is unknown or a value is invalid; the text begins with the parameter's name.
    """
    try:
        # Defaults stay unset: one that belongs to the old optimizer would be an error with the new one.
        changed = values.model_dump(mode="json", exclude_unset=True)
        for name, value in changes.items():
            whole, _, part = name.partition(".")
            if part and whole not in changed:
                changed[whole] = getattr(values, whole).model_dump(mode="json", exclude_unset=True)
            (changed[whole] if part else changed)[part or whole] = value
        _drop_unused(changed, changes)
        return type(values).model_validate_json(json.dumps(changed))
    except ValidationError as error:
        raise InputError(first_finding(error, type(values)).removeprefix(".")) from None


def _drop_unused(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Drop the values that apply only to the optimizer, schedule or loss that a change replaces."""
    if "optimizer" in changes:
        for name in set().union(*OPTIMIZER_PARAMS.values()) - OPTIMIZER_PARAMS.get(values["optimizer"], set()):
            if name not in changes:
                values.pop(name, None)
    if "schedule.kind" in changes:
        for part in set().union(*SCHEDULE_PARAMS.values()) - SCHEDULE_PARAMS.get(values["schedule"]["kind"], set()):
            if f"schedule.{part}" not in changes:
                values["schedule"].pop(part, None)
    if changes.get("loss", "cross_entropy") != "cross_entropy" and "label_smoothing" not in changes:
        values["label_smoothing"] = 0.0


def value_of(values: NetworkParams, name: str) -> Any:
    """Return the value of a parameter, or of a part of one, by dotted name."""
    value: Any = values
    for part in name.split("."):
        value = getattr(value, part)
    return value


def is_integer(values: NetworkParams, name: str) -> bool:
    """Whether a parameter accepts integers."""
    whole, _, part = name.rpartition(".")
    section = value_of(values, whole) if whole else values
    return int in leaves(type(section).model_fields[part].annotation)


def read_best_params(path: str | Path) -> dict[str, Any]:
    """Read the result of a search: the best value of each searched parameter."""
    best: dict[str, Any] = read_record(path)
    return best


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings: ``{"schedule": {"kind": "step"}}`` becomes ``{"schedule.kind": "step"}``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat.update(flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat
