"""EfficientNetV2-B0: fused and inverted residual blocks.

The first three stages have full convolutions in place of depthwise ones (fused), which processors compute faster; the
later ones depthwise convolutions with squeeze-and-excitation, up to 192 channels. The weights were trained on images of
224×224 pixels.

7,200,312 parameters with the 1,000 classes of ImageNet, on which it reached 78.7 % (top 1). ``darkroom models
efficientnet_v2_b0`` lists the layers, which are those of ``keras.applications.EfficientNetV2B0``. The weights (29 MB)
are downloaded once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = (
    "M. Tan, Q. V. Le, EfficientNetV2: smaller models and faster training, ICML 2021; weights of keras.applications"
)
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 7_200_312
PUBLISHED_MULTIPLY_ADDS = 718_086_176
BACKBONE = backbones.Backbone(
    "EfficientNetV2B0",
    "efficientnet_v2/efficientnetv2-b0.h5",
    "21ecbf6da12460d5c40bb2f29ceb2188",
    backbones.STANDARD,
    "predictions",
    {"include_preprocessing": False},
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """EfficientNetV2-B0."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
