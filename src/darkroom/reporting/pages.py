"""Self-contained HTML pages from the templates in ``templates/``; styles and images are embedded."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from darkroom.base import wording
from darkroom.base.terminal import shown_lines

THUMBNAIL = 96
"""Largest side of an embedded image in pixels."""


def _visible(value: Any) -> Any:
    """Return a value as it is shown: no character of a text, such as a class name, reverses or hides its neighbours."""
    return shown_lines(value) if type(value) is str else value


ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    finalize=_visible,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
ENVIRONMENT.filters["number"] = wording.number


def render(template: str, **values: Any) -> str:
    """Render a template.

    Args:
        template: name of the file in ``templates/`` without its extension, such as ``model_card``.
        values: the template's variables; text is HTML-escaped.

    Raises:
        jinja2.UndefinedError: a variable of the template is missing.
    """
    return ENVIRONMENT.get_template(f"{template}.html.j2").render(values)


def embed_image(pixels: npt.NDArray[np.uint8]) -> str:
    """Return an image of shape (height, width, channels) as a data URI of a PNG, scaled down to ``THUMBNAIL``."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "PNG")
    return _data_uri(file.getvalue())


def embed_file(path: Path) -> str | None:
    """Return a PNG file as a data URI; None if the file does not exist."""
    return _data_uri(path.read_bytes()) if path.is_file() else None


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
