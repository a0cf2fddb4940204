"""CNN of two convolutions with pools and one hidden layer.

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

220,234 parameters. Configurable: widths (and thereby depth), activation, batch norm, dropout before the output.
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
    Optimizer,
    Recipes,
    ScheduleParams,
    Space,
    Tensor,
    Units,
    Widths,
    keras,
    layers,
)

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), section 3.4"
PUBLISHED_INPUT = (28, 28, 1)
PUBLISHED_CLASSES = 10
PUBLISHED_PARAMETERS = 220_234
PUBLISHED_MULTIPLY_ADDS = 4_039_808


class Params(NetworkParams):
    """Convolutions with pools, one hidden layer."""

    epochs: Count = 12
    optimizer: Optimizer = "muon"
    learning_rate: LearningRate = 5e-3
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.1
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    filters: Widths = (32, 64)
    hidden_units: Units = 64
    activation: Activation = "relu"
    dropout: Dropout = 0.0
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
        "epochs": 12,
        "schedule": {},
        "dropout": 0.0,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "augment": False,
        "early_stopping": {"patience": 12},
    }
}
SPACE: Space = {"learning": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}}


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    style = layers.Style(params.activation, params.batch_norm, params.l2)
    x = inputs
    for number, filters in enumerate(params.filters, start=1):
        x = layers.convolution(x, filters, 3, style, f"conv{number}")
        x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.hidden(x, params.hidden_units, style, "fc1")
    x = layers.dropout(x, params.dropout, "dropout")
    return layers.probabilities(x, classes, params)
