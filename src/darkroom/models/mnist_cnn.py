"""Two convolutions with pools and one hidden layer.

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

220,234 in all. Widths (and with them the depth), activation, batch norm and dropout before the output are parameters.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import MnistCnnParams

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), section 3.4"
PUBLISHED_INPUT = (28, 28, 1)
PUBLISHED_CLASSES = 10


def build(inputs: keras.KerasTensor, classes: int, params: MnistCnnParams) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = inputs
    for number, filters in enumerate(params.filters, start=1):
        x = layers.convolution(
            x, filters, 3, params, f"conv{number}", activation=params.activation, batch_norm=params.batch_norm
        )
        x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.hidden(x, params.hidden_units, params, "fc1", activation=params.activation, batch_norm=params.batch_norm)
    x = layers.dropout(x, params.dropout, "dropout")
    return layers.probabilities(x, classes, params)
