"""The packaged model: raw images to labels and probabilities.

A packaged model contains copies of this package, with ``charts.py`` (used by ``darkroom predict --table``), and of
``errors.py``, so that its predictions never change. They import nothing else of Darkroom.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..base.errors import ImageError
from . import images

COLUMN = "image"
BATCH = 32
Prediction = dict[str, Any]
"""``{"label": str, "probabilities": {label: float}}``, optionally ``"unsure": bool``."""


class Classifier:
    """A network with the preprocessing and labels that it was trained with."""

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
            model_input: one image or a list of images, each an encoded file (bytes or base64 text) or uint8 pixels of
                any size, (height, width) or (height, width, 1, 3 or 4). Also a 4-dimensional array of pixels, or a
                data frame or mapping with the single column ``image``.

        Raises:
            ImageError: an image cannot be used; the message names its index, from 0.
        """
        return [self._prediction(row) for row in self.probabilities(as_entries(model_input))]

    def pixels(self, decoded: images.Decoded) -> images.Pixels:
        """Convert an image to the input of the network: uint8 of shape (height, width, channels)."""
        return images.to_pixels(
            decoded.image, self._size, self._interpolation, self._aspect, self._background, decoded.box
        )

    def probabilities(self, entries: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Return the class probabilities, float32 of shape (images, classes).

        One image at a time is decoded and shrunk, so that many large ones need no more memory than one.

        Args:
            entries: from ``as_entries``.

        Raises:
            ImageError: an image cannot be used; the message names its index, from 0.
        """
        result = np.empty((len(entries), len(self.labels)), dtype=np.float32)
        for start in range(0, len(entries), BATCH):
            portion = entries[start : start + BATCH]
            pixels = np.stack([self._entry_pixels(entry, number) for number, entry in enumerate(portion, start)])
            # Padded, so that the network is compiled for only two batch sizes: 1 and BATCH.
            missing = 0 if len(portion) == 1 else BATCH - len(portion)
            batch = np.concatenate([pixels, np.zeros((missing, *self._size), dtype=np.uint8)])
            result[start : start + BATCH] = self._network.predict_on_batch(batch)[: len(portion)]
        return result

    def _entry_pixels(self, entry: Any, number: int) -> images.Pixels:
        """Decode and resize one entry; errors name its index."""
        try:
            return self.pixels(_decoded(entry, images.least_side(self._size, self._interpolation)))
        except ImageError as error:
            raise type(error)(f"image {number}: {error}") from None

    def _prediction(self, row: npt.NDArray[np.float32]) -> Prediction:
        return {
            "label": self.labels[int(row.argmax())],
            "probabilities": {label: float(p) for label, p in zip(self.labels, row, strict=True)},
        }


def as_entries(model_input: Any) -> list[Any]:
    """Divide the input of ``Classifier.predict`` into one entry per image, not yet decoded."""
    if hasattr(model_input, "columns"):
        model_input = {str(column): model_input[column].tolist() for column in model_input.columns}
    if isinstance(model_input, dict):
        if list(model_input) != [COLUMN]:
            raise ImageError(f"columns {', '.join(map(str, model_input))} given; one column {COLUMN!r} was expected")
        model_input = model_input[COLUMN]
    entries = _entries(model_input)
    if not entries:
        raise ImageError("no image given; at least one was expected")
    return entries


def _entries(model_input: Any) -> list[Any]:
    """Split the input into one entry per image."""
    if isinstance(model_input, list | tuple):
        pixels = _pixels(model_input)
        model_input = list(model_input) if pixels is None else pixels
    if isinstance(model_input, np.ndarray):
        if model_input.dtype.kind in "OSU":
            return list(model_input.ravel())
        return list(model_input) if model_input.ndim == 4 else [model_input]  # noqa: PLR2004 - a batch
    return model_input if isinstance(model_input, list) else [model_input]


def _pixels(nested: Any) -> npt.NDArray[Any] | None:
    """Convert nested lists of numbers, as parsed from JSON, to an array; None if they contain something else."""
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
        return None  # images of different sizes: one entry each


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
    raise ImageError("expected an image file as bytes or base64 text, or uint8 pixels")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        # The message omits the text, which may be long and private.
        raise ImageError("text that is not base64; send the bytes of an image file in base64") from None


def _as_uint8(pixels: npt.NDArray[Any]) -> images.Pixels:
    """Convert integers from 0 to 255 of any type, because JSON has no uint8; reject everything else."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "iu":
        raise ImageError(f"pixels of type {pixels.dtype}; expected integers from 0 to 255")
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):  # noqa: PLR2004
        raise ImageError(f"pixels from {pixels.min()} to {pixels.max()}; expected integers from 0 to 255")
    return pixels.astype(np.uint8)
