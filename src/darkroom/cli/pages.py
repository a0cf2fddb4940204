"""Pages that commands write besides what they print."""

from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.base.files import write_text


def write_page(html: str, chosen: Path | None, default: Path) -> str:
    """Write a page; return a line on where it is.

    Args:
        html: the page.
        chosen: where the user wants it; None for the default.
        default: a place in the project, where nothing may be writable.

    Raises:
        InputError: the chosen file cannot be written.
    """
    try:
        write_text(chosen or default, html)
    except OSError as error:
        if chosen is not None:
            raise InputError(f"--out {chosen}: {error.strerror}; name a file that can be written") from None
        return f"no page, since {default} cannot be written ({error.strerror}); --out names another file"
    return f"page: {chosen or default}"
