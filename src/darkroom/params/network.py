"""Parameters that all networks share: the base class of each network's ``Params``.

Nothing heavy is imported here: params.yaml is checked before Keras is loaded.
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from darkroom.params.network_fields import BatchSize, Decay, Factor, LearningRate, Optimizer, Sha256, Trainable
from darkroom.params.preprocess import AugmentationParams
from darkroom.params.section import Count, Name, Section

# The parameters that each optimizer and schedule uses; setting any other is an error.
OPTIMIZER_PARAMS = {
    "sgd": {"momentum", "nesterov"},
    "adam": {"beta_1", "beta_2", "epsilon"},
    "muon": {"momentum", "nesterov"},
    "rmsprop": {"momentum", "rho", "epsilon"},
    "lbfgs": set[str](),
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


def _reject_unused(section: Section, kind: str, readers: Mapping[str, set[str]]) -> None:
    """Raise ValueError if a parameter is set that the chosen kind does not use."""
    for name in sorted(section.model_fields_set & set().union(*readers.values()) - readers[kind]):
        *others, last = (reader for reader, names in readers.items() if name in names)
        users = f"{', '.join(others)} and {last}" if others else last
        raise ValueError(f"{name} applies to {users}, not to {kind}; remove {name} or replace {kind}")


class ScheduleParams(Section):
    """Learning-rate schedule; see ``schedules.py`` for the formulas."""

    kind: Literal["constant", "step", "piecewise", "linear", "exponential", "cosine", "one_cycle", "plateau"] = (
        "constant"
    )
    factor: Factor = 0.1
    """``step``, ``exponential`` and ``plateau`` multiply the rate by this; the others end at this share of it."""
    every: Count = 10
    """Epochs between changes (``step``), until the rate has fallen by ``factor`` (``exponential``), or per step
    (``linear``, which by default falls every epoch)."""
    boundaries: tuple[Count, ...] = ()
    """Epochs, counted from 1, after which ``piecewise`` changes the rate."""
    factors: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """The rate after each boundary, as a share of ``learning_rate``."""
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of training during which ``one_cycle`` raises the rate to ``learning_rate``."""
    patience: Count = 5
    """Consecutive epochs without improvement, or all with improvement, after which ``plateau`` acts."""
    growth: Annotated[float, Field(ge=1, le=10)] = 1.0
    """Factor by which ``plateau`` raises the rate after ``patience`` epochs that all improved."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ScheduleParams":
        _reject_unused(self, self.kind, SCHEDULE_PARAMS)
        if self.kind == "piecewise" and not (
            self.boundaries
            and len(self.boundaries) == len(self.factors)
            and sorted(set(self.boundaries)) == list(self.boundaries)
        ):
            raise ValueError("piecewise requires increasing boundaries and one factor for each; correct them")
        return self


ONE_CYCLE = ScheduleParams(kind="one_cycle", factor=0.01)


class EarlyStoppingParams(Section):
    """Stop when the validation loss or accuracy stops improving; the best weights are always restored."""

    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    patience: Count = 20
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class FineTuningParams(Section):
    """A second phase of a training with frozen layers: more layers train, at a lower learning rate.

    It starts from the first phase's best weights. Batch norm works as in inference in both phases: its statistics and
    scales stay those of the pretrained weights, because the estimates of small batches of other images would undo
    what the layers after it have learnt (F. Chollet, *Transfer learning & fine-tuning*, Keras guide, 2020).
    """

    epochs: Annotated[int, Field(ge=0)] = 0
    """After those of the first phase; 0 disables fine-tuning."""
    layers: Annotated[str, Field(pattern=r"^(all|last [1-9]\d*)$")] = "all"
    """Layers that train in this phase: ``all``, or ``last N`` of those with weights."""
    learning_rate: LearningRate = 1e-4
    schedule: ScheduleParams = ScheduleParams(kind="cosine", factor=0.05)
    batch_size: Count = 32
    augment: bool = True
    """Whether training images are augmented in this phase."""


class NetworkParams(Section):
    """Parameters that all networks share."""

    recipe: Name = "default"
    """The source of values that the section does not set: the defaults, or one of the network's ``RECIPES``."""
    epochs: Count = 30
    batch_size: BatchSize = 64
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 1e-3
    momentum: Decay = 0.0
    """For ``sgd``, ``rmsprop`` and ``muon``, which uses 0.95 in place of 0; ``adam`` has ``beta_1``."""
    nesterov: bool = False
    beta_1: Decay = 0.9
    beta_2: Decay = 0.999
    rho: Decay = 0.9
    epsilon: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Null: 1e-8 for ``adam`` (its paper's value), 1e-7 for ``rmsprop`` (Keras's default)."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decoupled weight decay of kernels, multiplied by the learning rate in each step (AdamW, SGDW)."""
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """Gradient clipping norm; 0 disables clipping."""
    schedule: ScheduleParams = ScheduleParams(kind="cosine", factor=0.05)
    early_stopping: EarlyStoppingParams = EarlyStoppingParams()
    loss: Literal["cross_entropy", "mean_squared_error"] = "cross_entropy"
    label_smoothing: Decay = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    output: Literal["softmax", "sigmoid"] = "softmax"
    """``sigmoid``: one unit, for two classes; its output is the probability of the second class."""
    l2: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """L2 penalty on all kernels except the last layer's, added to the training loss."""
    initial_weights: Name | None = None
    """Pretrained weights: a file saved by Darkroom, one of Keras's for a network of ``keras.applications`` (``.h5``), a
    ``models:/…`` URI, or ``imagenet``; null starts from random ones. The image scaling that the weights expect is
    loaded with them."""
    initial_weights_sha256: Sha256 | None = None
    """Digest that the initial weights should have; null accepts any. Another digest is another parameter, so that DVC
    trains again."""
    trainable: Trainable = "all"
    """Which layers of a pretrained network train: ``all``, ``head`` (the last one), or ``last N`` of those with
    weights."""
    fine_tuning: FineTuningParams = FineTuningParams()
    """After the layers of ``trainable`` have been trained for ``epochs``, train more of them."""
    ema: Decay = 0.0
    """Decay per step of an exponential moving average of the weights, such as 0.99, which is validated and saved in
    place of the weights; 0 disables it."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Compute precision of training. Weights, probabilities and the saved network are float32."""
    augment: bool = True
    """Whether training images are augmented."""
    augmentation: AugmentationParams | None = None
    """Null uses ``preprocess.augmentation``."""

    @model_validator(mode="after")
    def _fits_together(self) -> "NetworkParams":
        _reject_unused(self, self.optimizer, OPTIMIZER_PARAMS)
        if self.optimizer != type(self).model_fields["optimizer"].default:
            # A network's defaults are meant for its default optimizer: sgd's momentum of 0.9 does not suit rmsprop.
            for name in {"weight_decay"}.union(*OPTIMIZER_PARAMS.values()) - self.model_fields_set:
                self.__dict__[name] = NetworkParams.model_fields[name].default
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov requires momentum; set momentum, such as 0.9")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError(f"label_smoothing requires loss cross_entropy, not {self.loss}; remove one of them")
        if self.initial_weights == "imagenet" and not self.on_imagenet:
            raise ValueError(
                "initial_weights: imagenet is not published for this network; choose a pretrained one, such as "
                "efficientnet_lite0 (docs/networks.md lists them)"
            )
        if self.initial_weights_sha256 and self.initial_weights is None:
            raise ValueError("initial_weights_sha256 is set without initial_weights; remove it")
        if self.trainable != "all" and self.initial_weights is None:
            raise ValueError(
                f"trainable: {self.trainable} requires initial_weights; frozen random layers would learn nothing. Set "
                "initial_weights, or trainable: all"
            )
        if self.augmentation is not None and not self.augment and "fine_tuning" not in self.model_fields_set:
            raise ValueError("augmentation is set, but augment is false; remove one of them")
        self._check_phases()
        schedule, stopping = self.schedule, self.early_stopping
        never_acts = schedule.kind == "plateau" and schedule.growth == 1 and schedule.patience >= stopping.patience
        if never_acts and stopping.monitor == "val_loss":
            raise ValueError(
                f"schedule.patience {schedule.patience} never takes effect before early_stopping.patience "
                f"{stopping.patience} ends training; lower schedule.patience"
            )
        return self

    def _check_phases(self) -> None:
        """Raise ValueError if fine-tuning or L-BFGS does not fit the layers that train."""
        tuning = self.fine_tuning
        if tuning.epochs and self.trainable == "all":
            raise ValueError(
                "fine_tuning trains layers that were frozen before, but trainable is all; set trainable: head, or "
                "fine_tuning.epochs: 0"
            )
        if tuning.epochs and _last(tuning.layers) < _last(self.trainable):
            raise ValueError(
                f"fine_tuning.layers {tuning.layers} are fewer than trainable: {self.trainable}; raise the former"
            )
        if self.optimizer != "lbfgs":
            return
        if self.trainable != "head" or self.augment or self.loss != "cross_entropy" or self.label_smoothing:
            raise ValueError(
                "lbfgs fits a logistic regression, which requires trainable: head, augment: false, loss: cross_entropy "
                "and label_smoothing: 0; set these, or another optimizer"
            )
        if tuning.epochs:
            raise ValueError("lbfgs cannot fine-tune; set fine_tuning.epochs: 0, or another optimizer")

    on_imagenet: ClassVar[bool] = False
    """Whether ImageNet weights of this network are published."""

    @property
    def all_epochs(self) -> int:
        """Epochs of both phases."""
        return 1 if self.optimizer == "lbfgs" else self.epochs + self.fine_tuning.epochs

    def shortened(self, epochs: int) -> "NetworkParams":
        """Return a copy with at most this number of epochs in each phase."""
        tuning = self.fine_tuning.model_copy(update={"epochs": min(epochs, self.fine_tuning.epochs)})
        return self.model_copy(update={"epochs": min(epochs, self.epochs), "fine_tuning": tuning})

    @property
    def augments(self) -> bool:
        """Whether training images are augmented in any phase."""
        return self.augment or bool(self.fine_tuning.epochs and self.fine_tuning.augment)

    @property
    def why_no_features(self) -> str | None:
        """Why features of frozen layers cannot be computed before training; None if they can."""
        if self.trainable == "all":
            return "all layers train"
        return "training images are augmented" if self.augment else None

    @property
    def smallest_side(self) -> int:
        """The smallest height and width that leave at least one pixel after the last layer."""
        return 1


def _last(layers: str) -> float:
    """Return how many of the last layers train."""
    return {"all": math.inf, "head": 1}.get(layers) or int(layers.removeprefix("last "))
