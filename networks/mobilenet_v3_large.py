"""MobileNetV3-Large: a fast pretrained network, for processors without a GPU.

Inverted residual blocks with squeeze-and-excitation and hard swish, found by search for the processors of telephones: a
3×3 convolution, 15 blocks from 16 to 160 channels, 960 and 1,280 features.

5,507,432 parameters with the 1,000 classes of ImageNet, on which it reached 75.2 % (top 1). ``darkroom models
mobilenet_v3_large`` lists the layers, which are those of ``keras.applications.MobileNetV3Large``. The weights (22 MB)
are downloaded once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = "A. Howard and others, Searching for MobileNetV3, ICCV 2019, tables 1 and 2; weights of keras.applications"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 5_507_432
PUBLISHED_MULTIPLY_ADDS = 216_589_760
BACKBONE = backbones.Backbone(
    "MobileNetV3Large",
    "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float.h5",
    "59e551e166be033d707958cf9e29a6a7",
    backbones.MINUS_1_TO_1,
    "logits",
    {"include_preprocessing": False, "dropout_rate": 0},
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """MobileNetV3-Large."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
