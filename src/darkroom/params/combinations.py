"""Value combinations in a search space, with respect to the conditions (``when``) of its ranges."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from darkroom.base.errors import InputError
from darkroom.params.network import NetworkParams
from darkroom.params.section import Section
from darkroom.params.spaces import Range, SearchSpace
from darkroom.params.values import value_of


def is_same(choice: JsonValue, value: Any) -> bool:
    """Whether a choice, as written in params.yaml, equals a parameter's value."""
    if isinstance(value, Section):
        return isinstance(choice, dict) and type(value).model_validate_json(json.dumps(choice)) == value
    if isinstance(choice, bool) != isinstance(value, bool):
        return False  # in Python, 1 == True
    return bool(
        (tuple(choice) if isinstance(choice, list) else choice) == (tuple(value) if isinstance(value, list) else value)
    )


def is_active(space: SearchSpace, name: str, tried: Mapping[str, Any], values: NetworkParams) -> bool:
    """Whether a parameter's conditions hold, so that the search tries it.

    Args:
        space: the whole space.
        name: the parameter.
        tried: the values of the parameters before it, in the order of ``space.ranges()``.
        values: the network's own values, for parameters that are not searched.
    """
    ranges = space.ranges()
    for key, wanted in ranges[name].conditions().items():
        if key in ranges and key not in tried:
            return False  # the parameter it depends on is itself inactive
        value = tried[key] if key in ranges else value_of(values, key)
        if not any(is_same(one, value) for one in wanted):
            return False
    return True


def active_values(space: SearchSpace, tried: Mapping[str, Any], values: NetworkParams) -> dict[str, Any]:
    """Return the values whose conditions hold; the others are dropped."""
    kept: dict[str, Any] = {}
    for name in space.ranges():
        if name in tried and is_active(space, name, kept, values):
            kept[name] = tried[name]
    return kept


def combinations(space: SearchSpace, values: NetworkParams) -> Iterator[dict[str, Any]]:
    """Yield all combinations of range ends and choices, or ``MAXIMUM_COMBINATIONS`` random ones if there are more."""
    each = {name: extremes(tried, name) for name, tried in space.ranges().items()}
    if not each:
        return
    if math.prod(len(ends) for ends in each.values()) <= MAXIMUM_COMBINATIONS:
        yield from grid(space, each, values)
        return
    generator = random.Random(0)  # noqa: S311 - not used for secrets
    for _ in range(MAXIMUM_COMBINATIONS):
        yield active_values(space, {name: generator.choice(ends) for name, ends in each.items()}, values)


def grid(space: SearchSpace, each: Mapping[str, Sequence[Any]], values: NetworkParams) -> Iterator[dict[str, Any]]:
    """Yield every combination of values once; values whose conditions do not hold are dropped.

    Args:
        space: the whole space.
        each: the values to combine, by parameter.
        values: the network's own values.
    """
    seen = set()
    for of_all in itertools.product(*each.values()):
        tried = active_values(space, dict(zip(each, of_all, strict=True)), values)
        if (text := json.dumps(tried)) not in seen:
            seen.add(text)
            yield tried


MAXIMUM_COMBINATIONS = 1000
"""Largest number of combinations that are checked."""


def extremes(tried: Range, place: str) -> tuple[Any, ...]:
    """Return the values to check in place of a whole range: both ends, or all choices.

    Raises:
        InputError: the range has neither or both, or its ends are in the wrong order; the text begins with ``place``.
    """
    if tried.choices is not None:
        if tried.low is not None or tried.high is not None or not tried.choices:
            raise InputError(f"{place}: give either low and high, or a non-empty list of choices")
        return tried.choices
    if tried.low is None or tried.high is None:
        raise InputError(f"{place}: low and high, or choices, are missing; add them")
    if tried.low >= tried.high or (tried.log and tried.low <= 0):
        needed = "0 < low < high" if tried.log else "low < high"
        raise InputError(f"{place}: low is {tried.low:g} and high is {tried.high:g}; {needed} is required")
    return tuple(int(end) if float(end).is_integer() else end for end in (tried.low, tried.high))
