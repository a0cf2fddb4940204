"""LeNet-5.

As drawn in *Deep Learning for Vision Systems*, section 5.2.

========  ==========================  ===========  =======================================
layer     kind                        output       parameters (28×28×1 input, 10 classes)
========  ==========================  ===========  =======================================
C1        6 convolutions 5×5, same    28×28×6      156
S2        average pool 2×2            14×14×6      –
C3        16 convolutions 5×5         10×10×16     2,416
S4        average pool 2×2            5×5×16       –
C5        120 convolutions 5×5        1×1×120      48,120
FC6       fully connected             84           10,164
output    softmax                     10           850
========  ==========================  ===========  =======================================

61,706 in all. Deviations from the paper: C1 pads 28×28 images instead of taking 32×32; C3 sees all maps of S2; the
pools have no weights of their own; softmax with cross-entropy takes the place of the radial basis functions.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import Lenet5Params

SOURCE = (
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, "
    "Proceedings of the IEEE 86 (1998), section II.B"
)
PUBLISHED_INPUT = (28, 28, 1)
PUBLISHED_CLASSES = 10

# name, filters, kernel, padding, pool that follows
CONVOLUTIONS = (
    ("C1", 6, 5, "same", "S2"),
    ("C3", 16, 5, "valid", "S4"),
    ("C5", 120, 5, "valid", None),
)
FC6_UNITS = 84


def build(inputs: keras.KerasTensor, classes: int, params: Lenet5Params) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = inputs
    for name, filters, kernel, padding, pool in CONVOLUTIONS:
        x = layers.convolution(x, filters, kernel, params, name, activation=params.activation, padding=padding)
        if pool:
            x = keras.layers.AveragePooling2D(2, name=pool)(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.hidden(x, FC6_UNITS, params, "FC6", activation=params.activation)
    return layers.probabilities(x, classes, params)
