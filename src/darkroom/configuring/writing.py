"""Write settings to params.yaml, with the reasons as comments."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from darkroom.base.errors import InputError
from darkroom.base.files import write_text
from darkroom.base.git import git
from darkroom.base.yaml_files import read_yaml
from darkroom.configuring.choosing import Setting
from darkroom.params.network_files import SECTION_KEYS

COMMENT_COLUMN = 26
OF_THE_FORM = (
    "layout",
    "name_encoding",
    "image_column",
    "label_column",
    "group_column",
    "split_column",
    "price_charts",
)
"""Keys of ``data`` that do not hold for other images."""


def require_unchanged(path: Path) -> None:
    """Check that the params file has no changes that git does not have.

    Raises:
        InputError: the file was changed since the last commit, is not in git, or does not exist.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; run from the repository's root, which has {path.name}")
    # Empty also for a file that git ignores or does not know.
    tracked = git("ls-files", "--", str(path))
    if not tracked or git("status", "--porcelain", "--", str(path)):
        raise InputError(f"{path} has changes that are not committed; commit them, or overwrite them with --force")


def write(settings: Sequence[Setting], path: Path) -> None:
    """Change the settings in a params file; everything else, comments included, stays.

    Sections of networks that are no longer in ``models`` are removed.

    Raises:
        InputError: the file cannot be read, or is no params file.
    """
    read_yaml(path)  # within limits, and with its errors in one line
    yaml = _yaml()
    content = yaml.load(path.read_text(encoding="utf-8"))
    _forget_other_data(content, settings)
    for setting in settings:
        *sections, last = setting.key.split(".")
        section = _section(content, sections, path)
        _set(section, last, setting)
    for name in ("search", "train"):
        section = _section(content, [name], path)
        for unused in set(section) - SECTION_KEYS - set(content["models"]):
            del section[unused]
    text = io.StringIO()
    yaml.dump(content, text)
    # ruamel keeps a blank line with the comment before it, which may be replaced.
    write_text(path, re.sub(r"(?m)(?<=[^\n]\n)(?=^\w+:)", "\n", text.getvalue()))


def _forget_other_data(content: Any, settings: Sequence[Setting]) -> None:
    """Remove what is stated of the form of other images: their layout, columns, encoding."""
    new = {setting.key: setting.value for setting in settings}.get("data.path")
    data = content.get("data") if isinstance(content, dict) else None
    if isinstance(data, dict) and data.get("path") != new:
        for key in OF_THE_FORM:
            data.pop(key, None)


def as_yaml(value: Any) -> str:
    """Return a value as it is written to the file, on one line."""
    text = io.StringIO()
    _yaml().dump(_flow(value), text)
    return text.getvalue().removesuffix("...\n").strip()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(type(None), _null)
    return yaml


def _section(content: Any, names: Sequence[str], path: Path) -> Any:
    """Return a section of a file that ruamel has read; it is added if it is missing."""
    from ruamel.yaml.comments import CommentedMap

    section, known = content, "the file"
    for name in [*names, ""]:
        if not isinstance(section, CommentedMap):
            raise InputError(
                f"{path}: {known} holds {type(section).__name__} instead of settings by name; restore it from git"
            )
        if name:
            section, known = section.setdefault(name, CommentedMap()), name
    return section


def _set(section: Any, key: str, setting: Setting) -> None:
    """Set a value and its comment in a section that ruamel has read."""
    section[key] = _flow(setting.value)
    section.ca.items.pop(key, None)
    section.yaml_add_eol_comment(setting.reason, key, COMMENT_COLUMN)


def _flow(value: Any) -> Any:
    """Return lists and dictionaries so that they are written on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, list | dict):
        flow = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
        flow.fa.set_flow_style()
        return flow
    return value


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")
