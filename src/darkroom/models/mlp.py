"""The fully connected network: flatten, hidden layers, softmax.

=============  ==========  =======================================
layer          units       parameters (28×28×1 input, 10 classes)
=============  ==========  =======================================
flatten        784         –
fc1            512         401,920
fc2            512         262,656
output         10          5,130
=============  ==========  =======================================

669,706 in all. Number and width of the hidden layers, activation, batch norm and dropout are parameters.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import MlpParams

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), section 2"
PUBLISHED_INPUT = (28, 28, 1)
PUBLISHED_CLASSES = 10


def build(inputs: keras.KerasTensor, classes: int, params: MlpParams) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = keras.layers.Flatten(name="flatten")(inputs)
    for number, units in enumerate(params.hidden_units, start=1):
        name = f"fc{number}"
        x = layers.hidden(x, units, params, name, activation=params.activation, batch_norm=params.batch_norm)
        x = layers.dropout(x, params.dropout, f"dropout{number}")
    return layers.probabilities(x, classes, params)
