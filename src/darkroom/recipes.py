"""Named recipes: what ``recipe: NAME`` in a section ``train.<network>`` takes instead of the network's defaults.

``book`` is what *Deep Learning for Vision Systems* trained the network with, ``augment: false`` included where the book
varies nothing. It trained for all of its epochs, so no recipe of it stops early. What the section says itself wins.
"""

from collections.abc import Mapping
from typing import Any

from darkroom.errors import InputError
from darkroom.networks import Network

RECIPES: Mapping[Network, Mapping[str, Mapping[str, Any]]] = {
    "mnist_cnn": {
        "book": {
            "optimizer": "rmsprop",
            "learning_rate": 1e-3,
            "batch_size": 32,
            "epochs": 12,
            "schedule": {},
            "dropout": 0.0,
            "weight_decay": 0.0,
            "label_smoothing": 0.0,
            "augment": False,
            "early_stopping": {"patience": 12},
        }
    },
    "cifar_cnn": {
        "book": {
            "optimizer": "rmsprop",
            "learning_rate": 1e-3,
            "batch_size": 32,
            "epochs": 100,
            "schedule": {},
            "dropout_convolutions": 0.3,
            "dropout_hidden": 0.4,
            "weight_decay": 0.0,
            "label_smoothing": 0.0,
            "augment": False,
            "early_stopping": {"patience": 100},
        }
    },
    "cifar_bn_cnn": {
        "book": {
            "optimizer": "rmsprop",
            "learning_rate": 3e-4,
            "batch_size": 64,
            "epochs": 125,
            "schedule": {},
            "dropout": [0.2, 0.3, 0.4],
            "l2": 1e-4,
            "weight_decay": 0.0,
            "label_smoothing": 0.0,
            "augmentation": {"rotation": 15, "shift": 0.1, "horizontal_flip": True},
            "early_stopping": {"patience": 125},
        }
    },
    "lenet5": {
        "book": {
            "optimizer": "adam",
            "learning_rate": 5e-4,
            "batch_size": 32,
            "epochs": 20,
            "schedule": {"kind": "piecewise", "boundaries": [3, 6, 10], "factors": [0.4, 0.1, 0.02]},
            "weight_decay": 0.0,
            "augment": False,
            "early_stopping": {"patience": 20},
        }
    },
    "alexnet": {
        "book": {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "momentum": 0.9,
            "batch_size": 128,
            "epochs": 90,
            "schedule": {"kind": "plateau", "factor": 0.1, "patience": 5},
            "batch_norm": "after",
            "early_stopping": {"patience": 90},
        }
    },
    "inception": {
        "book": {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "momentum": 0.9,
            "batch_size": 256,
            "epochs": 35,
            "schedule": {"kind": "step", "factor": 0.96, "every": 8},
            "early_stopping": {"patience": 35},
        }
    },
    "resnet20": {
        "book": {
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "batch_size": 32,
            "epochs": 200,
            "schedule": {"kind": "piecewise", "boundaries": [81, 121, 161, 181], "factors": [0.1, 0.01, 0.001, 0.0005]},
            "l2": 1e-4,
            "weight_decay": 0.0,
            "label_smoothing": 0.0,
            "augmentation": {"shift": 0.1, "horizontal_flip": True},
            "early_stopping": {"monitor": "val_accuracy", "patience": 200},
        }
    },
    "resnet50": {
        "book": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "momentum": 0.9,
            "batch_size": 256,
            "epochs": 200,
            "schedule": {"kind": "plateau", "factor": 0.316, "patience": 5},
            "early_stopping": {"patience": 200},
        }
    },
}


def with_recipe(network: Network, section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section of params.yaml with the values of the recipe that it names, where it has none of its own.

    Raises:
        InputError: no recipe has this name.
    """
    named = section.get("recipe", "default")
    known = {"default": {}, **RECIPES.get(network, {})}
    if not isinstance(named, str) or named not in known:
        raise InputError(f"train.{network}.recipe: {named!r} given; choose one of {', '.join(known)}")
    return {**known[named], **section}
