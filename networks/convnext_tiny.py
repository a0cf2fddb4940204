"""ConvNeXt-Tiny: a residual network with the proportions of a vision transformer.

Blocks of a depthwise 7×7 convolution, layer norm and two dense layers with GELU; 3, 3, 9 and 3 of them with 96, 192,
384 and 768 channels. No batch norm: it suits fine-tuning with small batches.

28,589,128 parameters with the 1,000 classes of ImageNet, on which it reached 81.3 % (top 1). ``darkroom models
convnext_tiny`` lists the layers, which are those of ``keras.applications.ConvNeXtTiny``. The weights (109 MB) are
downloaded once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = "Z. Liu and others, A ConvNet for the 2020s, CVPR 2022, table 9; weights of keras.applications"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 28_589_128
PUBLISHED_MULTIPLY_ADDS = 4_455_531_264
BACKBONE = backbones.Backbone(
    "ConvNeXtTiny",
    "convnext/convnext_tiny.h5",
    "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
    backbones.STANDARD,
    "convnext_tiny_head_dense",
    {"include_preprocessing": False},
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """ConvNeXt-Tiny."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
