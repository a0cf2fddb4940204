"""The smaller version of AlexNet: three convolutions with pools, dropout, one hidden layer, dropout.

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

528,054 in all. Widths (and with them the depth), activation, batch norm and both dropout rates are parameters.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import CifarCnnParams

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), section 3.7"
PUBLISHED_INPUT = (32, 32, 3)
PUBLISHED_CLASSES = 10

KERNEL = 2


def build(inputs: keras.KerasTensor, classes: int, params: CifarCnnParams) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = inputs
    for number, filters in enumerate(params.filters, start=1):
        x = layers.convolution(
            x, filters, KERNEL, params, f"conv{number}", activation=params.activation, batch_norm=params.batch_norm
        )
        x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.dropout(x, params.dropout_convolutions, "dropout1")
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.hidden(x, params.hidden_units, params, "fc1", activation=params.activation, batch_norm=params.batch_norm)
    x = layers.dropout(x, params.dropout_hidden, "dropout2")
    return layers.probabilities(x, classes, params)
