"""Multilayer perceptron: flatten, fully connected hidden layers, softmax.

=============  ==========  =======================================
layer          units       parameters (28×28×1 input, 10 classes)
=============  ==========  =======================================
flatten        784         –
fc1            512         401,920
fc2            512         262,656
output         10          5,130
=============  ==========  =======================================

669,706 parameters. Configurable: number and width of the hidden layers, activation, batch norm, dropout.
"""

from darkroom.networks import Activation, BatchNorm, Dropout, NetworkParams, Space, Tensor, Widths, keras, layers

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), section 2"
PUBLISHED_INPUT = (28, 28, 1)
PUBLISHED_CLASSES = 10
PUBLISHED_PARAMETERS = 669_706
PUBLISHED_MULTIPLY_ADDS = 668_672


class Params(NetworkParams):
    """Fully connected layers on the flattened image."""

    hidden_units: Widths = (512, 512)
    activation: Activation = "relu"
    dropout: Dropout = 0.0
    batch_norm: BatchNorm = "none"


SPACE: Space = {"learning": {"learning_rate": {"low": 3e-4, "high": 5e-3, "log": True}}}


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    style = layers.Style(params.activation, params.batch_norm, params.l2)
    x = keras.layers.Flatten(name="flatten")(inputs)
    for number, units in enumerate(params.hidden_units, start=1):
        name = f"fc{number}"
        x = layers.hidden(x, units, style, name)
        x = layers.dropout(x, params.dropout, f"dropout{number}")
    return layers.probabilities(x, classes, params)
