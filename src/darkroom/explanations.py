"""``darkroom explain``: a packaged model and image files in, pictures of what its network sees in them out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from darkroom import explaining, figures, inference, predictions, tracking
from darkroom.backend import keras
from darkroom.errors import ImageError, InputError
from darkroom.files import read_json
from darkroom.images import Pixels
from darkroom.packaged_model import import_privately


@dataclass(frozen=True)
class PackagedNetwork:
    """The network inside a packaged model, and how that model brings images to it."""

    network: keras.Model
    description: dict[str, Any]
    """Of its data, as the version of Darkroom that trained it wrote it."""
    serving: ModuleType
    """The code that it was packaged with, so that it sees of an image what it sees when it predicts."""

    @classmethod
    def load(cls, uri: str) -> "PackagedNetwork":
        """Load the parts of a packaged model.

        Raises:
            InputError: there is no such model in the store, or its network has no maps to draw.
        """
        files = tracking.packaged_files(uri)
        network = inference.load(files["network"])
        if lack := explaining.lack_of_maps(network):
            raise InputError(f"{uri}: {lack}; name a model of another network, darkroom runs lists them")
        return cls(network, read_json(files["description"]), import_privately(files["code"]))

    def pixels(self, content: bytes) -> Pixels:
        """Bring the content of an image file to uint8 of the network's size (height, width, channels).

        Raises:
            ImageError: the image cannot be used.
        """
        served = self.serving.Classifier(self.network, self.description)
        images, size = self.serving.images, tuple(self.description["size"])
        try:
            decoded = images.decode_for(content, images.least_side(size, self.description["interpolation"]))
            pixels: Pixels = served.pixels(decoded)
        except self.serving.ImageError as error:
            raise ImageError(str(error)) from None
        return pixels


def draw(model: PackagedNetwork, path: Path, folder: Path, name: str) -> Iterator[Path]:
    """Draw where the network looks in an image, and what its stages make of it.

    Args:
        model: what looks.
        path: the image.
        folder: where the pictures go.
        name: what their names begin with.

    Yields:
        Each file, when it is written.

    Raises:
        ImageError: the image cannot be read or used.
    """
    image = model.pixels(predictions.read(path))
    probabilities = inference.probabilities(model.network, image[None])[0]
    predicted = int(probabilities.argmax())
    heat = explaining.heat_maps(model.network, image[None], [predicted])
    title = figures.verdict(model.description["labels"][predicted], float(probabilities[predicted]))
    where = folder / f"{name}-heat_map.png"
    figures.heat_maps(image[None], heat, [title], path.name, where)
    yield where
    stages = folder / f"{name}-feature_maps.png"
    filters, maps = explaining.first_filters(model.network), explaining.feature_maps(model.network, image)
    figures.feature_maps(image, filters, maps, f"{model.network.name} on {path.name}: {title}", stages)
    yield stages


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Name each file by its stem, with a number where files of several folders have the same."""
    names: dict[str, None] = {}
    for path in paths:
        name, number = path.stem, 1
        while name in names:
            number += 1
            name = f"{path.stem}-{number}"
        names[name] = None
    return list(names)
