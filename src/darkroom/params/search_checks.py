"""Check a network's search space: parameter names, values, conditions, and image sizes of all combinations."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from darkroom.base.errors import InputError
from darkroom.params.combinations import combinations, extremes, is_same
from darkroom.params.messages import suggestion, without_place
from darkroom.params.network import NetworkParams
from darkroom.params.network_files import Network
from darkroom.params.section import Section
from darkroom.params.spaces import Range, SearchSpace
from darkroom.params.values import value_of, with_values
from darkroom.params.whole import Params


def check_space(params: Params, name: Network, path: str = "params.yaml") -> None:
    """Check that searched parameters exist, and that the network accepts their values, singly and combined.

    Raises:
        InputError: a check failed; the text names the location in params.yaml or in the network's file.
    """
    values = params.network(name)
    whose = place_of_space(params, name, path)
    places: dict[str, str] = {}
    for group in SearchSpace.model_fields:
        for key, tried in getattr(params.space(name), group).items():
            place = f"{whose}.{group}.{key}"
            if key in {"epochs", "fine_tuning", "fine_tuning.epochs"}:
                what = "as a whole; search its parts, such as fine_tuning.learning_rate"
                raise InputError(
                    f"{place}: {key} cannot be searched"
                    + (f" {what}" if key == "fine_tuning" else "; remove it and set search.epochs")
                )
            _check_name(values, key, name, place)
            if key in places:
                raise InputError(f"{place}: listed in two groups; keep one")
            places[key] = place
            for value in extremes(tried, place):
                _check_alone(values, key, value, place)
    for key, place in places.items():
        if (whole := key.partition(".")[0]) in places and whole != key:
            raise InputError(f"{place}: {whole}, which contains it, is searched as well; keep one")
    _check_conditions(params.space(name), values, name, whose)
    for tried in combinations(params.space(name), values):
        try:
            check_size(params, name, with_values(values, tried), path)
        except InputError as error:
            raise InputError(f"{whose} tries {format_values(tried)}, but {without_place(error, path)}") from None


def place_of_space(params: Params, name: Network, path: str = "") -> str:
    """Return where a network's search space is defined: in params.yaml or in the network's file."""
    if params.search.parts.get(name) is None:
        return f"networks/{name}.py: SPACE"
    return f"{path}: search.{name}" if path else f"search.{name}"


def _check_conditions(space: SearchSpace, values: NetworkParams, name: Network, whose: str) -> None:
    """Check that the parameters in conditions (``when``) exist, and that the conditions can be met."""
    if cycle := space.cycle():
        raise InputError(f"{whose}: {' and '.join(cycle)} depend on each other; remove a when")
    for group in SearchSpace.model_fields:
        for waiting, tried in getattr(space, group).items():
            for key, wanted in tried.conditions().items():
                place = f"{whose}.{group}.{waiting}.when.{key}"
                _check_name(values, key, name, place)
                _check_condition(space, values, key, wanted, place)


def _check_condition(
    space: SearchSpace, values: NetworkParams, key: str, wanted: Sequence[JsonValue], place: str
) -> None:
    """Check that a parameter can have the values that a condition requires."""
    searched = space.ranges().get(key)
    if searched is None:
        if not any(is_same(one, value_of(values, key)) for one in wanted):
            raise InputError(
                f"{place}: {key} is {_format_value(values, key)}, not searched, so this is never tried; search {key} "
                "or remove the range"
            )
        return
    for one in wanted:
        if not _contains(searched, one):
            raise InputError(
                f"{place}: the search never sets {key} to {json.dumps(one)}; use {_format_range(searched)}"
            )


def _format_value(values: NetworkParams, key: str) -> str:
    value = value_of(values, key)
    return json.dumps(value.model_dump(mode="json") if isinstance(value, Section) else value)


def _contains(tried: Range, value: JsonValue) -> bool:
    """Whether a range contains a value."""
    if tried.choices is not None:
        return any(is_same(choice, value) for choice in tried.choices)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and tried.low is not None and tried.high is not None and tried.low <= value <= tried.high  # type: ignore[operator]


def _format_range(tried: Range) -> str:
    if tried.choices is not None:
        return ", ".join(json.dumps(choice) for choice in tried.choices)
    return f"numbers from {tried.low:g} to {tried.high:g}"


def _check_name(values: NetworkParams, key: str, name: Network, place: str) -> None:
    """Check that a network has a parameter; dotted names refer to parts of a parameter that is set."""
    section: Any = values
    for number, part in enumerate(parts := key.split(".")):
        if not isinstance(section, Section):
            whole = ".".join(parts[:number])
            raise InputError(f"{place}: train.{name}.{whole} has no parts; set choices for {whole} as a whole")
        if part not in type(section).model_fields:
            raise InputError(f"{place}: {name} has no such parameter{suggestion(part, type(section).model_fields)}")
        section = getattr(section, part)


def _check_alone(values: NetworkParams, key: str, value: Any, place: str) -> None:
    """Check one value on its own; ``check_space`` checks combinations."""
    try:
        with_values(values, {key: value})
    except InputError as error:
        if str(error).startswith(key):
            raise InputError(f"{place}{str(error).removeprefix(key)}") from None


def format_values(tried: Mapping[str, Any]) -> str:
    """Format values as ``name value, name value``."""
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in tried.items())


def check_size(params: Params, name: Network, values: NetworkParams, path: str) -> None:
    """Check that the images are large enough for a network."""
    height, width, _ = params.preprocess.size
    smallest = values.smallest_side
    if min(height, width) < smallest:
        raise InputError(
            f"{path}: preprocess.size {height}×{width} is too small for {name}, which needs at least "
            f"{smallest}×{smallest} with these values; enlarge preprocess.size or remove {name} from models"
        )
