"""The documented networks as params.yaml sees them: what may be chosen for each.

The defaults of a network are its default recipe; ``recipes.py`` has others. Nothing heavy is imported here.
"""

import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from darkroom.errors import InputError
from darkroom.sections import AugmentationParams, Count, Name, Section

Network = Literal[
    "mlp", "mnist_cnn", "cifar_cnn", "cifar_bn_cnn", "lenet5", "alexnet", "inception", "resnet20", "resnet50"
]
NETWORKS: tuple[Network, ...] = typing.get_args(Network)

SMALL_DATA = 2000
"""Images below which ``batch_size: auto`` takes all of them in one step."""

Optimizer = Literal["sgd", "adam", "rmsprop", "muon"]
Factor = Annotated[float, Field(gt=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Units = Annotated[int, Field(ge=1, le=65536)]
Widths = Annotated[tuple[Units, ...], Field(min_length=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
BatchNorm = Literal["none", "before", "after"]
"""Whether values are normalised over the batch, and whether before or after the activation."""


def _no_step(name: Any) -> Any:
    if name == "step":
        raise ValueError("should be a function with a slope: step's gradient is 0, so that nothing is learnt")
    return name


Activation = Annotated[Literal["relu", "leaky_relu", "tanh", "sigmoid"], BeforeValidator(_no_step)]
"""Of hidden layers; ``leaky_relu`` with a slope of .01. ``step`` can be drawn and taught with, not trained."""


def _batch_size(value: Any) -> int | str:
    if value in {"full", "auto"} or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return typing.cast("int | str", value)
    raise ValueError("should be a whole number from 1 on, full or auto")


BatchSize = Annotated[int | str, PlainValidator(_batch_size)]
"""Images in one step: a number, ``full`` (all of them), or ``auto``: all of fewer than 2,000, else 64."""

# Which parameters an optimizer or a schedule reads; one that is set for another is a mistake.
OPTIMIZER_PARAMS = {
    "sgd": {"momentum", "nesterov"},
    "adam": {"beta_1", "beta_2", "epsilon"},
    "muon": {"momentum", "nesterov"},
    "rmsprop": {"momentum", "rho", "epsilon"},
}
SCHEDULE_PARAMS = {
    "constant": set[str](),
    "step": {"factor", "every"},
    "piecewise": {"boundaries", "factors"},
    "linear": {"factor", "every"},
    "exponential": {"factor", "every"},
    "cosine": {"factor"},
    "one_cycle": {"factor", "warmup"},
    "plateau": {"factor", "patience", "growth"},
}


def _refuse_foreign(section: Section, kind: str, readers: Mapping[str, set[str]]) -> None:
    """Refuse a parameter that was set although the chosen kind does not read it."""
    for name in sorted(section.model_fields_set & set().union(*readers.values()) - readers[kind]):
        *others, last = (reader for reader, names in readers.items() if name in names)
        users = f"{', '.join(others)} and {last}" if others else last
        raise ValueError(f"{name} is of {users}, and {kind} was chosen; take {name} out, or choose another")


class ScheduleParams(Section):
    """How the learning rate changes in the course of a training; see ``schedules.py`` for the formulas."""

    kind: Literal["constant", "step", "piecewise", "linear", "exponential", "cosine", "one_cycle", "plateau"] = (
        "constant"
    )
    factor: Factor = 0.1
    """``step``, ``exponential`` and ``plateau`` multiply by this; the others end at this share of the rate."""
    every: Count = 10
    """Epochs between two changes of ``step``; in which ``exponential`` falls by ``factor``; of one step of ``linear``
    (which by default falls with each epoch)."""
    boundaries: tuple[Count, ...] = ()
    """Epochs, counted from 1, after which ``piecewise`` changes the rate."""
    factors: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """The share of the rate after each of them."""
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of the training in which ``one_cycle`` rises to the rate."""
    patience: Count = 5
    """Epochs without, or with nothing but, improvement after which ``plateau`` acts."""
    growth: Annotated[float, Field(ge=1, le=10)] = 1.0
    """What ``plateau`` multiplies the rate by when every one of ``patience`` epochs was an improvement."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ScheduleParams":
        _refuse_foreign(self, self.kind, SCHEDULE_PARAMS)
        if self.kind == "piecewise" and not (
            self.boundaries
            and len(self.boundaries) == len(self.factors)
            and sorted(set(self.boundaries)) == list(self.boundaries)
        ):
            raise ValueError("piecewise needs boundaries that rise, and one of factors for each; correct them")
        return self


ONE_CYCLE = ScheduleParams(kind="one_cycle", factor=0.01)


class EarlyStoppingParams(Section):
    """Stop when the validation loss, or accuracy, no longer gets better; the best weights are restored in any case."""

    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    patience: Count = 20
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class NetworkParams(Section):
    """What every network's training has in common."""

    recipe: Name = "default"
    """Whose values stand where a section says nothing: those below, or one of ``recipes.py``."""
    epochs: Count = 30
    batch_size: BatchSize = 64
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 1e-3
    momentum: Decay = 0.0
    """Of ``sgd``, ``rmsprop`` and ``muon``, which takes 0.95 for 0; ``adam`` has its own."""
    nesterov: bool = False
    beta_1: Decay = 0.9
    beta_2: Decay = 0.999
    rho: Decay = 0.9
    epsilon: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Null takes 1e-8 for ``adam``, as its paper has it, and 1e-7 for ``rmsprop``, as Keras has it."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each kernel that is taken off in a step, times the learning rate (decoupled; AdamW, SGDW)."""
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """Length to which the gradient is cut; 0 cuts nothing."""
    schedule: ScheduleParams = ScheduleParams(kind="cosine", factor=0.05)
    early_stopping: EarlyStoppingParams = EarlyStoppingParams()
    loss: Literal["cross_entropy", "mean_squared_error"] = "cross_entropy"
    label_smoothing: Decay = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    output: Literal["softmax", "sigmoid"] = "softmax"
    """``sigmoid``: one unit, for two classes; it gives the probability of the second one."""
    l2: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Penalty on the squares of all kernels but the last layer's, added to the training loss."""
    initial_weights: Name | None = None
    """What to begin with instead of chance: a file that Darkroom saved, an address ``models:/…``, or ``imagenet``. The
    scaling of images that those weights expect comes with them."""
    trainable: Annotated[str, Field(pattern=r"^(all|head|last [1-9]\d*)$")] = "all"
    """What of such a network learns: ``all``, ``head`` (the last layer), or ``last N`` of the layers with weights."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the training's arithmetic. Weights, probabilities and the saved network are float32."""
    augment: bool = True
    """Whether training images are varied."""
    augmentation: AugmentationParams | None = None
    """How; null takes ``preprocess.augmentation``."""

    @model_validator(mode="after")
    def _fits_together(self) -> "NetworkParams":
        _refuse_foreign(self, self.optimizer, OPTIMIZER_PARAMS)
        if self.optimizer != type(self).model_fields["optimizer"].default:
            # A network's defaults go with its own optimizer: sgd's momentum of .9 is not meant for rmsprop.
            for name in {"weight_decay"}.union(*OPTIMIZER_PARAMS.values()) - self.model_fields_set:
                self.__dict__[name] = NetworkParams.model_fields[name].default
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum; give momentum, such as 0.9")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError(f"label_smoothing is of cross_entropy, and loss {self.loss} was chosen; take one of them")
        if self.initial_weights == "imagenet" and not self.on_imagenet:
            raise ValueError("initial_weights imagenet are not published for this network; resnet50 has them")
        if self.trainable != "all" and self.initial_weights is None:
            raise ValueError(f"trainable {self.trainable} needs initial_weights: chance is nothing to keep; name them")
        if self.augmentation is not None and not self.augment:
            raise ValueError("augmentation is given, and augment is false; take one of them")
        schedule, stopping = self.schedule, self.early_stopping
        never_acts = schedule.kind == "plateau" and schedule.growth == 1 and schedule.patience >= stopping.patience
        if never_acts and stopping.monitor == "val_loss":
            raise ValueError(
                f"schedule.patience {schedule.patience} never acts before early_stopping.patience {stopping.patience} "
                "ends the training; make it smaller"
            )
        return self

    on_imagenet: ClassVar[bool] = False
    """Whether Keras publishes weights of this network."""

    @property
    def smallest_side(self) -> int:
        """The smallest height and width that leave at least one pixel after the last layer."""
        return 1


class MlpParams(NetworkParams):
    """Fully connected layers on the flattened image."""

    hidden_units: Widths = (512, 512)
    activation: Activation = "relu"
    dropout: Dropout = 0.0
    batch_norm: BatchNorm = "none"


class MnistCnnParams(NetworkParams):
    """Convolutions with pools, one hidden layer."""

    epochs: Count = 12
    optimizer: Optimizer = "muon"
    learning_rate: LearningRate = 5e-3
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.1
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    filters: Widths = (32, 64)
    hidden_units: Units = 64
    activation: Activation = "relu"
    dropout: Dropout = 0.0
    batch_norm: BatchNorm = "none"

    @property
    def smallest_side(self) -> int:
        """Each pool halves."""
        return int(2 ** len(self.filters))


class CifarCnnParams(NetworkParams):
    """Three convolutions with pools, one hidden layer, dropout."""

    epochs: Count = 30
    learning_rate: LearningRate = 3e-3
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    filters: Widths = (16, 32, 64)
    hidden_units: Units = 500
    activation: Activation = "relu"
    dropout_convolutions: Dropout = 0.05
    """After the last pool."""
    dropout_hidden: Dropout = 0.3
    """After the hidden layer."""
    batch_norm: BatchNorm = "none"

    @property
    def smallest_side(self) -> int:
        """Each pool halves."""
        return int(2 ** len(self.filters))


class CifarBnCnnParams(NetworkParams):
    """Pairs of convolutions with batch norm, pools and dropout."""

    epochs: Count = 25
    optimizer: Optimizer = "muon"
    learning_rate: LearningRate = 5e-3
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.1
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    filters: Widths = (32, 64, 128)
    """Of both convolutions of each pair."""
    activation: Activation = "relu"
    batch_norm: BatchNorm = "after"
    dropout: Annotated[tuple[Dropout, ...], Field(min_length=1)] = (0.0, 0.1, 0.2)
    """After each pair's pool; one number stands for all."""

    @model_validator(mode="after")
    def _as_many(self) -> "CifarBnCnnParams":
        if "dropout" not in self.model_fields_set and len(self.filters) != len(self.dropout):
            self.__dict__["dropout"] = (0.1,)
        if len(self.dropout) not in {1, len(self.filters)}:
            raise ValueError(f"dropout has {len(self.dropout)} numbers; {len(self.filters)} or one were expected")
        return self

    @property
    def smallest_side(self) -> int:
        """Each pool halves."""
        return int(2 ** len(self.filters))


class Lenet5Params(NetworkParams):
    """LeNet-5."""

    epochs: Count = 10
    learning_rate: LearningRate = 3e-3
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: ScheduleParams = ONE_CYCLE
    augment: bool = False
    activation: Activation = "tanh"

    @property
    def smallest_side(self) -> int:
        """C5 covers 5×5 maps, which two pools and C3's border leave of 28×28."""
        return 28


class AlexnetParams(NetworkParams):
    """AlexNet."""

    learning_rate: LearningRate = 3e-4
    hidden_units: Units = 4096
    """Of each of the two hidden layers."""
    activation: Activation = "relu"
    batch_norm: BatchNorm = "none"
    dropout: Dropout = 0.5

    @property
    def smallest_side(self) -> int:
        """Three pools of 3×3 behind a convolution of 11×11 with strides of 4."""
        return 67


class InceptionParams(NetworkParams):
    """GoogLeNet."""

    learning_rate: LearningRate = 3e-4
    activation: Activation = "relu"
    batch_norm: BatchNorm = "none"
    dropout: Dropout = 0.4
    auxiliary: bool = True
    """Two more classifiers at the sides, which help to train and are absent from the saved network."""
    auxiliary_weight: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Of each of their losses."""

    @property
    def smallest_side(self) -> int:
        """A side classifier pools 5×5 after four halvings, which round up."""
        return 65 if self.auxiliary else 1


class Resnet20Params(NetworkParams):
    """The residual network for small images."""

    optimizer: Optimizer = "muon"
    learning_rate: LearningRate = 5e-3
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.1
    schedule: ScheduleParams = ONE_CYCLE
    label_smoothing: Decay = 0.1
    blocks: Count = 3
    """In each of the three stages; the depth is 6 × blocks + 2."""
    width: Units = 16
    """Filters of the first stage; each later one has twice as many."""
    activation: Activation = "relu"


class Resnet50Params(NetworkParams):
    """The residual network of bottleneck blocks."""

    on_imagenet: ClassVar[bool] = True

    activation: Activation = "relu"


Strategy = Literal["none", "mirrored"]
"""``mirrored`` divides each batch among all GPUs of the machine, which hold the same weights."""


class TrainParams(Section):
    """One seed and one strategy for all trainings, and the values of each network."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    strategy: Strategy = "none"
    mlp: MlpParams | None = None
    mnist_cnn: MnistCnnParams | None = None
    cifar_cnn: CifarCnnParams | None = None
    cifar_bn_cnn: CifarBnCnnParams | None = None
    lenet5: Lenet5Params | None = None
    alexnet: AlexnetParams | None = None
    inception: InceptionParams | None = None
    resnet20: Resnet20Params | None = None
    resnet50: Resnet50Params | None = None


PARAMS: Mapping[Network, type[NetworkParams]] = {
    name: typing.get_args(TrainParams.model_fields[name].annotation)[0] for name in NETWORKS
}
"""The class of each network's section."""


def images_per_step(values: NetworkParams, images: int) -> int:
    """Return the batch size as a number of images.

    ``auto`` is the rule of the book (section 4.7.1): all images where they are fewer than 2,000, else mini-batches that
    begin at 64.
    """
    match values.batch_size:
        case "full":
            return images
        case "auto":
            return images if images < SMALL_DATA else 64
        case int(size):
            return size
    raise ValueError(f"batch_size {values.batch_size!r}")  # params refuse this


def check_classes(network: Network, values: NetworkParams, classes: int) -> None:
    """Check that a network can tell so many classes apart.

    Raises:
        InputError: there is one class, or more than two for a sigmoid unit.
    """
    if classes < 2:  # noqa: PLR2004
        raise InputError(f"{network}: the data has one class; a classifier needs two, add images of another")
    if values.output == "sigmoid" and classes > 2:  # noqa: PLR2004
        raise InputError(
            f"train.{network}.output: sigmoid given, which tells two classes apart, and there are {classes}; "
            "set softmax"
        )


def check_data(network: Network, values: NetworkParams, images: int, classes: int) -> None:
    """Check what a training needs of its data.

    Args:
        network: its name.
        values: the values of ``train.<network>``.
        images: how many there are to train on.
        classes: how many.

    Raises:
        InputError: there is one class, more than two for a sigmoid unit, or a batch that is larger than the data.
    """
    check_classes(network, values, classes)
    if (size := images_per_step(values, images)) > images:
        raise InputError(
            f"train.{network}.batch_size: {size} given, and there are {images} training images; "
            f"set {images} or less, full, or auto"
        )
