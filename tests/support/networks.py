"""Small networks and descriptions of data."""

from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Description
from darkroom.networks import PARAMS, is_documented, names
from darkroom.training import build_model

NETWORKS = tuple(name for name in names() if is_documented(name))
GREY, COLOUR, LARGE = (28, 28, 1), (32, 32, 3), (224, 224, 3)


def description(size, classes):
    return Description(
        labels=tuple(f"class {number}" for number in range(classes)),
        size=size,
        interpolation="bicubic",
        aspect="stretch",
        mean=(100.0,) * size[2],
        deviation=(50.0,) * size[2],
        source="digits",
        counts={},
        training_counts={},
        digest="",
    )


def build(network, size=GREY, classes=10, **values):
    keras.backend.clear_session()
    return build_model(network, PARAMS[network](**values), description(size, classes))
