"""GoogLeNet: nine inception modules, and two classifiers at its sides that help to train.

A module looks at its input in four ways and puts the results together on depth: 1×1; 1×1 then 3×3; 1×1 then 5×5; a max
pool 3×3 then 1×1.

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

6,998,552 in all (224×224×3 input, 1,000 classes). Each side classifier, behind 4a and 4d, is an average pool 5×5 / 3,
128 convolutions 1×1, 1,024 units with dropout .7 and a softmax: 13,378,280 while training. They train with weight .3
each and are absent from the saved network. Deviation from the paper: no local response normalisation. The book's
notebook leaves out conv2's reduction and adds a hidden layer of 1,000 units (7,995,392).
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import InceptionParams

SOURCE = "C. Szegedy and others, Going deeper with convolutions, CVPR 2015, table 1"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000

# 1×1, reduction before 3×3, 3×3, reduction before 5×5, 5×5, 1×1 after the pool
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


def inception_module(x: keras.KerasTensor, filters: Module, params: InceptionParams, name: str) -> keras.KerasTensor:
    """Look at the same input with 1×1, 3×3, 5×5 and a pool, and put the results together on depth."""
    one, reduce_three, three, reduce_five, five, after_pool = filters

    def convolution(x: keras.KerasTensor, filters: int, kernel: int, part: str) -> keras.KerasTensor:
        return _convolution(x, filters, kernel, params, f"{name}_{part}")

    branches = [
        convolution(x, one, 1, "1x1"),
        convolution(convolution(x, reduce_three, 1, "3x3_reduce"), three, 3, "3x3"),
        convolution(convolution(x, reduce_five, 1, "5x5_reduce"), five, 5, "5x5"),
        convolution(_pool(x, f"{name}_pool", strides=1), after_pool, 1, "pool_1x1"),
    ]
    return keras.layers.Concatenate(name=name)(branches)


def build(inputs: keras.KerasTensor, classes: int, params: InceptionParams) -> tuple[keras.KerasTensor, ...]:
    """Add the layers; see ``darkroom.models.build``."""
    x = _pool(_convolution(inputs, 64, 7, params, "conv1", strides=2), "pool1")
    x = _convolution(_convolution(x, 64, 1, params, "conv2_reduce"), 192, 3, params, "conv2")
    sides = []
    for pool, modules in MODULES.items():
        x = _pool(x, pool)
        for name, filters in modules.items():
            x = inception_module(x, filters, params, name)
            if params.auxiliary and name in AUXILIARY_BEHIND:
                sides.append(_side_classifier(x, classes, params, f"side_{name}"))
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.dropout(x, params.dropout, "dropout")
    return (layers.probabilities(x, classes, params), *sides)


def _side_classifier(x: keras.KerasTensor, classes: int, params: InceptionParams, name: str) -> keras.KerasTensor:
    x = keras.layers.AveragePooling2D(5, strides=3, name=f"{name}_average")(x)
    x = _convolution(x, 128, 1, params, f"{name}_1x1")
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.hidden(x, 1024, params, f"{name}_fc", activation=params.activation)
    x = layers.dropout(x, AUXILIARY_DROPOUT, f"{name}_dropout")
    return layers.probabilities(x, classes, params, f"{name}_output")


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, params: InceptionParams, name: str, strides: int = 1
) -> keras.KerasTensor:
    return layers.convolution(
        x, filters, kernel, params, name, strides=strides, activation=params.activation, batch_norm=params.batch_norm
    )


def _pool(x: keras.KerasTensor, name: str, strides: int = 2) -> keras.KerasTensor:
    return keras.layers.MaxPooling2D(3, strides=strides, padding="same", name=name)(x)
