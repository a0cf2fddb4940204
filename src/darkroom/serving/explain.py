"""``darkroom explain``: draw heat maps and feature maps of a packaged model's network for image files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from darkroom.base.backend import keras
from darkroom.base.errors import DarkroomError, ImageError, InputError
from darkroom.base.types import Floats, Pixels
from darkroom.evaluation import grad_cam
from darkroom.evaluation.maps import feature_maps, heat_maps
from darkroom.inference.packaged_model import import_privately
from darkroom.reporting import figures
from darkroom.serving import predict
from darkroom.tracking.packaged_parts import PackagedParts

SHOWN = 640
"""Longer side in pixels of the photographs on which heat maps are drawn."""


@dataclass(frozen=True)
class PackagedNetwork:
    """The network of a packaged model, with its preprocessing."""

    network: keras.Model
    description: dict[str, Any]
    """The description of its training data, in the format of the Darkroom version that trained it."""
    code: ModuleType
    """The packaged inference code, so that images are preprocessed as for predictions."""

    @classmethod
    def load(cls, uri: str) -> "PackagedNetwork":
        """Load a packaged model.

        Raises:
            InputError: the store does not have the model, or its network has no feature maps.
        """
        packaged = PackagedParts.open(uri)
        network = packaged.load_network()
        if lack := grad_cam.lack_of_maps(network):
            raise InputError(f"{uri}: {lack}; choose a model of another network, darkroom runs lists them")
        return cls(network, packaged.description, import_privately(packaged.code))

    @property
    def _classifier(self) -> Any:
        return self.code.Classifier(self.network, self.description)

    def predict(self, image: Pixels) -> tuple[str, float]:
        """Return the packaged model's label for an image, and its probability.

        Args:
            image: from ``pixels``.

        Raises:
            DarkroomError: the network returns NaN or infinity.
        """
        try:
            (output,) = self._classifier.predict([image])
        except FloatingPointError as error:
            raise DarkroomError(str(error)) from None
        return output["label"], output["probabilities"][output["label"]]

    def pixels(self, content: bytes) -> Pixels:
        """Decode and resize the content of an image file to uint8 of the input size (height, width, channels).

        Raises:
            ImageError: the image cannot be used.
        """
        classifier = self._classifier
        images, size = self.code.images, tuple(self.description["size"])
        try:
            decoded = images.decode_for(content, images.least_side(size, self.description["interpolation"]))
            pixels: Pixels = classifier.pixels(decoded)
        except self.code.ImageError as error:
            raise ImageError(str(error)) from None
        return pixels

    def photograph(self, content: bytes) -> Pixels:
        """Decode the content of an image file for people, with the part of the image that the network sees.

        Args:
            content: a file that ``pixels`` accepts.

        Returns:
            uint8 of shape (height, width, 3), the longer side up to ``SHOWN`` pixels: of the image's own proportions,
            or of the network's if images are cut or padded.
        """
        images = self.code.images
        height, width, _ = self.description["size"]
        decoded = images.decode_for(content, SHOWN)
        if self.description["aspect"] == "stretch":
            height, width = decoded.height, decoded.width
        factor = min(SHOWN, max(decoded.height, decoded.width)) / max(height, width)
        size = [max(round(height * factor), 1), max(round(width * factor), 1), 3]
        shown: Pixels = self.code.Classifier(self.network, {**self.description, "size": size}).pixels(decoded)
        return shown


def stretched(heat: Floats, height: int, width: int) -> Floats:
    """Enlarge heat maps of shape (images, height, width) to another height and width, in pixels."""
    maps = [Image.fromarray(each).resize((width, height), Image.Resampling.BICUBIC) for each in heat]
    enlarged: Floats = np.clip(np.stack([np.asarray(each) for each in maps]), 0, 1)
    return enlarged


def draw(model: PackagedNetwork, path: Path, folder: Path, name: str) -> Iterator[Path]:
    """Draw the heat map and the feature maps of an image.

    Args:
        model: the packaged network.
        path: the image.
        folder: output folder.
        name: prefix of the file names.

    Yields:
        Each file after it is written.

    Raises:
        ImageError: the image cannot be read or used.
    """
    content = predict.read(path)
    image, photograph = model.pixels(content), model.photograph(content)
    label, probability = model.predict(image)
    heat = grad_cam.heat_maps(model.network, image[None], [model.description["labels"].index(label)])
    title = figures.format_prediction(label, probability)
    where = folder / f"{name}-heat_map.png"
    heat_maps(photograph[None], stretched(heat, *photograph.shape[:2]), [title], path.name, where)
    yield where
    stages = folder / f"{name}-feature_maps.png"
    filters, maps = grad_cam.first_filters(model.network), grad_cam.feature_maps(model.network, image)
    feature_maps(image, filters, maps, f"{model.network.name} on {path.name}: {title}", stages)
    yield stages


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Return each file's stem, with a number appended to repeated ones."""
    names: dict[str, None] = {}
    for path in paths:
        name, number = path.stem, 1
        while name in names:
            number += 1
            name = f"{path.stem}-{number}"
        names[name] = None
    return list(names)
