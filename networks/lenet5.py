"""LeNet-5, as in *Deep Learning for Vision Systems*, section 5.2.

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

61,706 parameters. Deviations from the paper: C1 pads 28×28 images instead of using 32×32; C3 is connected to all maps
of S2; pools have no weights; softmax with cross-entropy replaces the radial basis functions.
"""

from typing import Annotated

from pydantic import Field

from darkroom.networks import (
    ONE_CYCLE,
    Activation,
    Count,
    LearningRate,
    NetworkParams,
    Recipes,
    ScheduleParams,
    Space,
    Tensor,
    keras,
    layers,
)

SOURCE = (
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, "
    "Proceedings of the IEEE 86 (1998), section II.B"
)
PUBLISHED_INPUT = (28, 28, 1)
PUBLISHED_CLASSES = 10
PUBLISHED_PARAMETERS = 61_706
PUBLISHED_MULTIPLY_ADDS = 416_520


class Params(NetworkParams):
    """LeNet-5."""

    epochs: Count = 10
    learning_rate: LearningRate = 3e-3
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: ScheduleParams = ONE_CYCLE
    augment: bool = False
    activation: Activation = "tanh"

    @property
    def smallest_side(self) -> int:
        """C5 needs 5×5 maps, to which C3 and two pools reduce 28×28."""
        return 28


RECIPES: Recipes = {
    "book": {
        "optimizer": "adam",
        "learning_rate": 5e-4,
        "batch_size": 32,
        "epochs": 20,
        "schedule": {"kind": "piecewise", "boundaries": [3, 6, 10], "factors": [0.4, 0.1, 0.02]},
        "weight_decay": 0.0,
        "augment": False,
        "early_stopping": {"patience": 20},
    }
}
SPACE: Space = {"learning": {"learning_rate": {"low": 1e-3, "high": 8e-3, "log": True}}}
# name, filters, kernel, padding, following pool
CONVOLUTIONS = (
    ("C1", 6, 5, "same", "S2"),
    ("C3", 16, 5, "valid", "S4"),
    ("C5", 120, 5, "valid", None),
)
FC6_UNITS = 84


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    style = layers.Style(params.activation, l2=params.l2)
    x = inputs
    for name, filters, kernel, padding, pool in CONVOLUTIONS:
        x = layers.convolution(x, filters, kernel, style, name, padding=padding)
        if pool:
            x = keras.layers.AveragePooling2D(2, name=pool)(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.hidden(x, FC6_UNITS, style, "FC6")
    return layers.probabilities(x, classes, params)
