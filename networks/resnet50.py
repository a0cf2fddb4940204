"""ResNet-50: residual network of 50 layers with bottleneck blocks.

A block: 1×1, 3×3 and 1×1 convolutions, the last with four times as many filters, each with batch norm; then the
shortcut is added, then ReLU. In the first block of a stage, the shortcut is a 1×1 convolution with batch norm.

===========  ==============================  ===========  ============================================
layer        kind                            output       parameters (224×224×3 input, 1,000 classes)
===========  ==============================  ===========  ============================================
conv1        64 convolutions 7×7, / 2        112×112×64   9,728
pool1        max pool 3×3, / 2               56×56×64     –
conv2_x      3 blocks of 64, 64, 256         56×56×256    220,032
conv3_x      4 blocks of 128, 128, 512       28×28×512    1,230,336
conv4_x      6 blocks of 256, 256, 1024      14×14×1024   7,129,088
conv5_x      3 blocks of 512, 512, 2048      7×7×2048     14,998,528
avg_pool     global average pool             2048         –
output       softmax                         1000         2,049,000
===========  ==============================  ===========  ============================================

25,636,712 parameters; 23,608,202 (23,555,082 trainable) with 10 classes. As in the paper, sizes are halved in a block's
first 1×1 convolution; unlike there, convolutions have biases. Layer names match ``keras.applications.ResNet50``, whose
weights can be loaded.
"""

from pathlib import Path
from typing import Any, ClassVar

from darkroom.networks import Activation, NetworkParams, Recipes, Space, Tensor, backbones, keras, layers

SOURCE = "K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, table 1"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 25_636_712
PUBLISHED_MULTIPLY_ADDS = 3_857_973_248


class Params(NetworkParams):
    """ResNet-50."""

    on_imagenet: ClassVar[bool] = True

    activation: Activation = "relu"


RECIPES: Recipes = {
    "book": {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "batch_size": 256,
        "epochs": 200,
        "schedule": {"kind": "plateau", "factor": 0.316, "patience": 5},
        "early_stopping": {"patience": 200},
    }
}
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 5e-3, "log": True}}}
# stage, blocks, bottleneck filters
STAGES = (("conv2", 3, 64), ("conv3", 4, 128), ("conv4", 6, 256), ("conv5", 3, 512))
EXPANSION = 4
BATCH_NORM_EPSILON = 1.001e-5


def bottleneck_residual_block(
    x: Tensor, filters: int, strides: int, params: Params, name: str, *, first: bool
) -> Tensor:
    """Add a bottleneck block; in a stage's first block, a 1×1 convolution projects the shortcut."""
    shortcut = _normalised(x, EXPANSION * filters, 1, params, f"{name}_0", strides) if first else x
    for number, kernel in ((1, 1), (2, 3)):
        x = _normalised(x, filters, kernel, params, f"{name}_{number}", strides if number == 1 else 1)
        x = layers.activated(x, params.activation, f"{name}_{number}_{params.activation}")
    x = _normalised(x, EXPANSION * filters, 1, params, f"{name}_3")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.activated(x, params.activation, f"{name}_out")


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = _normalised(x, 64, 7, params, "conv1", 2, "valid")
    x = layers.activated(x, params.activation, f"conv1_{params.activation}")
    x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, blocks, filters in STAGES:
        for block in range(1, blocks + 1):
            strides = 2 if block == 1 and stage != "conv2" else 1
            name = f"{stage}_block{block}"
            x = bottleneck_residual_block(x, filters, strides, params, name, first=block == 1)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return layers.probabilities(x, classes, params)


# Keras's ImageNet weights expect BGR images with the mean colours subtracted, without scaling.
BACKBONE = backbones.Backbone(
    "ResNet50",
    "resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
    "2cb95161c43110f7111970584f804107",
    backbones.CENTRED,
    "predictions",
    bgr="conv1_conv",
)
imagenet_file = BACKBONE.imagenet_file


def imagenet(file: str | Path | None = None, size: tuple[int, int, int] = PUBLISHED_INPUT) -> Any:
    """Return the network with the weights of ``keras.applications``; see ``Backbone.imagenet``."""
    return BACKBONE.imagenet(file, size, lambda inputs: build(inputs, PUBLISHED_CLASSES, Params()))


def _normalised(
    x: Tensor,
    filters: int,
    kernel: int,
    params: Params,
    name: str,
    strides: int = 1,
    padding: str = "same",
) -> Tensor:
    x = layers.bare_convolution(x, filters, kernel, params.l2, f"{name}_conv", strides=strides, padding=padding)
    return keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn")(x)
