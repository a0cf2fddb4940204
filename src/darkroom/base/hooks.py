"""Check that private names of other libraries exist where Darkroom uses them.

Otherwise an upstream rename would fail silently: an override would no longer be called, or a file no longer written.
"""

from importlib import metadata
from typing import Any

from darkroom.base.errors import DarkroomError


def require_hook(owner: Any, name: str, library: str) -> Any:
    """Return a private attribute of a library.

    Args:
        owner: the module, class or object with the attribute.
        name: the attribute's name.
        library: the library's distribution name.

    Raises:
        DarkroomError: the installed version does not have the attribute.
    """
    if not hasattr(owner, name):
        place = getattr(owner, "__name__", None) or type(owner).__name__
        raise DarkroomError(
            f"{library} {metadata.version(library)} has no {place}.{name}, which Darkroom requires; install the "
            f"version of {library} in requirements.lock (make setup)"
        )
    return getattr(owner, name)
