"""Read and write text and JSON files in UTF-8; missing folders are created."""

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

from darkroom.base.errors import InputError


def write_text(path: str | Path, text: str) -> None:
    """Write a text file and create its folder if needed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Replace a text file atomically, so that an interrupted write leaves the old content."""
    temporary = path.with_name(f".{path.name}.tmp")
    write_text(temporary, text)
    temporary.replace(path)


def set_aside(path: Path) -> Path:
    """Give a damaged file another name, so that it does not fail every later run; return it."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in itertools.count())
    other = next(name for name in names if not name.exists())
    return path.rename(other)


def file_digest(path: Path) -> str:
    """Return the first 16 hexadecimal digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def as_json(value: Any) -> str:
    """Format a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON."""
    write_text(path, as_json(value))


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is not valid JSON.
    """
    return parse_json(Path(path).read_bytes(), str(path))


def parse_json(text: str | bytes, name: str) -> Any:
    """Parse JSON.

    Args:
        text: the JSON text.
        name: the file that it comes from, for the error message.

    Raises:
        InputError: the text is not valid JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name} is not valid JSON ({error}), perhaps after a merge conflict or an interrupted write; restore it "
            f"with git checkout HEAD -- {name}, or recreate it with dvc repro"
        ) from None
