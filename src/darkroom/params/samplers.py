"""Settings of Optuna's samplers: ``search.sampler``."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field

from darkroom.base.errors import InputError
from darkroom.params.section import Count, Section

NonNegative = Annotated[int, Field(ge=0)]


class TpeSettings(Section):
    """Tree-structured Parzen estimator: samples where good trials were dense."""

    name: Literal["tpe"] = "tpe"
    startup_trials: NonNegative = 10
    """Random trials before the model is used."""
    candidates: Count = 24
    """Candidates per trial, of which the most promising is tried."""
    multivariate: bool | None = None
    """Whether parameters are sampled jointly; null uses Optuna's default."""


class RandomSettings(Section):
    """Random search."""

    name: Literal["random"]


class CmaEsSettings(Section):
    """Covariance matrix adaptation: for numerical parameters; choices are sampled at random."""

    name: Literal["cma_es"]
    startup_trials: NonNegative = 1
    population: Annotated[int, Field(ge=2)] | None = None
    """Trials per generation; null uses 4 + 3 ln(number of parameters)."""
    separable: bool = False
    """Whether to adapt the diagonal of the covariance only: for many parameters and few trials."""
    pruned_trials: bool = False
    """Whether to learn from pruned trials."""


class GpSettings(Section):
    """Gaussian process: for few, expensive trials."""

    name: Literal["gp"]
    startup_trials: NonNegative = 10
    deterministic: bool = False
    """Whether the loss is a deterministic function of the values, without noise."""


class QmcSettings(Section):
    """Quasi-Monte Carlo: covers the space evenly, without learning from trials."""

    name: Literal["qmc"]
    kind: Literal["sobol", "halton"] = "sobol"
    scramble: bool = False


class GridSettings(Section):
    """Grid search: every combination of choices and of ``points`` values per range."""

    name: Literal["grid"]
    points: Annotated[int, Field(ge=2)] = 5
    """Values per range, evenly spaced from low to high; on a log scale if the range has ``log``."""


Sampler = Annotated[
    TpeSettings | RandomSettings | CmaEsSettings | GpSettings | QmcSettings | GridSettings, Field(discriminator="name")
]
NEEDED = {"cma_es": ("cmaes",), "gp": ("scipy", "torch")}
"""Packages that a sampler needs and Optuna does not install."""


def check_installed(sampler: Sampler) -> None:
    """Check that the packages that a sampler needs are installed.

    Raises:
        InputError: a package is missing.
    """
    missing = [package for package in NEEDED.get(sampler.name, ()) if find_spec(package) is None]
    if missing:
        raise InputError(
            f"search.sampler.name: {sampler.name} requires {' and '.join(missing)}, not installed; "
            f"run pip install {' '.join(missing)}, or choose tpe"
        )
