"""The packaged model: raw images to labels, probabilities, prediction sets and whether an image is unknown.

A packaged model contains copies of this package, with ``charts.py`` (used by ``darkroom predict --table``), and of
``errors.py``, so that its predictions never change. They import nothing else of Darkroom.
"""

import base64
import binascii
import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..base.errors import ImageError
from . import images
from .neighbours import Neighbours
from .views import mean_probabilities

COLUMN = "image"
BATCH = 32
DATA_URI = re.compile(r"\s*data:[^,]{0,200},", re.IGNORECASE)
"""The start of a data URI (RFC 2397), as browsers' FileReader writes it."""
URL_SAFE = str.maketrans("-_", "+/")
Prediction = dict[str, Any]
"""``{"label": str, "probabilities": {label: float}}``, and as far as the model has been calibrated ``"set": [label]``,
``"unknown": bool or None`` and ``"unknown_score": float``; optionally ``"unsure": bool``."""


class Classifier:
    """A network with the preprocessing and labels that it was trained with.

    Args:
        network: predicts class probabilities, and with ``neighbours`` also features as a second output.
        description: see ``registry.packages``.
        neighbours: a sample of the training images; None for a model that does not know how unlike them an image is.
    """

    def __init__(self, network: Any, description: dict[str, Any], neighbours: Neighbours | None = None) -> None:
        self._network = network
        self._neighbours = neighbours
        self.labels: list[str] = list(description["labels"])
        height, width, channels = description["size"]
        self._size = (height, width, channels)
        self._interpolation = description["interpolation"]
        self._aspect = description["aspect"]
        self._background = description.get("background", "white")
        self._views: list[str] = description.get("test_time_augmentation", [])
        self._least: float | None = description.get("prediction_sets", {}).get("least_probability")
        self._unknown_above: float | None = description.get("unknown", {}).get("above")

    @classmethod
    def load(cls, network: str | Path, description: str | Path, reference: str | Path | None = None) -> "Classifier":
        """Load a saved network, the description of its data and, if it has one, a sample of its training images."""
        import keras

        loaded = keras.saving.load_model(network, compile=False, safe_mode=True)
        described = json.loads(Path(description).read_text(encoding="utf-8"))
        if reference is None:
            return cls(loaded, described)
        features = loaded.get_layer(described["unknown"]["layer"]).input
        return cls(keras.Model(loaded.input, [loaded.outputs[0], features]), described, Neighbours.read(reference))

    def predict(self, model_input: Any) -> list[Prediction]:
        """Classify images.

        Args:
            model_input: one image or a list of images, each an encoded file (bytes or base64 text) or uint8 pixels of
                any size, (height, width) or (height, width, 1, 3 or 4). Also a 4-dimensional array of pixels, or a
                data frame or mapping with the single column ``image``.

        Raises:
            ImageError: an image cannot be used; the message names its index, from 0.
            FloatingPointError: the network returns probabilities that are not numbers.
        """
        probabilities, scores = self._outputs(as_entries(model_input))
        return [
            self._prediction(row, None if scores is None else float(scores[number]))
            for number, row in enumerate(probabilities)
        ]

    def pixels(self, decoded: images.Decoded) -> images.Pixels:
        """Convert an image to the input of the network: uint8 of shape (height, width, channels)."""
        return images.to_pixels(
            decoded.image, self._size, self._interpolation, self._aspect, self._background, decoded.box
        )

    def probabilities(self, entries: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Return the class probabilities, float32 of shape (images, classes).

        Args:
            entries: from ``as_entries``.

        Raises:
            ImageError: an image cannot be used; the message names its index, from 0.
        """
        return self._outputs(entries)[0]

    def _outputs(self, entries: Sequence[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64] | None]:
        """Return the class probabilities and, with neighbours, how unlike them the images are, of shape (images,).

        One image at a time is decoded and shrunk, so that many large ones need no more memory than one.
        """
        classes = len(self.labels)
        result = np.empty((len(entries), classes), dtype=np.float32)
        scores = None if self._neighbours is None else np.empty(len(entries))
        for start in range(0, len(entries), BATCH):
            portion = entries[start : start + BATCH]
            pixels = np.stack([self._entry_pixels(entry, number) for number, entry in enumerate(portion, start)])
            # Keras compiles for the first number of images, and with the second one for any.
            averaged = mean_probabilities(self._predict, pixels, self._views)
            result[start : start + BATCH] = averaged[:, :classes]
            if scores is not None and self._neighbours is not None:
                scores[start : start + BATCH] = self._neighbours.scores(averaged[:, classes:])
        return result, scores

    def _predict(self, batch: images.Pixels) -> npt.NDArray[Any]:
        """Return probabilities and, with neighbours, the features beside them."""
        found = self._network.predict_on_batch(batch)
        return found if self._neighbours is None else np.concatenate(found, axis=1, dtype=np.float32)

    def _entry_pixels(self, entry: Any, number: int) -> images.Pixels:
        """Decode and resize one entry; errors name its index."""
        try:
            return self.pixels(_decoded(entry, images.least_side(self._size, self._interpolation)))
        except ImageError as error:
            raise type(error)(f"image {number}: {error}") from None

    def _prediction(self, row: npt.NDArray[np.float32], score: float | None) -> Prediction:
        if not np.isfinite(row).all() or (score is not None and not np.isfinite(score)):
            raise FloatingPointError("the network returns NaN or infinity instead of probabilities; train it again")
        found: Prediction = {
            "label": self.labels[int(row.argmax())],
            "probabilities": {label: float(p) for label, p in zip(self.labels, row, strict=True)},
        }
        if self._least is not None:
            by_probability = np.argsort(-row, kind="stable")
            found["set"] = [self.labels[number] for number in by_probability if row[number] >= self._least]
        if score is not None:
            # Without a threshold, for which too few images were there, it is not known.
            found["unknown"] = None if self._unknown_above is None else score > self._unknown_above
            found["unknown_score"] = score
        return found


def as_entries(model_input: Any) -> list[Any]:
    """Divide the input of ``Classifier.predict`` into one entry per image, not yet decoded."""
    if hasattr(model_input, "columns"):
        model_input = {str(column): model_input[column].tolist() for column in model_input.columns}
    if isinstance(model_input, dict):
        model_input = only_column(model_input)
    entries = _entries(model_input)
    if not entries:
        raise ImageError("no image given; at least one was expected")
    return entries


def only_column(row: Mapping[str, Any]) -> Any:
    """Return the value of the single column ``image``.

    Raises:
        ImageError: there are other columns.
    """
    if list(row) != [COLUMN]:
        raise ImageError(f"columns {', '.join(map(str, row))} given; one column {COLUMN!r} was expected")
    return row[COLUMN]


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
    if not _is_numeric(nested):
        return None
    try:
        return np.array(nested)
    except (ValueError, OverflowError):
        return None  # images of different sizes: one entry each; or numbers of hundreds of digits


def _is_numeric(nested: Sequence[Any], depth: int = 4) -> bool:
    """Return whether lists contain numbers alone, at most four deep.

    With one text among them, NumPy would convert every number to a text of that length.
    """
    kinds = set(map(type, nested))
    if kinds <= {int, float}:
        return bool(kinds)
    return depth > 1 and kinds <= {list, tuple} and all(_is_numeric(each, depth - 1) for each in nested)


def _decoded(entry: Any, least: int | None) -> images.Decoded:
    if isinstance(entry, str):
        entry = from_base64(entry)
    if isinstance(entry, bytes | bytearray | memoryview):
        return images.decode_for(bytes(entry), least)
    if isinstance(entry, list | tuple):
        entry = _pixels(entry)
    if isinstance(entry, np.ndarray):
        image = images.from_array(_as_uint8(entry))
        return images.Decoded(image, *image.size)
    raise ImageError("expected an image file as bytes or base64 text, or uint8 pixels")


def from_base64(text: str) -> bytes:
    """Decode base64, standard or URL-safe, with or without padding and white space, or a data URI that contains it.

    Raises:
        ImageError: the text is something else.
    """
    if prefix := DATA_URI.match(text):
        if not prefix[0].rstrip(", \t").lower().endswith(";base64"):
            raise ImageError("data URI without ;base64; send the image file in base64")
        text = urllib.parse.unquote(text[prefix.end() :])
    text = "".join(text.split()).rstrip("=").translate(URL_SAFE)
    if not text:
        raise ImageError("empty text; send the bytes of an image file in base64")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
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
