"""Networks: one file each in the project's folder ``networks/``, which belongs to this package.

``networks/tiny.py`` is the module ``darkroom.networks.tiny``. Network files import everything they need from here::

    from darkroom.networks import Dropout, NetworkParams, Units, keras, layers

A network file defines ``class Params(NetworkParams)``, the parameters with ranges and defaults, and
``build(inputs, classes, params)``, which adds the layers. Optional: ``RECIPES``; ``SPACE``, the search space used
unless params.yaml has one; and the publication: ``SOURCE``, ``PUBLISHED_INPUT``, ``PUBLISHED_CLASSES``.

- ``building``, ``layers``, ``catalogue``, ``inference``: build, blocks, the table of networks, predictions
- ``backbones``: networks of ``keras.applications``; ``pretrained``: when a pretrained network is better
- ``published_file``, ``torch_file``, ``weights_file``: published weights, and which ones a training begins with
"""

from darkroom.networks.building import build, try_build
from darkroom.networks.lazy import Tensor, keras
from darkroom.params.augmentation import AugmentationParams
from darkroom.params.data_needs import check_classes, check_data, images_per_step
from darkroom.params.network import (
    ONE_CYCLE,
    OPTIMIZER_PARAMS,
    SCHEDULE_PARAMS,
    EarlyStoppingParams,
    FineTuningParams,
    NetworkParams,
    ScheduleParams,
)
from darkroom.params.network_fields import (
    Activation,
    BatchNorm,
    BatchSize,
    Count,
    Decay,
    Dropout,
    Factor,
    LearningRate,
    Optimizer,
    Strategy,
    Trainable,
    Units,
    Widths,
)
from darkroom.params.network_files import (
    FOLDER,
    PARAMS,
    Network,
    Recipes,
    Space,
    default_space,
    file_of,
    is_documented,
    load,
    names,
)
from darkroom.params.recipes import recipes, with_recipe

__path__.append(str(FOLDER))
__all__ = [
    "FOLDER",
    "ONE_CYCLE",
    "OPTIMIZER_PARAMS",
    "PARAMS",
    "SCHEDULE_PARAMS",
    "Activation",
    "AugmentationParams",
    "BatchNorm",
    "BatchSize",
    "Count",
    "Decay",
    "Dropout",
    "EarlyStoppingParams",
    "Factor",
    "FineTuningParams",
    "LearningRate",
    "Network",
    "NetworkParams",
    "Optimizer",
    "Recipes",
    "ScheduleParams",
    "Space",
    "Strategy",
    "Tensor",
    "Trainable",
    "Units",
    "Widths",
    "build",
    "check_classes",
    "check_data",
    "default_space",
    "file_of",
    "images_per_step",
    "is_documented",
    "keras",
    "load",
    "names",
    "recipes",
    "try_build",
    "with_recipe",
]
