"""A small AlexNet: three convolutions with pools, dropout, one hidden layer, dropout.

==========  ==========================  ===========  =======================================
layer       kind                        output       parameters (32×32×3 input, 10 classes)
==========  ==========================  ===========  =======================================
conv1       16 convolutions 2×2, same   32×32×16     208
pool1       max pool 2×2                16×16×16     –
conv2       32 convolutions 2×2, same   16×16×32     2,080
pool2       max pool 2×2                8×8×32       –
conv3       64 convolutions 2×2, same   8×8×64       8,256
pool3       max pool 2×2                4×4×64       –
dropout1    .3                          4×4×64       –
fc1         fully connected             500          512,500
dropout2    .4                          500          –
output      softmax                     10           5,010
==========  ==========================  ===========  =======================================

528,054 parameters. Configurable: widths (and thereby depth), activation, batch norm, both dropout rates.
"""

from typing import Annotated

from pydantic import Field

from darkroom.networks import (
    ONE_CYCLE,
    Activation,
    BatchNorm,
    Count,
    Decay,
    Dropout,
    LearningRate,
    NetworkParams,
    Recipes,
    ScheduleParams,
    Space,
    Tensor,
    Units,
    Widths,
    keras,
    layers,
)

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), section 3.7"
PUBLISHED_INPUT = (32, 32, 3)
PUBLISHED_CLASSES = 10
PUBLISHED_PARAMETERS = 528_054
PUBLISHED_MULTIPLY_ADDS = 1_762_184


class Params(NetworkParams):
    """Three convolutions with pools, one hidden layer, dropout."""

    epochs: Count = 30
    learning_rate: LearningRate = 3e-3
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    filters: Widths = (16, 32, 64)
    hidden_units: Units = 500
    activation: Activation = "relu"
    dropout_convolutions: Dropout = 0.05
    """Rate after the last pool."""
    dropout_hidden: Dropout = 0.3
    """Rate after the hidden layer."""
    batch_norm: BatchNorm = "none"

    @property
    def smallest_side(self) -> int:
        """Each pool halves the size."""
        return int(2 ** len(self.filters))


RECIPES: Recipes = {
    "book": {
        "optimizer": "rmsprop",
        "learning_rate": 1e-3,
        "batch_size": 32,
        "epochs": 100,
        "schedule": {},
        "dropout_convolutions": 0.3,
        "dropout_hidden": 0.4,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "augment": False,
        "early_stopping": {"patience": 100},
    }
}
SPACE: Space = {"learning": {"learning_rate": {"low": 5e-4, "high": 1e-2, "log": True}}}
KERNEL = 2


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    style = layers.Style(params.activation, params.batch_norm, params.l2)
    x = inputs
    for number, filters in enumerate(params.filters, start=1):
        x = layers.convolution(x, filters, KERNEL, style, f"conv{number}")
        x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.dropout(x, params.dropout_convolutions, "dropout1")
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.hidden(x, params.hidden_units, style, "fc1")
    x = layers.dropout(x, params.dropout_hidden, "dropout2")
    return layers.probabilities(x, classes, params)
