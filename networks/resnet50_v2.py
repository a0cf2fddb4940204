"""ResNet-50 V2: residual network with batch norm and ReLU before the convolutions.

Bottleneck blocks as in ``resnet50``, 3, 4, 6 and 3 of them; the sum of block and shortcut passes on unchanged, so that
gradients reach the first layers directly.

25,613,800 parameters with the 1,000 classes of ImageNet, on which it reached 76.0 % (top 1). ``darkroom models
resnet50_v2`` lists the layers, which are those of ``keras.applications.ResNet50V2``. The weights (98 MB) are downloaded
once into Keras' cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = "K. He and others, Identity mappings in deep residual networks, ECCV 2016; weights of keras.applications"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 25_613_800
PUBLISHED_MULTIPLY_ADDS = 3_482_255_360
BACKBONE = backbones.Backbone(
    "ResNet50V2",
    "resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels.h5",
    "3ef43a0b657b3be2300d5770ece849e0",
    backbones.MINUS_1_TO_1,
    "predictions",
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """ResNet-50 V2."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
