"""Hide passwords and keys in a diff before it is recorded in a store that others can read.

``detect-secrets`` finds them. ``secret_lines`` adds forms that it does not know, ``base.credentials`` the values of
this process's environment, and passwords in addresses that contain ``/`` or ``@``.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from darkroom.base.credentials import SHORTEST, has_secret, hide
from darkroom.tracking import secret_lines

HIDDEN = "[hidden by Darkroom: "
"""How the line begins that replaces a line with a password or key; its kind follows."""
OTHER = "Password or Key"
KEY_BLOCK = "Private Key"
"""Kinds of findings."""
CODE = {".py", ".js", ".ts", ".c", ".cpp", ".java", ".go", ".ipynb", ".json"}
"""File types in which detect-secrets looks for quoted values only, as ``password = "…"``: others are variables."""
DIGESTS = {".dvc", ".lock"}
"""File types that consist of digests, which look like keys."""

KEY_LINE = re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*\d)[A-Za-z0-9+/]{16,}={0,2}")
"""A line that is base64 and nothing else."""


class _Part(NamedTuple):
    """The changes of one file."""

    suffix: str
    lines: list[int]
    """Numbers of its lines within the diff: those removed, added or around them."""


def hide_secrets(diff: str) -> tuple[str, int]:
    """Replace each line of a diff that holds a password or key by a line that names the finding's kind.

    Args:
        diff: a patch of git's, perhaps with other lines before it.

    Returns:
        The diff, and the number of lines replaced.
    """
    lines = diff.split("\n")
    found: dict[int, str] = {}
    values: dict[str, str] = {}
    inside = [number for part in _parts(lines) for number in part.lines]
    for part in _parts(lines):
        for number, kind, value in _scan(part, lines):
            found[number] = kind
            values[value] = kind
        found |= dict.fromkeys(_key_blocks(part, lines), KEY_BLOCK)
        texts = [(number, lines[number][1:]) for number in part.lines]
        is_code = part.suffix in CODE
        for side in ("+ ", "- "):
            of_side = [(number, text) for number, text in texts if lines[number][0] in side]
            found |= dict.fromkeys(secret_lines.blocks(of_side), OTHER)
        found |= {number: OTHER for number, text in texts if secret_lines.holds_secret(text, is_code=is_code)}
    values = {value: kind for value, kind in values.items() if len(value) >= SHORTEST}
    for number in inside:
        for value, kind in values.items():
            if value in lines[number]:
                found.setdefault(number, kind)
        if has_secret(lines[number][1:]):
            found.setdefault(number, OTHER)
    for number, kind in found.items():
        lines[number] = f"{lines[number][:1]}{HIDDEN}{kind}]"
    kept = set(inside)
    return "\n".join(line if number in kept else hide(line) for number, line in enumerate(lines)), len(found)


def _parts(lines: list[str]) -> Iterator[_Part]:
    """Yield the changes of each file; binary ones, which git compresses, have no lines."""
    name, own, in_hunk = "", list[int](), False
    for number, line in enumerate(lines):
        if line.startswith("diff --git "):
            yield _Part(Path(name).suffix, own)
            name, own, in_hunk = line.rstrip('"'), [], False
        elif line.startswith("@@ "):
            in_hunk = True
        elif in_hunk and line[:1] in {"+", "-", " "}:
            own.append(number)
    yield _Part(Path(name).suffix, own)


def _scan(part: _Part, lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield line number within the diff, kind and value of each finding in the changes of a file."""
    if not part.lines:
        return
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    with tempfile.TemporaryDirectory() as folder, default_settings() as settings:
        # It lets keys pass that are the argument of a function.
        settings.disable_filters("detect_secrets.filters.heuristic.is_indirect_reference")
        file = Path(folder) / f"changes{_scanned_as(part.suffix)}"
        # One line for each, whatever other line ends the text contains.
        texts = ["".join(lines[number][1:].splitlines()) for number in part.lines]
        file.write_text("\n".join(texts) + "\n", encoding="utf-8", errors="replace")
        for secret in scan_file(str(file)):
            yield part.lines[secret.line_number - 1], secret.type, secret.secret_value or ""


def _scanned_as(suffix: str) -> str:
    """Return the file type as which detect-secrets reads a file: of settings, unless it is code."""
    if suffix in DIGESTS:
        return ".txt"
    return suffix if suffix in CODE else ".ini"


def _key_blocks(part: _Part, lines: list[str]) -> Iterator[int]:
    """Yield the lines of private keys, of which detect-secrets finds the first; a diff may show a key in part."""
    inside = False
    for number in part.lines:
        is_border = "PRIVATE KEY" in lines[number]
        inside = inside or (is_border and "BEGIN" in lines[number])
        if inside or is_border or (part.suffix not in CODE | DIGESTS and KEY_LINE.fullmatch(lines[number][1:].strip())):
            yield number
        if is_border and "END" in lines[number]:
            inside = False
