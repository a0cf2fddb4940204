"""The section ``search``: budget, sampler, pruner and executor, and each network's search space."""

import re
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from darkroom.base.errors import InputError
from darkroom.params.network_sections import NetworkSections
from darkroom.params.pruners import MedianSettings, Pruner
from darkroom.params.samplers import NonNegative, Sampler, TpeSettings
from darkroom.params.section import Count, Section, Seed
from darkroom.params.spaces import SearchSpace


class BudgetSettings(Section):
    """Budget of one network's search, which ends at the first limit reached. An empty budget disables the search."""

    trials: NonNegative | None = None
    epochs: Count | None = None
    """Total over all trials. A trial starts only if all its epochs fit."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """Running trials then stop after their current epoch, but the search continues until one trial has finished."""

    @property
    def is_given(self) -> bool:
        """Whether the budget allows any trial."""
        return self.trials != 0 and (self.trials, self.epochs, self.seconds) != (None, None, None)


def _storage(address: str) -> str:
    # The address is not repeated: it may hold a password.
    if not re.match(r"(postgresql|mysql|sqlite)(\+\w+)?://.", address):
        raise ValueError("invalid address; use postgresql://…, mysql://… or sqlite:///…, or null")
    return address


Storage = Annotated[str, AfterValidator(_storage)]
"""URL of the database for studies. Keep passwords out of it: use ``PGPASSWORD`` or ``~/.pgpass``."""


def _address(address: str) -> str:
    if not re.fullmatch(r"auto|ray://[^\s/:@]+(:\d+)?|[^\s/:@]+:\d+", address):
        raise ValueError(f"invalid address {address}; use auto, ray://HOST:10001, HOST:6379 or null")
    return address


class RaySettings(Section):
    """The Ray cluster and the resources of each trial."""

    address: Annotated[str, AfterValidator(_address)] | None = None
    """``auto``: the cluster that this machine belongs to; null starts a local cluster for the search."""
    cpus: Count = 1
    """CPUs and threads per trial."""
    gpus: Annotated[float, Field(ge=0)] = 0.0
    """GPUs per trial; a fraction shares one GPU, and with 0 a trial sees none."""

    @model_validator(mode="after")
    def _fits_together(self) -> "RaySettings":
        if self.gpus > 1 and not self.gpus.is_integer():
            raise ValueError(f"gpus: {self.gpus:g} is neither a fraction below 1 nor a whole number; correct it")
        return self


def check_ray_installed() -> None:
    """Check that Ray is installed.

    Raises:
        InputError: Ray is missing.
    """
    if find_spec("ray") is None:
        raise InputError(
            "search.executor: ray requires Ray, not installed; run pip install 'ray>=2.50' (the extra ray), or "
            "choose local"
        )


class SearchParams(NetworkSections):
    """How each network is searched, and the networks' search spaces."""

    seed: Seed = 0
    budget: BudgetSettings = BudgetSettings()
    epochs: Count = 10
    """Largest number of epochs per trial."""
    sampler: Sampler = TpeSettings()
    pruner: Pruner = MedianSettings(startup_trials=2, warmup_epochs=2)
    executor: Literal["local", "ray"] = "local"
    """Where trials run: on this machine or on a Ray cluster."""
    workers: Count | None = None
    """Parallel trials, each in its own process. Null: one, in this process, or as many as the Ray cluster has room
    for."""
    ray: RaySettings = RaySettings()
    storage: Storage | None = None
    """Null stores the study in a file."""

    @classmethod
    def kind_of(cls, _network: str, /) -> type[Section]:
        """Return the class of a search space."""
        return SearchSpace

    @model_validator(mode="after")
    def _fits_together(self) -> "SearchParams":
        if self.executor == "local" and self.ray != RaySettings():
            raise ValueError("ray has settings, but executor is local; set executor: ray or remove ray")
        return self
