"""Self-contained HTML pages from the templates in ``templates/``; styles and images are embedded."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from darkroom.base import wording
from darkroom.base.files import is_there
from darkroom.base.terminal import shown_lines

THUMBNAIL = 96
"""Largest side of an embedded image in pixels."""
LARGE = 150_000
"""Bytes of a PNG file from which on it is embedded with loss."""
UNIT = re.compile(r"(?<=\d) (?=%)|(?<=\bp [<=]) (?=\d)|(?<=\bp) (?=[<=\d])")
"""Spaces within a number and its unit, or a p-value, at which no line ends."""
SMALL = 32
"""Largest side in pixels of images that are embedded without loss."""
QUALITY = 78
"""Of pictures that are saved with loss, 1 to 100."""


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
ENVIRONMENT.filters["counted"] = wording.counted
ENVIRONMENT.filters["unbroken"] = lambda text: UNIT.sub("\N{NO-BREAK SPACE}", text)
ENVIRONMENT.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
ENVIRONMENT.filters["count"] = "{:,}".format


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
    """Return an image of shape (height, width, channels) as a data URI, scaled down to ``THUMBNAIL``.

    Small ones are not changed, photographs are compressed with loss.
    """
    if max(pixels.shape[:2]) > SMALL:
        return embed_thumbnail(pixels)
    return _embed(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), "PNG")


def embed_thumbnail(pixels: npt.NDArray[np.uint8], side: int = THUMBNAIL) -> str:
    """Return an image of shape (height, width, channels) as a data URI of a few kilobytes, for pages of hundreds.

    Args:
        pixels: the image.
        side: largest side of the picture in pixels; a smaller image keeps its size.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((side, side))
    return _embed(image, "WEBP", quality=QUALITY)


def embed_sheet(pixels: npt.NDArray[np.uint8], side: int, columns: int) -> str:
    """Return many images, side by side in rows, as the data URI of one picture.

    Args:
        pixels: of shape (images, height, width, channels), not empty.
        side: width and height of each in the picture, in pixels.
        columns: images in a row.
    """
    grey = pixels.shape[3] == 1
    sheet = Image.new("L" if grey else "RGB", (side * columns, side * -(-len(pixels) // columns)))
    for number, each in enumerate(pixels):
        image = Image.fromarray(each[..., 0] if grey else each).resize((side, side), Image.Resampling.BILINEAR)
        sheet.paste(image, (side * (number % columns), side * (number // columns)))
    return _embed(sheet, "JPEG", quality=QUALITY)


def embed_file(path: Path) -> str | None:
    """Return a PNG file as a data URI; None if the file does not exist.

    A large one, such as a figure of photographs, becomes a WebP picture of a tenth of its bytes.
    """
    if not is_there(path):
        return None
    if path.stat().st_size <= LARGE:
        return _data_uri(path.read_bytes(), "png")
    with Image.open(path) as image:
        return _embed(image.convert("RGB"), "WEBP", quality=QUALITY)


def size_of(path: Path) -> tuple[int, int]:
    """Return the width and height of a PNG file in pixels."""
    with Image.open(path) as image:
        return image.size


def _embed(image: Image.Image, form: str, **options: int) -> str:
    file = io.BytesIO()
    image.save(file, form, **options)
    return _data_uri(file.getvalue(), form.lower())


def _data_uri(content: bytes, form: str) -> str:
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"
