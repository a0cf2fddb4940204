"""EfficientNetV2-B3: fused and inverted residual blocks.

The first three stages have full convolutions in place of depthwise ones (fused), which processors compute faster; the
later ones depthwise convolutions with squeeze-and-excitation, up to 232 channels. The weights were trained on images of
300×300 pixels.

14,467,622 parameters with the 1,000 classes of ImageNet, on which it reached 82.0 % (top 1). ``darkroom models
efficientnet_v2_b3`` lists the layers, which are those of ``keras.applications.EfficientNetV2B3``. The weights (59 MB)
are downloaded once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = (
    "M. Tan, Q. V. Le, EfficientNetV2: smaller models and faster training, ICML 2021; weights of keras.applications"
)
PUBLISHED_INPUT = (300, 300, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 14_467_622
PUBLISHED_MULTIPLY_ADDS = 3_011_458_816
BACKBONE = backbones.Backbone(
    "EfficientNetV2B3",
    "efficientnet_v2/efficientnetv2-b3.h5",
    "1f1fc43bd98a6e4fd8fdfd551e02c7a0",
    backbones.STANDARD,
    "predictions",
    {"include_preprocessing": False},
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """EfficientNetV2-B3."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
