"""Names of metrics that MLflow accepts, for names with classes in them."""

import hashlib
import posixpath
import re

LONGEST = 250  # characters
REFUSED = re.compile(r"[^\w.\- :/]|_(?=U[0-9A-F]{4})")
"""Characters that MLflow refuses, and the underscores that would be taken for the beginning of an escape."""
REFUSED_IN_PATHS = re.compile(r"[^\w\- :]|_(?=U[0-9A-F]{4})")
"""Also dots and slashes, for names that MLflow takes for a path that leads elsewhere."""
DIGITS = 16


def metric_name(name: str) -> str:
    """Return a name that MLflow accepts; different names stay different.

    A character that it refuses becomes its code point: ``C+`` is ``C_U002B_`` and ``C#`` is ``C_U0023_``. The rest of a
    name that is too long becomes a digest.
    """
    legal = REFUSED.sub(_escape, name)
    if posixpath.normpath(legal) != legal or legal.startswith((".", "/")):
        legal = REFUSED_IN_PATHS.sub(_escape, name)
    if len(legal) <= LONGEST:
        return legal
    return f"{legal[: LONGEST - DIGITS - 1].rstrip('./')}_{hashlib.sha256(name.encode()).hexdigest()[:DIGITS]}"


def _escape(found: re.Match[str]) -> str:
    return f"_U{ord(found.group()):04X}_"
