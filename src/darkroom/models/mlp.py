"""The fully connected network: flatten, hidden layers, softmax.

Source: *Deep Learning for Vision Systems* (M. Elgendy, 2020), section 2.

=============  ==========  =======================================
layer          units       parameters (28×28×1 input, 10 classes)
=============  ==========  =======================================
flatten        784         –
fc1            512         401,920
fc2            512         262,656
output         10          5,130
=============  ==========  =======================================

669,706 in all. Number and width of the hidden layers, activation and dropout are parameters.
"""

from darkroom.backend import keras
from darkroom.params import MlpParams


def build(inputs: keras.KerasTensor, classes: int, params: MlpParams) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = keras.layers.Flatten(name="flatten")(inputs)
    for number, units in enumerate(params.hidden_units, start=1):
        x = keras.layers.Dense(units, activation=params.activation, name=f"fc{number}")(x)
        if params.dropout:
            x = keras.layers.Dropout(params.dropout, name=f"dropout{number}")(x)
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="output")(x)
