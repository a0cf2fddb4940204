"""Unknown words in params.yaml, and what was probably meant."""

import difflib
from collections.abc import Iterable


def suggestion(word: str, known: Iterable[str], *, every: bool = False) -> str:
    """Return the end of a message about an unknown word: the closest match, else all known words.

    Args:
        word: the unknown word.
        known: the valid ones.
        every: whether to list all known words even if one is close.
    """
    known = sorted(known)
    meant = did_you_mean(word, known)
    return f"{meant}; known here: {', '.join(known)}" if every or not meant else meant


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the closest match, ignoring case; empty if none is close."""
    of_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), of_lower, n=1)
    return f"; did you mean {of_lower[close[0]]}?" if close else ""
