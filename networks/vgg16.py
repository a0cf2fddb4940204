"""VGG-16: 13 convolutions 3×3 in five blocks, each followed by a max pool.

64, 128, 256, 512 and 512 channels. The paper's two hidden layers of 4,096 units, nine tenths of its weights, are left
out: the last maps are averaged, so that any size of image fits. A teaching example; newer networks are smaller and
better.

15,227,688 parameters with the 1,000 classes of ImageNet, on which it reached 71.3 % (top 1). ``darkroom models vgg16``
lists the layers, which are those of ``keras.applications.VGG16``. The weights (56 MB) are downloaded once into Keras'
cache, or put there: docs/networks.md.
"""

from darkroom.networks import Space, Tensor, backbones

SOURCE = (
    "K. Simonyan, A. Zisserman, Very deep convolutional networks, ICLR 2015, table 1, D; weights of keras.applications"
)
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 15_227_688
PUBLISHED_MULTIPLY_ADDS = 15_347_142_656
BACKBONE = backbones.Backbone(
    "VGG16",
    "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "6d6bbae143d832006294945121d1f1fc",
    backbones.CENTRED,
    None,
    {"include_top": False},
    bgr="block1_conv1",
)
SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
imagenet_file, imagenet = BACKBONE.imagenet_file, BACKBONE.imagenet


class Params(backbones.PretrainedParams):
    """VGG-16."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return BACKBONE.build(inputs, classes, params)
