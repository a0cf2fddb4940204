"""Two convolutions with pools and one hidden layer.

Source: *Deep Learning for Vision Systems* (M. Elgendy, 2020), section 3.4.

==========  ==========================  ===========  =======================================
layer       kind                        output       parameters (28×28×1 input, 10 classes)
==========  ==========================  ===========  =======================================
conv1       32 convolutions 3×3, same   28×28×32     320
pool1       max pool 2×2                14×14×32     –
conv2       64 convolutions 3×3, same   14×14×64     18,496
pool2       max pool 2×2                7×7×64       –
fc1         fully connected             64           200,768
output      softmax                     10           650
==========  ==========================  ===========  =======================================

220,234 in all. Activation and dropout before the output are parameters.
"""

from darkroom.backend import keras
from darkroom.params import MnistCnnParams

# filters of each convolution; all are 3×3 and followed by a max pool of 2×2
FILTERS = (32, 64)
HIDDEN_UNITS = 64


def build(inputs: keras.KerasTensor, classes: int, params: MnistCnnParams) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = inputs
    for number, filters in enumerate(FILTERS, start=1):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation=params.activation, name=f"conv{number}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(HIDDEN_UNITS, activation=params.activation, name="fc1")(x)
    if params.dropout:
        x = keras.layers.Dropout(params.dropout, name="dropout")(x)
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="output")(x)
