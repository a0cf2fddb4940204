"""How the search chooses, gives up, and how much it may spend, as params.yaml has it. Nothing heavy is imported here.

Samplers and pruners are Optuna's own. Their settings have Optuna's meaning and defaults; names are spelled out, and
what Optuna calls a step is an epoch here.
"""

import re
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from darkroom.errors import InputError
from darkroom.sections import Count, Section

Whole = Annotated[int, Field(ge=0)]


class TpeSettings(Section):
    """Tree-structured Parzen estimator: looks where good trials were dense."""

    name: Literal["tpe"] = "tpe"
    startup_trials: Whole = 10
    """Trials by chance before it begins to learn."""
    candidates: Count = 24
    """Drawn for each trial; the most promising one is tried."""
    multivariate: bool | None = None
    """Whether parameters are chosen together; null leaves it to Optuna."""


class RandomSettings(Section):
    """Chance."""

    name: Literal["random"]


class CmaEsSettings(Section):
    """Covariance matrix adaptation: for numbers alone; other choices are drawn by chance."""

    name: Literal["cma_es"]
    startup_trials: Whole = 1
    population: Annotated[int, Field(ge=2)] | None = None
    """Trials of one generation; null takes 4 + 3 ln(number of parameters)."""
    separable: bool = False
    """Whether only the diagonal is adapted: for many parameters and few trials."""
    pruned_trials: bool = False
    """Whether what pruned trials reached counts."""


class GpSettings(Section):
    """Gaussian process: few and expensive trials."""

    name: Literal["gp"]
    startup_trials: Whole = 10
    deterministic: bool = False
    """Whether the same values always give the same loss."""


class QmcSettings(Section):
    """Quasi-Monte Carlo: fills the space evenly; learns nothing."""

    name: Literal["qmc"]
    kind: Literal["sobol", "halton"] = "sobol"
    scramble: bool = False


class GridSettings(Section):
    """Every combination of choices, and of so many points of each range; ends when all were tried."""

    name: Literal["grid"]
    points: Annotated[int, Field(ge=2)] = 5
    """Of each range, evenly from low to high, or by their logarithm where the range has ``log``."""


Sampler = Annotated[
    TpeSettings | RandomSettings | CmaEsSettings | GpSettings | QmcSettings | GridSettings, Field(discriminator="name")
]


class _ComparedSettings(Section):
    """What the pruners have in common that compare a trial with others at the same epoch."""

    startup_trials: Whole = 5
    """Finished trials before any is pruned."""
    warmup_epochs: Whole = 0
    """Epochs of a trial before it can be pruned."""
    interval_epochs: Count = 1
    """Epochs between two looks at a trial."""
    minimum_trials: Count = 1
    """So many others must have reached the epoch."""


class MedianSettings(_ComparedSettings):
    """Ends a trial whose best loss so far is worse than the median of the others at this epoch."""

    name: Literal["median"] = "median"


class PercentileSettings(_ComparedSettings):
    """Keeps the best share of the trials."""

    name: Literal["percentile"]
    percentile: Annotated[float, Field(ge=0, le=100)] = 25.0


class SuccessiveHalvingSettings(Section):
    """Lets one in ``reduction_factor`` go on at each rung, for so many times the epochs."""

    name: Literal["successive_halving"]
    minimum_epochs: Count | Literal["auto"] = "auto"
    reduction_factor: Annotated[int, Field(ge=2)] = 4
    early_stopping_rate: Whole = 0
    """So many of the lowest rungs are left out."""
    bootstrap_trials: Whole = 0
    """So many trials must wait at a rung before any is let through."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SuccessiveHalvingSettings":
        if self.minimum_epochs == "auto" and self.bootstrap_trials:
            raise ValueError("bootstrap_trials needs minimum_epochs as a number; give both, or neither")
        return self


class HyperbandSettings(Section):
    """Several successive halvings, from hasty to patient."""

    name: Literal["hyperband"]
    minimum_epochs: Count = 1
    maximum_epochs: Count | None = None
    """Null takes the epochs of one trial."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    bootstrap_trials: Whole = 0


class ThresholdSettings(Section):
    """Ends a trial whose loss is out of bounds."""

    name: Literal["threshold"]
    lower: float | None = None
    upper: float | None = None
    warmup_epochs: Whole = 0
    interval_epochs: Count = 1

    @model_validator(mode="after")
    def _fits_together(self) -> "ThresholdSettings":
        if self.lower is None and self.upper is None:
            raise ValueError("lower and upper are missing; give one of them, or both")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower {self.lower:g} and upper {self.upper:g} given; lower must not be above upper")
        return self


class NoPruning(Section):
    """Every trial runs to its end."""

    name: Literal["none"]


Impatient = Annotated[
    MedianSettings | PercentileSettings | SuccessiveHalvingSettings | HyperbandSettings | ThresholdSettings | NoPruning,
    Field(discriminator="name"),
]


class PatientSettings(Section):
    """Asks another pruner only after so many epochs without improvement; with ``none``, that alone ends a trial."""

    name: Literal["patient"]
    patience: Whole = 3
    minimum_delta: Annotated[float, Field(ge=0)] = 0.0
    pruner: Impatient = MedianSettings()


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


class BudgetSettings(Section):
    """What the search of one network may spend; it ends at whichever is reached first. Nothing given: no search."""

    trials: Whole | None = None
    epochs: Count | None = None
    """Of all trials together. A trial begins only if all of its epochs fit."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """Trials at work then end with their epoch, but the search goes on until one trial has finished."""

    @property
    def is_given(self) -> bool:
        """Whether there is anything to spend."""
        return self.trials != 0 and (self.trials, self.epochs, self.seconds) != (None, None, None)


def _storage(address: str) -> str:
    # The address is not repeated: it may hold a password.
    if not re.match(r"(postgresql|mysql|sqlite)(\+\w+)?://.", address):
        raise ValueError("an address postgresql://, mysql:// or sqlite:/// was expected; correct it, or take it out")
    return address


Storage = Annotated[str, AfterValidator(_storage)]
"""Address of the database that keeps studies. A password is better given by the database's own means than written into
it: ``PGPASSWORD`` or ``~/.pgpass``."""


def _address(address: str) -> str:
    if not re.fullmatch(r"auto|ray://[^\s/:@]+(:\d+)?|[^\s/:@]+:\d+", address):
        raise ValueError(f"{address} given; auto, ray://HOST:10001 or HOST:6379 was expected, or null")
    return address


class RaySettings(Section):
    """The Ray cluster on which trials run, and what each of them asks for."""

    address: Annotated[str, AfterValidator(_address)] | None = None
    """``auto``: the cluster that this machine belongs to; null starts one of this machine alone, for the search."""
    cpus: Count = 1
    """Also the threads of a trial."""
    gpus: Annotated[float, Field(ge=0)] = 0.0
    """Parts of one are shared; a trial without any does not see them."""

    @model_validator(mode="after")
    def _fits_together(self) -> "RaySettings":
        if self.gpus > 1 and not self.gpus.is_integer():
            raise ValueError(f"gpus: {self.gpus:g} given; parts are of one GPU only, above 1 give a whole number")
        return self


NEEDED = {"cma_es": ("cmaes",), "gp": ("scipy", "torch")}
"""Packages that Optuna needs for a sampler, and does not bring along."""


def check_installed(sampler: Sampler) -> None:
    """Check that what a sampler needs is installed.

    Raises:
        InputError: it is not.
    """
    missing = [package for package in NEEDED.get(sampler.name, ()) if find_spec(package) is None]
    if missing:
        raise InputError(
            f"search.sampler.name: {sampler.name} needs {' and '.join(missing)}, which is not installed; "
            f"pip install {' '.join(missing)}, or choose tpe"
        )


def check_ray_installed() -> None:
    """Check that Ray is installed.

    Raises:
        InputError: it is not.
    """
    if find_spec("ray") is None:
        raise InputError(
            "search.executor: ray needs Ray, which is not installed; pip install 'ray>=2.50' (the extra ray), or "
            "choose local"
        )
