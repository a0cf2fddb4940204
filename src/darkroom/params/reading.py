"""Read and check params.yaml."""

import json
from collections.abc import Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from darkroom.base.credentials import has_login
from darkroom.base.errors import InputError
from darkroom.base.yaml_files import read_yaml, require_readable_by_dvc
from darkroom.params.checks import check_together
from darkroom.params.messages import MAXIMUM_LINES, error_lines
from darkroom.params.network_files import Network, load, names
from darkroom.params.recipes import with_recipe
from darkroom.params.values import flatten
from darkroom.params.whole import Params


def read_params(path: str | Path = "params.yaml") -> Params:
    """Read and check a params file.

    Raises:
        InputError: the file is missing, is not YAML, or has invalid values; one line per error.
    """
    raw = _read_yaml(Path(path))
    _refuse_logins(raw, str(path))
    for name in _named_networks(raw):
        load(name)
    try:
        raw = _with_recipes(raw)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        # Through JSON: pydantic's strict mode then accepts a list for a tuple, and still converts no other type.
        params = Params.model_validate_json(_as_json(raw))
    except ValidationError as error:
        raise InputError("\n".join(_first_lines(error, str(path)))) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    require_readable_by_dvc(path)
    check_together(params, str(path))
    return params


def _first_lines(error: ValidationError, path: str) -> list[str]:
    lines = list(islice(error_lines(error, Params, path), MAXIMUM_LINES))
    if len(lines) == MAXIMUM_LINES < error.error_count():
        lines.append(f"{path}: {error.error_count():,} errors, of which the first {MAXIMUM_LINES} are shown")
    return lines


def _refuse_logins(raw: Mapping[str, Any], path: str) -> None:
    """Refuse addresses with passwords, except that of the studies' database, which is recorded nowhere."""
    for name, value in flatten(raw).items():
        if name != "search.storage" and has_login(str(value)):
            raise InputError(
                f"{path}: {name}: an address with user or password, which would be copied to dvc.lock and MLflow; "
                "download what it leads to, or keep the login in the environment"
            )


def _named_networks(raw: Mapping[str, Any]) -> list[str]:
    """Return the networks that ``models``, ``train`` or ``search`` names."""
    sections = [raw.get("models"), raw.get("train"), raw.get("search")]
    found = {name for section in sections if isinstance(section, dict | list) for name in section if name in names()}
    return sorted(found)


def _as_json(raw: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(raw, default=_as_text, ensure_ascii=False)
        text.encode()
    except TypeError as error:  # dates and lists can be keys in YAML
        raise InputError(f"invalid key ({error}); quote it") from None
    except UnicodeEncodeError as error:
        raise InputError(f"invalid text ({error.reason}); remove the escape sequence") from None
    return text


def _as_text(value: Any) -> str:
    """Convert a value that JSON cannot represent to text.

    Raises:
        InputError: the value is a date, which DVC rejects with an unhelpful message.
    """
    if isinstance(value, date):
        raise InputError(f'{value} is an unquoted date, which DVC cannot read; write "{value}"')
    return str(value)


def _with_recipes(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill in the values of the recipes that the sections of ``train`` name."""
    sections = raw.get("train")
    if not isinstance(sections, dict):
        return raw
    filled = {
        name: with_recipe(name, section) if name in names() and isinstance(section, dict) else section
        for name, section in sections.items()
    }
    return {**raw, "train": filled}


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"{path}: no such file; run from the repository's root, which has params.yaml")
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path}: expected sections such as data, models and train; restore the file from git")
    return raw


def origins(params: Params, name: Network, best: Mapping[str, Any], path: str | Path = "params.yaml") -> dict[str, str]:
    """Return the origin of each effective value of a network, by dotted parameter name.

    The origins are ``search``, ``params.yaml``, ``recipe NAME`` and ``default``.

    Args:
        params: the whole of params.yaml.
        name: the network.
        best: the best values that the search found, from ``read_best_params``.
        path: the params file.
    """
    section = (_read_yaml(Path(path)).get("train") or {}).get(name) or {}
    written, filled, found = flatten(section), flatten(with_recipe(name, section)), flatten(best)
    return {
        key: "search"
        if key in found
        else "params.yaml"
        if key in written
        else f"recipe {params.network(name).recipe}"
        if key in filled
        else "default"
        for key in flatten(params.network(name).model_dump())
    }
