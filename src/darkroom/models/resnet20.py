"""The residual network for small images, of depth 6 × ``blocks`` + 2.

A block: convolution 3×3, ReLU, convolution 3×3, add the shortcut, ReLU: relu(f(x) + x), the shortcut before the
activation.

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

274,442 in all, 273,066 trained. As the book builds it: convolutions with a bias, and where the size changes a shortcut
of one 1×1 convolution with a bias and without batch norm. The paper's has neither biases nor, on small images,
convolutions in its shortcuts. Blocks a stage, width, activation and L2 are parameters.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import Resnet20Params

SOURCE = "K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, section 4.2"
PUBLISHED_INPUT = (32, 32, 3)
PUBLISHED_CLASSES = 10

STAGES = ("conv2", "conv3", "conv4")


def residual_block(
    x: keras.KerasTensor, filters: int, strides: int, params: Resnet20Params, name: str
) -> keras.KerasTensor:
    """Add two convolutions to their own input."""
    convolved = layers.convolution(
        x, filters, 3, params, f"{name}_1", strides=strides, activation=params.activation, batch_norm="before"
    )
    convolved = layers.bare_convolution(convolved, filters, 3, params, f"{name}_2")
    convolved = keras.layers.BatchNormalization(name=f"{name}_2_bn")(convolved)
    if strides > 1:
        x = layers.bare_convolution(x, filters, 1, params, f"{name}_shortcut", strides=strides)
    x = keras.layers.Add(name=f"{name}_add")([convolved, x])
    return layers.activated(x, params.activation, f"{name}_out")


def build(inputs: keras.KerasTensor, classes: int, params: Resnet20Params) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = layers.convolution(inputs, params.width, 3, params, "conv1", activation=params.activation, batch_norm="before")
    for number, stage in enumerate(STAGES):
        for block in range(1, params.blocks + 1):
            strides = 2 if number and block == 1 else 1
            x = residual_block(x, params.width * 2**number, strides, params, f"{stage}_{block}")
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return layers.probabilities(x, classes, params)
