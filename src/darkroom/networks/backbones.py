"""Networks of ``keras.applications`` with ImageNet weights; their files in ``networks/`` describe them.

The layers up to the last hidden one are Keras' own, built without Keras' scaling of pixels: the scaling that the
weights expect becomes the layer ``normalise``, as in every network, so that it is saved and packaged with them.
Dropout and the layer ``output`` follow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line, of_machine
from darkroom.networks import layers
from darkroom.networks.lazy import Tensor, keras
from darkroom.networks.published_file import PublishedFile
from darkroom.params.network import NetworkParams
from darkroom.params.network_fields import Dropout, Trainable

IMAGENET_CLASSES = 1000
SMALLEST_SIDE = 32
"""Pixels; Keras refuses smaller images."""
KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"


class PretrainedParams(NetworkParams):
    """Parameters of a network that starts from ImageNet weights."""

    on_imagenet: ClassVar[bool] = True

    initial_weights: str | None = "imagenet"
    trainable: Trainable = "head"
    augment: bool = False
    """Without augmentation, the features of the frozen layers are computed once."""
    dropout: Dropout = 0.2
    """Before the last layer."""

    @property
    def smallest_side(self) -> int:
        """The smallest height and width that Keras accepts."""
        return SMALLEST_SIDE


@dataclass(frozen=True)
class Scaling:
    """Scale and offset of red, green and blue from 0 to 255, as the weights expect them."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


MINUS_1_TO_1 = Scaling((1 / 127.5,) * 3, (-1.0,) * 3)
STANDARD = Scaling(
    (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)
)
"""Zero mean and unit variance over ImageNet."""
CENTRED = Scaling((1.0,) * 3, (-123.68, -116.779, -103.939))
"""ImageNet's mean colour subtracted."""


@dataclass(frozen=True)
class Backbone:
    """A network of ``keras.applications``."""

    application: str
    """Name of the function in ``keras.applications``."""
    file: str
    """Place of the published weights below ``KERAS``."""
    digest: str
    """See ``PublishedFile``."""
    scaling: Scaling
    classifier: str | None
    """Keras' layer with a unit per class, which ``output`` replaces; None without one in the published file, then the
    last maps are averaged."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the function."""
    bgr: str | None = None
    """First convolution, if its published kernel expects blue, green, red; it is turned round."""

    @property
    def weights(self) -> PublishedFile:
        """The published weights."""
        return PublishedFile(f"{KERAS}/{self.file}", self.digest)

    def build(self, inputs: Tensor, classes: int, params: PretrainedParams) -> Tensor:
        """Add the layers; see ``darkroom.networks.build``."""
        made = self._keras(None, inputs)
        if params.l2:
            _penalise(made.layers, params.l2)
        x = made.get_layer(self.classifier).input if self.classifier else made.output
        if len(x.shape) > 2:  # noqa: PLR2004 - maps, also of 1×1
            x = keras.layers.GlobalAveragePooling2D(name="average")(x)
        return layers.probabilities(layers.dropout(x, params.dropout, "dropout"), classes, params)

    def imagenet_file(self) -> Path:
        """Return the path of the published weights; see ``PublishedFile.find``."""
        return self.weights.find()

    def imagenet(
        self,
        file: str | Path | None = None,
        size: tuple[int, int, int] = (224, 224, 3),
        build: Callable[[Tensor], Tensor] | None = None,
    ) -> Any:
        """Return the network with ImageNet weights.

        Args:
            file: a file of weights that Keras wrote for this network (HDF5); None for the published one.
            size: height, width and channels of the images.
            build: adds layers of the same names; None adds Keras' own.

        Returns:
            A Keras model that accepts uint8 images, with the scaling included. Without a classifier in the file, the
            last layer has random weights.

        Raises:
            InputError: the file cannot be had, is damaged or has the weights of another network.
        """
        path = Path(file) if file is not None else self.imagenet_file()
        published = self._read(path)
        inputs = keras.Input(size, dtype="uint8", name="image")
        scale, offset = list(self.scaling.scale), list(self.scaling.offset)
        normalised = keras.layers.Rescaling(scale, offset, dtype="float32", name="normalise")(inputs)
        outputs = build(normalised) if build else self.build(normalised, IMAGENET_CLASSES, PretrainedParams())
        model = keras.Model(inputs, outputs, name=self.application)
        for layer in published.layers:
            if layer.weights:
                own = model.get_layer("output" if layer.name == self.classifier else layer.name)
                # A classifier that is a 1×1 convolution has the weights of a dense layer in another shape.
                shapes = [weight.shape for weight in own.weights]
                given = [weight.reshape(shape) for weight, shape in zip(layer.get_weights(), shapes, strict=True)]
                own.set_weights([given[0][:, :, ::-1], *given[1:]] if layer.name == self.bgr else given)
        return model

    def _keras(self, weights: str | None, inputs: Tensor | None = None) -> Any:
        make = getattr(keras.applications, self.application)
        if inputs is None:
            return make(weights=weights, **self.options)
        return make(weights=weights, input_tensor=inputs, input_shape=tuple(inputs.shape[1:]), **self.options)

    def _read(self, path: Path) -> Any:
        try:
            return self._keras(str(path))
        except Exception as error:  # h5py and Keras raise anything on damaged files
            if of_machine(error):
                raise
            raise InputError(
                f"{path} is damaged or has the weights of another network than keras.applications.{self.application} "
                f"({first_line(error)}); the published file is {self.weights.url}"
            ) from None


def _penalise(made: Any, l2: float) -> None:
    """Add an L2 penalty to the kernels of convolutions and dense layers, which Keras builds without one."""
    for layer in made:
        if isinstance(layer, keras.Sequential):
            _penalise(layer.layers, l2)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            # The variable's regularizer counts in training, the layer's is for its configuration.
            layer.kernel.regularizer = layer.kernel_regularizer = layers.penalty(l2)
