"""MobileNetV3-Small: the fastest pretrained network, for processors without a GPU.

Inverted residual blocks with squeeze-and-excitation and hard swish, found by search for the processors of telephones: a
3×3 convolution, 11 blocks from 16 to 96 channels, 576 and 1,024 features.

2,554,968 parameters with the 1,000 classes of ImageNet, on which it reached 67.5 % (top 1). ``darkroom models
mobilenet_v3_small`` lists the layers, which are those of ``keras.applications.MobileNetV3Small``. The weights (10 MB)
are downloaded once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = "A. Howard and others, Searching for MobileNetV3, ICCV 2019, tables 1 and 2; weights of keras.applications"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 2_554_968
PUBLISHED_MULTIPLY_ADDS = 56_510_400
BACKBONE = backbones.Backbone(
    "MobileNetV3Small",
    "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float.h5",
    "8768d4c2e7dee89b9d02b2d03d65d862",
    backbones.MINUS_1_TO_1,
    "logits",
    {"include_preprocessing": False, "dropout_rate": 0},
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """MobileNetV3-Small."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
