"""Turn pydantic's validation errors into one-line messages."""

import types
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from darkroom.base.errors import InputError
from darkroom.params.network_files import names
from darkroom.params.network_sections import NetworkSections
from darkroom.params.spelling import suggestion

MAXIMUM_LINES = 20  # errors of one file that are shown
MAXIMUM_SHOWN = 200  # characters of a wrong value
NAMED = ("sampler", "pruner")
"""Keys whose sections are discriminated unions: their ``name`` selects the class."""


def error_lines(error: ValidationError, section: type[BaseModel], path: str) -> Iterable[str]:
    """Yield one line for each validation error in a section of params.yaml, or in the whole file."""
    findings = error.errors(include_url=False)
    places = {finding["loc"] for finding in findings}
    for finding in findings:
        if any(place[: len(finding["loc"])] == finding["loc"] != place for place in places):
            continue  # follows from an invalid entry: the list counts as too short without it
        location = [part for part in finding["loc"] if not (isinstance(part, str) and "[" in part)]
        name = _dotted(_without_tags(location))
        match finding["type"]:
            case "extra_forbidden":
                known = _known_keys(section, location[:-1])
                every = any(part in NAMED for part in location[:-1])
                yield f"{path}: {name}: unknown key{suggestion(str(location[-1]), known, every=every)}"
            case "union_tag_invalid":
                given, names = finding["ctx"]["tag"], finding["ctx"]["expected_tags"].replace("'", "").split(", ")
                yield f"{path}: {name}.name: unknown {location[-1]} {given}{suggestion(given, names, every=True)}"
            case "union_tag_not_found" | "dict_type" if location[-1] in NAMED:
                yield f"{path}: {name}.name: missing; write {location[-1]}: {{name: …}}, followed by its settings"
            case "missing":
                yield f"{path}: {name}: missing; add it (the shipped params.yaml documents it)"
            case _:
                yield f"{path}: {name}: {_describe(finding['input'], finding['msg'])}"


def _describe(given: Any, message: str) -> str:
    """Turn pydantic's message into what was given and what was expected."""
    if "should" in message:
        shown = repr(given)
        shown = f"{shown[:MAXIMUM_SHOWN]}…" if len(shown) > MAXIMUM_SHOWN else shown
        return f"{shown} given; it {message[message.find('should') :]}"
    # Messages of rules about several values are complete.
    return message.removeprefix("Value error, ")


def _without_tags(location: list[int | str]) -> list[int | str]:
    """Return a location as written in params.yaml: without the union tags that pydantic inserts."""
    return [part for number, part in enumerate(location) if not (number and location[number - 1] in NAMED)]


def _dotted(location: Iterable[int | str]) -> str:
    """Format ``("preprocess", "size", 2)`` as ``preprocess.size[2]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _known_keys(section: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    """Return the valid keys at a location within a section."""
    several: list[type[BaseModel]] = []
    for part in location:
        if issubclass(section, NetworkSections) and part in names():
            section = section.kind_of(str(part))
            continue
        fields = {field.alias or name: field.annotation for name, field in section.model_fields.items()}
        found = [kind for kind in leaves(fields.get(str(part))) if issubclass(kind, BaseModel)]
        named = [kind for kind in several if part in typing.get_args(kind.model_fields["name"].annotation)]
        if found or named:
            section = (named or found)[0]
        several = found if part in NAMED else []
    networks = names() if issubclass(section, NetworkSections) else ()
    return [*(field.alias or name for name, field in section.model_fields.items()), *networks]


def leaves(annotation: Any) -> list[type]:
    """Return the classes in an annotation such as ``dict[str, Range] | None``."""
    if typing.get_origin(annotation) in {typing.Union, types.UnionType, dict}:
        return [leaf for part in typing.get_args(annotation) for leaf in leaves(part)]
    return [annotation] if isinstance(annotation, type) else []


def without_place(error: InputError, path: str) -> str:
    """Return an error's text without the path that the message already begins with."""
    return str(error).removeprefix(f"{path}: ").removeprefix(": ")


def first_finding(error: ValidationError, section: type[BaseModel]) -> str:
    """Return the first validation error within a section, as ``.key: message`` or ``[index]: message``."""
    finding = error.errors(include_url=False)[0]
    what = _describe(finding["input"], finding["msg"])
    if finding["type"] == "extra_forbidden":
        *outer, last = finding["loc"]
        what = f"unknown key{suggestion(str(last), _known_keys(section, outer))}"
    place = _dotted(finding["loc"])
    return f"{'.' if place and not place.startswith('[') else ''}{place}: {what}"
