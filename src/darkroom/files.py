"""How Darkroom writes its small files: UTF-8, in folders that need not exist."""

import json
from pathlib import Path
from typing import Any

from darkroom.errors import InputError


def write_text(path: str | Path, text: str) -> None:
    """Write a text file; its folder is made where it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Replace a text file at once, so that one that outlives its stage is never half-written."""
    temporary = path.with_name(f".{path.name}.tmp")
    write_text(temporary, text)
    temporary.replace(path)


def as_json(value: Any) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON."""
    write_text(path, as_json(value))


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is none.
    """
    return parse_json(Path(path).read_bytes(), str(path))


def parse_json(text: str | bytes, name: str) -> Any:
    """Return what a JSON text holds.

    Args:
        text: the text.
        name: of the file that it is from.

    Raises:
        InputError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(
            f"{name} is no JSON ({error}), as after a merge with conflicts or a write that was cut off; bring it back "
            f"with git checkout HEAD -- {name}, or have it made anew by dvc repro"
        ) from None
