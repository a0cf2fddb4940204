"""CNN of three pairs of convolutions with batch norm; a pool and dropout after each pair; no hidden layer.

=============  ===========================  ===========  =======================================
layer          kind                         output       parameters (32×32×3 input, 10 classes)
=============  ===========================  ===========  =======================================
conv1, conv2   32 convolutions 3×3, same    32×32×32     1,024, 9,376
pool1          max pool 2×2, dropout .2     16×16×32     –
conv3, conv4   64 convolutions 3×3, same    16×16×64     18,752, 37,184
pool2          max pool 2×2, dropout .3     8×8×64       –
conv5, conv6   128 convolutions 3×3, same   8×8×128      74,368, 148,096
pool3          max pool 2×2, dropout .4     4×4×128      –
output         softmax                      10           20,490
=============  ===========================  ===========  =======================================

Each convolution is followed by ReLU, then by batch norm, whose four values per filter are included: 309,290 parameters,
308,394 of them trainable. Configurable: widths (and thereby depth), activation, position of batch norm, dropout rates,
L2.
"""

from typing import Annotated

from pydantic import Field, model_validator

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
    Widths,
    keras,
    layers,
)

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), sections 4.9 and 4.10"
PUBLISHED_INPUT = (32, 32, 3)
PUBLISHED_CLASSES = 10
PUBLISHED_PARAMETERS = 309_290
PUBLISHED_MULTIPLY_ADDS = 38_653_952


class Params(NetworkParams):
    """Pairs of convolutions with batch norm, pools and dropout."""

    epochs: Count = 25
    optimizer: Optimizer = "muon"
    learning_rate: LearningRate = 5e-3
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.1
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    filters: Widths = (32, 64, 128)
    """Filters of both convolutions, for each pair."""
    activation: Activation = "relu"
    batch_norm: BatchNorm = "after"
    dropout: Annotated[tuple[Dropout, ...], Field(min_length=1)] = (0.0, 0.1, 0.2)
    """Rates after each pair's pool; a single rate applies to all."""

    @model_validator(mode="after")
    def _as_many(self) -> "Params":
        if "dropout" not in self.model_fields_set and len(self.filters) != len(self.dropout):
            self.__dict__["dropout"] = (0.1,)
        if len(self.dropout) not in {1, len(self.filters)}:
            raise ValueError(f"dropout has {len(self.dropout)} rates; set one, or one per pair ({len(self.filters)})")
        return self

    @property
    def smallest_side(self) -> int:
        """Each pool halves the size."""
        return int(2 ** len(self.filters))


RECIPES: Recipes = {
    "book": {
        "optimizer": "rmsprop",
        "learning_rate": 3e-4,
        "batch_size": 64,
        "epochs": 125,
        "schedule": {},
        "dropout": [0.2, 0.3, 0.4],
        "l2": 1e-4,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "augmentation": {"rotation": 15, "shift": 0.1, "horizontal_flip": True},
        "early_stopping": {"patience": 125},
    }
}
SPACE: Space = {"learning": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}}


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    style = layers.Style(params.activation, params.batch_norm, params.l2)
    x = inputs
    rates = layers.repeat(params.dropout, len(params.filters))
    for pair, (filters, rate) in enumerate(zip(params.filters, rates, strict=True), start=1):
        for number in (2 * pair - 1, 2 * pair):
            x = layers.convolution(x, filters, 3, style, f"conv{number}")
        x = keras.layers.MaxPooling2D(2, name=f"pool{pair}")(x)
        x = layers.dropout(x, rate, f"dropout{pair}")
    x = keras.layers.Flatten(name="flatten")(x)
    return layers.probabilities(x, classes, params)
