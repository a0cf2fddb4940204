"""Decode an image, measure it and resize it."""

from typing import NamedTuple

import cv2
import numpy as np

from darkroom.base.errors import ImageError, ImageMemoryError
from darkroom.base.types import Pixels
from darkroom.data.formats.pictures import picture_of
from darkroom.data.formats.samples import open_image
from darkroom.inference import images
from darkroom.params import PreprocessParams

MEASURED_SIDE = 96
"""Pixels. Larger images are downsampled before they are measured; their shorter side stays at least this long."""


class Content(NamedTuple):
    """Format and statistics of an image, or why it cannot be used."""

    refusal: str | None
    """Why the image cannot be used; None if it can."""
    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    pixel_mean: float = 0.0
    pixel_deviation: float = 0.0
    red: float = 0.0
    green: float = 0.0
    blue: float = 0.0
    picture: str = ""
    """See ``picture_of``."""
    note: str = ""
    """See ``Decoded.note``."""


def describe(content: bytes | Pixels | ImageError, params: PreprocessParams) -> tuple[Content, Pixels | None]:
    """Decode, measure and resize an image.

    Brightness, contrast and colours are measured before resizing, so that expectations learnt from them also hold for
    other sizes and borders.

    Args:
        content: see ``Sample.content``; or the error raised when it was read.
        params: size, interpolation, aspect rule, background.

    Returns:
        The measurements, and uint8 pixels of shape ``params.size``, or None if the image cannot be used.

    Raises:
        ImageMemoryError: too little memory is free; this says nothing about the image.
    """
    if isinstance(content, ImageError):
        return Content(str(content)), None
    try:
        return _described(content, params)
    except ImageMemoryError:
        raise
    except ImageError as error:
        return Content(str(error)), None


def _described(content: bytes | Pixels, params: PreprocessParams) -> tuple[Content, Pixels]:
    height, width, channels = params.size
    with images.guard():
        decoded = open_image(content, images.least_side(params.size, params.interpolation))
        image = decoded.image
        pixels = images.to_pixels(
            image, params.size, params.interpolation, params.aspect, params.background, decoded.box
        )
        picture = picture_of(content, decoded)
        colour = images.to_channels(image, 3, params.background)
        if colour.size == (width, height) and channels == 3:  # noqa: PLR2004
            measured = pixels  # same pixels; converting the image again takes time
        elif (squares := min(colour.size) // MEASURED_SIDE) > 1:
            measured = np.asarray(colour.reduce(squares))
        else:
            measured = np.asarray(colour)
    mean, deviation = np.ravel(cv2.meanStdDev(cv2.cvtColor(measured, cv2.COLOR_RGB2GRAY))).tolist()
    red, green, blue, _ = cv2.mean(measured)
    measures = (mean, deviation, red, green, blue, picture, decoded.note)
    return Content(None, decoded.width, decoded.height, decoded.mode, decoded.format, *measures), pixels
