"""AlexNet with a single tower.

==========  ============================  ===========  ============================================
layer       kind                          output       parameters (227×227×3 input, 1,000 classes)
==========  ============================  ===========  ============================================
CONV1       96 convolutions 11×11, / 4    55×55×96     34,944
POOL1       max pool 3×3, / 2             27×27×96     –
CONV2       256 convolutions 5×5, same    27×27×256    614,656
POOL2       max pool 3×3, / 2             13×13×256    –
CONV3       384 convolutions 3×3, same    13×13×384    885,120
CONV4       384 convolutions 3×3, same    13×13×384    1,327,488
CONV5       256 convolutions 3×3, same    13×13×256    884,992
POOL5       max pool 3×3, / 2             6×6×256      –
FC6         fully connected, dropout .5   4096         37,752,832
FC7         fully connected, dropout .5   4096         16,781,312
output      softmax                       1000         4,097,000
==========  ============================  ===========  ============================================

62,378,344 parameters; 62,383,848 with ``batch_norm: after``, which the book adds after each convolution. Deviations
from the paper: one tower instead of two sparsely connected ones (60,965,224 parameters); no local response
normalisation; input 227×227, since 224×224 does not yield CONV1's 55×55 output.
"""

from darkroom.networks import (
    Activation,
    BatchNorm,
    Dropout,
    LearningRate,
    NetworkParams,
    Recipes,
    Space,
    Tensor,
    Units,
    keras,
    layers,
)

SOURCE = (
    "A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet classification with deep convolutional neural networks, "
    "NIPS 2012, section 3.5"
)
PUBLISHED_INPUT = (227, 227, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 62_378_344
PUBLISHED_MULTIPLY_ADDS = 1_135_256_096


class Params(NetworkParams):
    """AlexNet."""

    learning_rate: LearningRate = 3e-4
    hidden_units: Units = 4096
    """Units of FC6 and of FC7."""
    activation: Activation = "relu"
    batch_norm: BatchNorm = "none"
    dropout: Dropout = 0.5

    @property
    def smallest_side(self) -> int:
        """Required by an 11×11 convolution with stride 4 and three 3×3 pools with stride 2."""
        return 67


RECIPES: Recipes = {
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
}
SPACE: Space = {"learning": {"learning_rate": {"low": 5e-5, "high": 1e-3, "log": True}}}
# name, filters, kernel, strides, padding, following pool
CONVOLUTIONS = (
    ("CONV1", 96, 11, 4, "valid", "POOL1"),
    ("CONV2", 256, 5, 1, "same", "POOL2"),
    ("CONV3", 384, 3, 1, "same", None),
    ("CONV4", 384, 3, 1, "same", None),
    ("CONV5", 256, 3, 1, "same", "POOL5"),
)
HIDDEN = ("FC6", "FC7")


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    convolved = layers.Style(params.activation, params.batch_norm, params.l2)
    connected = layers.Style(params.activation, l2=params.l2)
    x = inputs
    for name, filters, kernel, strides, padding, pool in CONVOLUTIONS:
        x = layers.convolution(x, filters, kernel, convolved, name, strides=strides, padding=padding)
        if pool:
            x = keras.layers.MaxPooling2D(3, strides=2, name=pool)(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for name in HIDDEN:
        x = layers.hidden(x, params.hidden_units, connected, name)
        x = layers.dropout(x, params.dropout, f"{name}_dropout")
    return layers.probabilities(x, classes, params)
