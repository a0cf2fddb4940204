"""GoogLeNet: nine inception modules and two auxiliary classifiers, which are used in training only.

A module has four branches, concatenated along the channels: 1×1; 1×1 then 3×3; 1×1 then 5×5; 3×3 max pool then 1×1.

=============  ====  ===========  ==========  ===========  ==========  =========  ===========  ============
layer          1×1   3×3 reduce   3×3         5×5 reduce   5×5         pool       output       parameters
=============  ====  ===========  ==========  ===========  ==========  =========  ===========  ============
conv1                64 convolutions 7×7, / 2                                     112×112×64   9,472
pool1                max pool 3×3, / 2                                            56×56×64     –
conv2                64           192                                             56×56×192    114,944
pool2                max pool 3×3, / 2                                            28×28×192    –
3a             64    96           128         16           32          32         28×28×256    163,696
3b             128   128          192         32           96          64         28×28×480    388,736
pool3          max pool 3×3, / 2                                                  14×14×480    –
4a             192   96           208         16           48          64         14×14×512    376,176
4b             160   112          224         24           64          64         14×14×512    449,160
4c             128   128          256         24           64          64         14×14×512    510,104
4d             112   144          288         32           64          64         14×14×528    605,376
4e             256   160          320         32           128         128        14×14×832    868,352
pool4          max pool 3×3, / 2                                                  7×7×832      –
5a             256   160          320         32           128         128        7×7×832      1,043,456
5b             384   192          384         48           128         128        7×7×1024     1,444,080
average        global average pool, dropout .4                                    1024         –
output         softmax                                                            1000         1,025,000
=============  ====  ===========  ==========  ===========  ==========  =========  ===========  ============

6,998,552 parameters (224×224×3 input, 1,000 classes), 13,378,280 in training with the auxiliary classifiers. These
follow 4a and 4d: 5×5 average pool with stride 3, 128 1×1 convolutions, 1,024 units with dropout .7, softmax. Their loss
weight is .3 each; the saved network does not contain them. Deviation from the paper: no local response normalisation.
The book's notebook omits conv2's reduction and adds a hidden layer of 1,000 units (7,995,392 parameters).
"""

from typing import Annotated

from pydantic import Field

from darkroom.networks import (
    Activation,
    BatchNorm,
    Dropout,
    LearningRate,
    NetworkParams,
    Recipes,
    Space,
    Tensor,
    keras,
    layers,
)

SOURCE = "C. Szegedy and others, Going deeper with convolutions, CVPR 2015, table 1"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 6_998_552
PUBLISHED_MULTIPLY_ADDS = 1_582_671_872


class Params(NetworkParams):
    """GoogLeNet."""

    learning_rate: LearningRate = 3e-4
    activation: Activation = "relu"
    batch_norm: BatchNorm = "none"
    dropout: Dropout = 0.4
    auxiliary: bool = True
    """Whether to train with two auxiliary classifiers; the saved network does not contain them."""
    auxiliary_weight: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Weight of each auxiliary loss."""

    @property
    def smallest_side(self) -> int:
        """The auxiliary classifiers pool 5×5 after four halvings, each rounded up."""
        return 65 if self.auxiliary else 1


RECIPES: Recipes = {
    "book": {
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "momentum": 0.9,
        "batch_size": 256,
        "epochs": 35,
        "schedule": {"kind": "step", "factor": 0.96, "every": 8},
        "early_stopping": {"patience": 35},
    }
}
SPACE: Space = {"learning": {"learning_rate": {"low": 5e-5, "high": 1e-3, "log": True}}}
# filters: 1×1, reduction before 3×3, 3×3, reduction before 5×5, 5×5, 1×1 after the pool
Module = tuple[int, int, int, int, int, int]
MODULES: dict[str, dict[str, Module]] = {
    "pool2": {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64)},
    "pool3": {
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
    },
    "pool4": {"5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128)},
}
AUXILIARY_BEHIND = ("4a", "4d")
AUXILIARY_DROPOUT = 0.7


def inception_module(x: Tensor, filters: Module, params: Params, name: str) -> Tensor:
    """Add the four branches of a module (1×1, 3×3, 5×5, pool) and concatenate them along the channels."""
    one, reduce_three, three, reduce_five, five, after_pool = filters

    def convolution(x: Tensor, filters: int, kernel: int, part: str) -> Tensor:
        return _convolution(x, filters, kernel, params, f"{name}_{part}")

    branches = [
        convolution(x, one, 1, "1x1"),
        convolution(convolution(x, reduce_three, 1, "3x3_reduce"), three, 3, "3x3"),
        convolution(convolution(x, reduce_five, 1, "5x5_reduce"), five, 5, "5x5"),
        convolution(_pool(x, f"{name}_pool", strides=1), after_pool, 1, "pool_1x1"),
    ]
    return keras.layers.Concatenate(name=name)(branches)


def build(inputs: Tensor, classes: int, params: Params) -> tuple[Tensor, ...]:
    """Add the layers; see ``darkroom.networks.build``."""
    x = _pool(_convolution(inputs, 64, 7, params, "conv1", strides=2), "pool1")
    x = _convolution(_convolution(x, 64, 1, params, "conv2_reduce"), 192, 3, params, "conv2")
    auxiliary = []
    for pool, modules in MODULES.items():
        x = _pool(x, pool)
        for name, filters in modules.items():
            x = inception_module(x, filters, params, name)
            if params.auxiliary and name in AUXILIARY_BEHIND:
                auxiliary.append(_auxiliary_classifier(x, classes, params, f"side_{name}"))
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.dropout(x, params.dropout, "dropout")
    return (layers.probabilities(x, classes, params), *auxiliary)


def _auxiliary_classifier(x: Tensor, classes: int, params: Params, name: str) -> Tensor:
    x = keras.layers.AveragePooling2D(5, strides=3, name=f"{name}_average")(x)
    x = _convolution(x, 128, 1, params, f"{name}_1x1")
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.hidden(x, 1024, layers.Style(params.activation, l2=params.l2), f"{name}_fc")
    x = layers.dropout(x, AUXILIARY_DROPOUT, f"{name}_dropout")
    return layers.probabilities(x, classes, params, f"{name}_output")


def _convolution(x: Tensor, filters: int, kernel: int, params: Params, name: str, strides: int = 1) -> Tensor:
    style = layers.Style(params.activation, params.batch_norm, params.l2)
    return layers.convolution(x, filters, kernel, style, name, strides=strides)


def _pool(x: Tensor, name: str, strides: int = 2) -> Tensor:
    return keras.layers.MaxPooling2D(3, strides=strides, padding="same", name=name)(x)
