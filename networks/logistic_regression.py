"""Multinomial logistic regression on the frozen features of EfficientNet-Lite0: the baseline for photographs.

========  ===========================================  ===========  ============================================
layer     kind                                         output       parameters (224×224×3 input, 1,000 classes)
========  ===========================================  ===========  ============================================
features  EfficientNet-Lite0 up to its average pool    1280         3,413,024, frozen
unit      features / their Euclidean norm              1280         –
output    softmax                                      1000         1,281,000
========  ===========================================  ===========  ============================================

4,694,024 parameters, of which the fit changes those of the layer ``output`` alone. L-BFGS finds the one minimum of the
cross-entropy with an L2 penalty, which is chosen on the validation images (``training/logistic.py``): there is nothing
else to set, and nothing random. Features of unit length were better than raw or standardised ones, most of all with few
images a class (docs/photographs.md). A network that is not better than this one is not worth its training.
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
