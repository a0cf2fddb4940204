"""The packaged model: raw images in, label and probabilities out.

A packaged model carries a copy of this module, of ``images.py``, of ``charts.py`` (with which ``darkroom predict
--table`` draws what a model of price charts is asked) and of ``errors.py``, so that it answers the same for as long as
it lives. They import nothing else of Darkroom.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import images
from .errors import ImageError

COLUMN = "image"
BATCH = 32

Prediction = dict[str, Any]
"""``{"label": str, "probabilities": {label: float}}``, where asked for also ``"unsure": bool``."""


class Classifier:
    """A network together with the preprocessing and the label names that it was trained with."""

    def __init__(self, network: Any, description: dict[str, Any]) -> None:
        self._network = network
        self.labels: list[str] = list(description["labels"])
        height, width, channels = description["size"]
        self._size = (height, width, channels)
        self._interpolation = description["interpolation"]
        self._aspect = description["aspect"]
        self._background = description.get("background", "white")

    @classmethod
    def load(cls, network: str | Path, description: str | Path) -> "Classifier":
        """Load a saved network and the description of its data."""
        import keras

        loaded = keras.saving.load_model(network, compile=False, safe_mode=True)
        return cls(loaded, json.loads(Path(description).read_text(encoding="utf-8")))

    def predict(self, model_input: Any) -> list[Prediction]:
        """Classify images.

        Args:
            model_input: one image or a list of them, each as bytes of an image file, as base64 text of such, or as
                uint8 pixels of any size: (height, width) or (height, width, 1, 3 or 4). Also a 4-dimensional array of
                pixels, and a data frame or mapping with the one column ``image``.

        Raises:
            ImageError: an image cannot be used; the text says which, counted from 0.
        """
        return [self._prediction(row) for row in self.probabilities(self.decoded(model_input))]

    def decoded(self, model_input: Any) -> list[images.Decoded]:
        """Turn what a caller sent into images; see ``predict``."""
        return as_images(model_input, images.least_side(self._size, self._interpolation))

    def pixels(self, decoded: images.Decoded) -> images.Pixels:
        """Bring an image to what the network takes: uint8 of shape (height, width, channels)."""
        return images.to_pixels(
            decoded.image, self._size, self._interpolation, self._aspect, self._background, decoded.box
        )

    def probabilities(self, found: Sequence[images.Decoded]) -> npt.NDArray[np.float32]:
        """Return float32 of shape (images, classes)."""
        result = np.empty((len(found), len(self.labels)), dtype=np.float32)
        for start in range(0, len(found), BATCH):
            portion = found[start : start + BATCH]
            pixels = np.stack([self.pixels(image) for image in portion])
            # Filled up, so that the network is compiled for a single image and for a full batch and nothing else.
            missing = 0 if len(portion) == 1 else BATCH - len(portion)
            batch = np.concatenate([pixels, np.zeros((missing, *self._size), dtype=np.uint8)])
            result[start : start + BATCH] = self._network.predict_on_batch(batch)[: len(portion)]
        return result

    def _prediction(self, row: npt.NDArray[np.float32]) -> Prediction:
        return {
            "label": self.labels[int(row.argmax())],
            "probabilities": {label: float(p) for label, p in zip(self.labels, row, strict=True)},
        }


def as_images(model_input: Any, least: int | None) -> list[images.Decoded]:
    """Turn what a caller sent into images; see ``Classifier.predict`` and ``images.decode_for``."""
    if hasattr(model_input, "columns"):
        model_input = {str(column): model_input[column].tolist() for column in model_input.columns}
    if isinstance(model_input, dict):
        if list(model_input) != [COLUMN]:
            raise ImageError(
                f"columns {', '.join(map(str, model_input))} given; the one column {COLUMN!r} was expected"
            )
        model_input = model_input[COLUMN]
    entries = _entries(model_input)
    if not entries:
        raise ImageError("no image given; at least one was expected")
    return [_image(entry, number, least) for number, entry in enumerate(entries)]


def _entries(model_input: Any) -> list[Any]:
    """Split the input into one entry for each image."""
    if isinstance(model_input, list | tuple):
        pixels = _pixels(model_input)
        model_input = list(model_input) if pixels is None else pixels
    if isinstance(model_input, np.ndarray):
        if model_input.dtype.kind in "OSU":
            return list(model_input.ravel())
        return list(model_input) if model_input.ndim == 4 else [model_input]  # noqa: PLR2004 - a batch
    return model_input if isinstance(model_input, list) else [model_input]


def _pixels(nested: Any) -> npt.NDArray[Any] | None:
    """Turn lists of numbers, as JSON brings them, into an array; None if they hold something else."""
    first = nested
    while isinstance(first, list | tuple):
        if not first:
            return None
        first = first[0]
    if isinstance(first, bool) or not isinstance(first, int | float):
        return None
    try:
        return np.array(nested)
    except ValueError:
        return None  # images of several sizes: a list with one entry for each


def _image(entry: Any, number: int, least: int | None) -> images.Decoded:
    """Turn one entry into an image."""
    try:
        return _decoded(entry, least)
    except ImageError as error:
        raise ImageError(f"image {number}: {error}") from None


def _decoded(entry: Any, least: int | None) -> images.Decoded:
    if isinstance(entry, str):
        entry = _from_base64(entry)
    if isinstance(entry, bytes | bytearray | memoryview):
        return images.decode_for(bytes(entry), least)
    if isinstance(entry, list | tuple):
        entry = _pixels(entry)
    if isinstance(entry, np.ndarray):
        image = images.from_array(_as_uint8(entry))
        return images.Decoded(image, *image.size)
    raise ImageError("bytes of an image file, base64 text of them, or uint8 pixels were expected")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        # The text itself stays out of the message: it may be long, and it is the caller's.
        raise ImageError("text that is not base64; send the bytes of an image file in base64") from None


def _as_uint8(pixels: npt.NDArray[Any]) -> images.Pixels:
    """Accept whole numbers from 0 to 255 of any integer type, because JSON has no uint8; refuse all else."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "iu":
        raise ImageError(f"pixels of type {pixels.dtype}; whole numbers from 0 to 255 were expected")
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):  # noqa: PLR2004
        raise ImageError(f"pixels from {pixels.min()} to {pixels.max()}; whole numbers from 0 to 255 were expected")
    return pixels.astype(np.uint8)
