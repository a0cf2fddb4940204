"""Small networks and descriptions of data."""

import h5py

from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Description
from darkroom.networks import PARAMS, is_documented, names
from darkroom.networks.backbones import PretrainedParams
from darkroom.training import build_model

legacy_h5_format = keras.src.legacy.saving.legacy_h5_format

DOCUMENTED = tuple(name for name in names() if is_documented(name))
BACKBONES = tuple(name for name in DOCUMENTED if issubclass(PARAMS[name], PretrainedParams))
"""Networks of ``keras.applications``, whose layers are Keras's; ``tests/networks/test_backbones.py`` is theirs."""
NETWORKS = tuple(name for name in DOCUMENTED if name not in BACKBONES)
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


def save_as_published(model, file):
    """Write weights in the form of the files that Keras publishes, which is Keras 2's."""
    with h5py.File(file, "w") as opened:
        legacy_h5_format.save_weights_to_hdf5_group(opened, model)


def build(network, size=GREY, classes=10, **values):
    keras.backend.clear_session()
    return build_model(network, PARAMS[network](**values), description(size, classes))
