"""EfficientNetV2-B2: fused and inverted residual blocks.

The first three stages have full convolutions in place of depthwise ones (fused), which processors compute faster; the
later ones depthwise convolutions with squeeze-and-excitation, up to 224 channels. The weights were trained on images of
260×260 pixels.

10,178,374 parameters with the 1,000 classes of ImageNet, on which it reached 80.5 % (top 1). ``darkroom models
efficientnet_v2_b2`` lists the layers, which are those of ``keras.applications.EfficientNetV2B2``. The weights (42 MB)
are downloaded once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = (
    "M. Tan, Q. V. Le, EfficientNetV2: smaller models and faster training, ICML 2021; weights of keras.applications"
)
PUBLISHED_INPUT = (260, 260, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 10_178_374
PUBLISHED_MULTIPLY_ADDS = 1_697_542_832
BACKBONE = backbones.Backbone(
    "EfficientNetV2B2",
    "efficientnet_v2/efficientnetv2-b2.h5",
    "424e49f28180edbde1e94797771950a7",
    backbones.STANDARD,
    "predictions",
    {"include_preprocessing": False},
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """EfficientNetV2-B2."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
