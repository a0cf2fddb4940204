"""Residual network for small images, of depth 6 × ``blocks`` + 2.

A block is relu(f(x) + x), where f is a 3×3 convolution, ReLU and another 3×3 convolution.

===========  =========================================  ===========  =======================================
layer        kind                                       output       parameters (32×32×3 input, 10 classes)
===========  =========================================  ===========  =======================================
conv1        16 convolutions 3×3, batch norm, ReLU      32×32×16     512
conv2_x      3 blocks of 16                             32×32×16     14,304
conv3_x      3 blocks of 32, the first / 2              16×16×32     52,192
conv4_x      3 blocks of 64, the first / 2              8×8×64       206,784
average      global average pool                        64           –
output       softmax                                    10           650
===========  =========================================  ===========  =======================================

274,442 parameters, 273,066 of them trainable. As in the book, convolutions have biases, and where the size changes, the
shortcut is a 1×1 convolution with a bias and without batch norm. The paper uses no biases and, for small images, no
convolutions in shortcuts. Configurable: blocks per stage, width, activation, L2.
"""

from typing import Annotated

from pydantic import Field

from darkroom.networks import (
    ONE_CYCLE,
    Activation,
    Count,
    Decay,
    LearningRate,
    NetworkParams,
    Optimizer,
    Recipes,
    ScheduleParams,
    Space,
    Tensor,
    Units,
    keras,
    layers,
)

SOURCE = "K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, section 4.2"
PUBLISHED_INPUT = (32, 32, 3)
PUBLISHED_CLASSES = 10
PUBLISHED_PARAMETERS = 274_442
PUBLISHED_MULTIPLY_ADDS = 40_813_184


class Params(NetworkParams):
    """Residual network for small images."""

    optimizer: Optimizer = "muon"
    learning_rate: LearningRate = 5e-3
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.1
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    blocks: Count = 3
    """Blocks in each of the three stages; the depth is 6 × blocks + 2."""
    width: Units = 16
    """Filters of the first stage, doubled in each further stage."""
    activation: Activation = "relu"


RECIPES: Recipes = {
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
}
SPACE: Space = {"learning": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}}
STAGES = ("conv2", "conv3", "conv4")


def residual_block(x: Tensor, filters: int, strides: int, params: Params, name: str) -> Tensor:
    """Add two convolutions with a shortcut around them."""
    style = layers.Style(params.activation, "before", params.l2)
    convolved = layers.convolution(x, filters, 3, style, f"{name}_1", strides=strides)
    convolved = layers.bare_convolution(convolved, filters, 3, params.l2, f"{name}_2")
    convolved = keras.layers.BatchNormalization(name=f"{name}_2_bn")(convolved)
    if strides > 1:
        x = layers.bare_convolution(x, filters, 1, params.l2, f"{name}_shortcut", strides=strides)
    x = keras.layers.Add(name=f"{name}_add")([convolved, x])
    return layers.activated(x, params.activation, f"{name}_out")


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    style = layers.Style(params.activation, "before", params.l2)
    x = layers.convolution(inputs, params.width, 3, style, "conv1")
    for number, stage in enumerate(STAGES):
        for block in range(1, params.blocks + 1):
            strides = 2 if number and block == 1 else 1
            x = residual_block(x, params.width * 2**number, strides, params, f"{stage}_{block}")
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return layers.probabilities(x, classes, params)
