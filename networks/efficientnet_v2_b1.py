"""EfficientNetV2-B1: fused and inverted residual blocks.

The first three stages have full convolutions in place of depthwise ones (fused), which processors compute faster; the
later ones depthwise convolutions with squeeze-and-excitation, up to 208 channels. The weights were trained on images of
240×240 pixels.

8,212,124 parameters with the 1,000 classes of ImageNet, on which it reached 79.8 % (top 1). ``darkroom models
efficientnet_v2_b1`` lists the layers, which are those of ``keras.applications.EfficientNetV2B1``. The weights (34 MB)
are downloaded once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = (
    "M. Tan, Q. V. Le, EfficientNetV2: smaller models and faster training, ICML 2021; weights of keras.applications"
)
PUBLISHED_INPUT = (240, 240, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 8_212_124
PUBLISHED_MULTIPLY_ADDS = 1_196_819_360
BACKBONE = backbones.Backbone(
    "EfficientNetV2B1",
    "efficientnet_v2/efficientnetv2-b1.h5",
    "069f0534ff22adf035c89e2d9547a9dc",
    backbones.STANDARD,
    "predictions",
    {"include_preprocessing": False},
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """EfficientNetV2-B1."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
