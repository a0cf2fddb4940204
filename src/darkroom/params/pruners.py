"""Settings of Optuna's pruners: ``search.pruner``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from darkroom.params.samplers import NonNegative
from darkroom.params.section import Count, Section


class _ComparedSettings(Section):
    """Settings of pruners that compare a trial with the others at the same epoch."""

    startup_trials: NonNegative = 5
    """Finished trials before any is pruned."""
    warmup_epochs: NonNegative = 0
    """Epochs of a trial before it can be pruned."""
    interval_epochs: Count = 1
    """Epochs between pruning checks."""
    minimum_trials: Count = 1
    """Number of other trials that must have reached the epoch."""


class MedianSettings(_ComparedSettings):
    """Prunes a trial whose best loss so far is worse than the median of the others at this epoch."""

    name: Literal["median"] = "median"


class PercentileSettings(_ComparedSettings):
    """Keeps the best ``percentile`` per cent of the trials."""

    name: Literal["percentile"]
    percentile: Annotated[float, Field(ge=0, le=100)] = 25.0


class SuccessiveHalvingSettings(Section):
    """At each rung keeps one trial in ``reduction_factor``, and multiplies its epochs by that factor."""

    name: Literal["successive_halving"]
    minimum_epochs: Count | Literal["auto"] = "auto"
    reduction_factor: Annotated[int, Field(ge=2)] = 4
    early_stopping_rate: NonNegative = 0
    """Number of lowest rungs to skip."""
    bootstrap_trials: NonNegative = 0
    """Number of trials that must reach a rung before any passes it."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SuccessiveHalvingSettings":
        if self.minimum_epochs == "auto" and self.bootstrap_trials:
            raise ValueError("bootstrap_trials requires a number for minimum_epochs; set both or neither")
        return self


class HyperbandSettings(Section):
    """Several successive halvings that differ in when they begin to prune."""

    name: Literal["hyperband"]
    minimum_epochs: Count = 1
    maximum_epochs: Count | None = None
    """Null uses ``search.epochs``."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    bootstrap_trials: NonNegative = 0


class ThresholdSettings(Section):
    """Prunes a trial whose loss is below ``lower`` or above ``upper``."""

    name: Literal["threshold"]
    lower: float | None = None
    upper: float | None = None
    warmup_epochs: NonNegative = 0
    interval_epochs: Count = 1

    @model_validator(mode="after")
    def _fits_together(self) -> "ThresholdSettings":
        if self.lower is None and self.upper is None:
            raise ValueError("lower and upper are missing; set at least one of them")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower {self.lower:g} is above upper {self.upper:g}; swap or correct them")
        return self


class NoPruning(Section):
    """Runs every trial to its end."""

    name: Literal["none"]


WrappedPruner = Annotated[
    MedianSettings | PercentileSettings | SuccessiveHalvingSettings | HyperbandSettings | ThresholdSettings | NoPruning,
    Field(discriminator="name"),
]


class PatientSettings(Section):
    """Lets another pruner decide only after ``patience`` epochs without improvement; with ``none``, these suffice."""

    name: Literal["patient"]
    patience: NonNegative = 3
    minimum_delta: Annotated[float, Field(ge=0)] = 0.0
    pruner: WrappedPruner = MedianSettings()


Pruner = Annotated[
    MedianSettings
    | PercentileSettings
    | SuccessiveHalvingSettings
    | HyperbandSettings
    | ThresholdSettings
    | NoPruning
    | PatientSettings,
    Field(discriminator="name"),
]
