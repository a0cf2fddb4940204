"""Multinomial logistic regression on the frozen features of EfficientNet-Lite0: the baseline for photographs.

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
unit      features / their Euclidean norm              1280         –
output    softmax                                      1000         1,281,000
========  ===========================================  ===========  ============================================

All layers but the last are those of EfficientNet-Lite0, and frozen. 4,694,024 parameters; the fit changes those
of the layer ``output`` alone. L-BFGS finds the one minimum of the cross-entropy with an L2 penalty, which is chosen on
the validation images (``training/logistic.py``): there is nothing else to set, and nothing random. Features of unit
length were better than raw or standardised ones, most of all with few images a class (docs/photographs.md). A network
that is not better than this one is not worth its training.
"""

from pathlib import Path
from typing import Any, ClassVar

from darkroom.networks import NetworkParams, Optimizer, Space, Tensor, Trainable, efficientnet_lite, keras, layers

SOURCE = (
    "D. R. Cox, The regression analysis of binary sequences, 1958; features: M. Tan, Q. V. Le, EfficientNet, ICML "
    "2019, and R. Liu, EfficientNet-Lite, 2020"
)
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 4_694_024
PUBLISHED_MULTIPLY_ADDS = 385_187_552


class Params(NetworkParams):
    """Logistic regression on frozen features."""

    on_imagenet: ClassVar[bool] = True

    initial_weights: str | None = "imagenet"
    trainable: Trainable = "head"
    augment: bool = False
    optimizer: Optimizer = "lbfgs"


SPACE: Space = {}
NETWORK = efficientnet_lite.LITE0


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    x = keras.layers.UnitNormalization(name="unit")(NETWORK.features(inputs, params.l2))
    return layers.probabilities(x, classes, params)


def imagenet_file() -> Path:
    """Return the path of the published ImageNet weights; see ``Lite.imagenet_file``."""
    return NETWORK.imagenet_file()


def imagenet(size: tuple[int, int, int] = PUBLISHED_INPUT) -> Any:
    """Return the network with the published ImageNet weights; see ``Lite.imagenet``."""
    return NETWORK.imagenet(size, lambda x: build(x, PUBLISHED_CLASSES, Params()))
