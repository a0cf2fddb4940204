"""An item on disk, its size, and why it is kept."""

from dataclasses import dataclass
from pathlib import Path

UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Thing:
    """An item on disk, or an experiment in git."""

    name: str
    size: int | None
    """In bytes; None if unknown."""
    kept: str
    """Why it is kept; empty if it can be freed."""


def sizes(folder: Path) -> dict[Path, int]:
    """Return the size in bytes of every file in a folder and the folders below it."""
    return {path: path.lstat().st_size for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def shown_size(size: int | None) -> str:
    """Format a number of bytes with a unit; empty if unknown."""
    if size is None:
        return ""
    value, unit = float(size), 0
    while value >= 1000 and unit < len(UNITS) - 1:  # noqa: PLR2004 - the step between two units
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{size} B"
