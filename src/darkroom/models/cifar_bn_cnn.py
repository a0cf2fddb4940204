"""Three pairs of convolutions with batch norm, each pair with a pool and dropout, and no hidden layer.

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

Each convolution is followed by ReLU, then by batch norm, whose 4 numbers for each filter are counted with it: 309,290
in all, of which 308,394 are trained. Widths (and with them the depth), activation, the order of batch norm, dropout
rates and L2 are parameters.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import CifarBnCnnParams

SOURCE = "Deep Learning for Vision Systems (M. Elgendy, 2020), sections 4.9 and 4.10"
PUBLISHED_INPUT = (32, 32, 3)
PUBLISHED_CLASSES = 10


def build(inputs: keras.KerasTensor, classes: int, params: CifarBnCnnParams) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = inputs
    rates = layers.repeated(params.dropout, len(params.filters))
    for pair, (filters, rate) in enumerate(zip(params.filters, rates, strict=True), start=1):
        for number in (2 * pair - 1, 2 * pair):
            x = layers.convolution(
                x, filters, 3, params, f"conv{number}", activation=params.activation, batch_norm=params.batch_norm
            )
        x = keras.layers.MaxPooling2D(2, name=f"pool{pair}")(x)
        x = layers.dropout(x, rate, f"dropout{pair}")
    x = keras.layers.Flatten(name="flatten")(x)
    return layers.probabilities(x, classes, params)
