"""Lines with a password or key that ``detect-secrets`` does not know."""

import re
from collections.abc import Iterable, Iterator

ALWAYS = re.compile(
    r"""
      \b(?:hf_[A-Za-z0-9]{30,} | github_pat_\w{30,} | sk-[a-z0-9]+-[\w-]{20,} | dckr_pat_[\w-]{20,} | gsk_\w{30,}
         | AGE-SECRET-KEY-1[A-Z0-9]{20,})                          # tokens that say what they are
    | (?i:\bauthorization['"]?\s*[:=]\s*['"]?\w+\s+\S{6,})         # headers of HTTP
    | (?i:\b(?:bearer|basic)\s+(?=\S*[\d=])[\w+/.~=-]{12,})
    | \s(?:-u|--user)[ =]['"]?(?!\d+:\d+\b)[^\s:'"]+:[^\s'"]{4,}   # curl, but not a user's numbers
    | \bmysql\w*\s.*\s-p[^\s-]\S+
    | \b(?:machine|login)\s+\S+\s.*\bpassword\s+\S+                # .netrc
    | ^[\w.*-]+:(?:\d{2,5}|\*):[\w.*-]+:[\w.*-]+:\S+$              # .pgpass
    | (?i:<(\w*(?:password|passwd|secret|token|api_?key))>[^<\s]+</)
    | "auth"\s*:\s*"[A-Za-z0-9+/]{12,}={0,2}"                      # Docker
    """,
    re.VERBOSE,
)
"""Found in any file."""
WORDS = r"(?:pass(?:word|wd|phrase)|passwort|kennwort|mot_?de_?passe|contrase[nñ]a|secret|token)"
QUOTED = re.compile(rf"{WORDS}['\"]?\s*[:=]\s*(['\"])[^\s'\"]{{6,}}\1", re.IGNORECASE)
"""A setting with a quoted value, in code as well."""
SETTING = re.compile(rf"{WORDS}['\"]?\s*[:=]\s*['\"]?[^\s'\"|>]{{6,}}['\"]?,?\s*$", re.IGNORECASE)
"""The same without quotation marks, which in code names a variable."""
BLOCK = re.compile(rf"^(\s*)[\w-]*{WORDS}\s*:\s*[|>][-+0-9]*\s*$", re.IGNORECASE)
"""The first line of a block of text in YAML."""


def holds_secret(text: str, *, is_code: bool) -> bool:
    """Return whether a line of a file holds a password or key.

    Args:
        text: the line.
        is_code: whether values without quotation marks are variables.
    """
    return bool(ALWAYS.search(text) or QUOTED.search(text) or (not is_code and SETTING.search(text)))


def blocks(lines: Iterable[tuple[int, str]]) -> Iterator[int]:
    """Yield the numbers of lines in YAML's blocks of text that are passwords.

    Args:
        lines: numbers and texts of lines.
    """
    indent: int | None = None
    for number, text in lines:
        depth = len(text) - len(text.lstrip())
        if indent is not None and (depth > indent or not text.strip()):
            yield number
        else:
            found = BLOCK.match(text)
            indent = len(found[1]) if found else None
