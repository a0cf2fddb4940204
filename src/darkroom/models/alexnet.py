"""AlexNet, as one tower.

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

62,378,344 in all; 62,383,848 with ``batch_norm: after``, which the book adds after each convolution. Deviations from
the paper: one tower instead of two that share little (60,965,224); no local response normalisation; 227×227, since 224
does not give 55 places for CONV1.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import AlexnetParams

SOURCE = (
    "A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet classification with deep convolutional neural networks, "
    "NIPS 2012, section 3.5"
)
PUBLISHED_INPUT = (227, 227, 3)
PUBLISHED_CLASSES = 1000

# name, filters, kernel, strides, padding, pool that follows
CONVOLUTIONS = (
    ("CONV1", 96, 11, 4, "valid", "POOL1"),
    ("CONV2", 256, 5, 1, "same", "POOL2"),
    ("CONV3", 384, 3, 1, "same", None),
    ("CONV4", 384, 3, 1, "same", None),
    ("CONV5", 256, 3, 1, "same", "POOL5"),
)
HIDDEN = ("FC6", "FC7")


def build(inputs: keras.KerasTensor, classes: int, params: AlexnetParams) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = inputs
    for name, filters, kernel, strides, padding, pool in CONVOLUTIONS:
        x = layers.convolution(
            x,
            filters,
            kernel,
            params,
            name,
            activation=params.activation,
            strides=strides,
            padding=padding,
            batch_norm=params.batch_norm,
        )
        if pool:
            x = keras.layers.MaxPooling2D(3, strides=2, name=pool)(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for name in HIDDEN:
        x = layers.hidden(x, params.hidden_units, params, name, activation=params.activation)
        x = layers.dropout(x, params.dropout, f"{name}_dropout")
    return layers.probabilities(x, classes, params)
