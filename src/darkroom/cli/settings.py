"""The registered model that params.yaml names."""

from typing import TYPE_CHECKING

from darkroom.base.files import is_there
from darkroom.params import PromoteParams

if TYPE_CHECKING:
    from darkroom.params import PromoteParams


def champion() -> str:
    """Return the address of the champion."""
    return f"models:/{registered_model()}@champion"


def registered_model() -> str:
    """Return the name of the registered model."""
    return promotion().registered_model


def promotion() -> "PromoteParams":
    """Return the section ``promote`` of params.yaml; its defaults if there is no such file."""
    from darkroom.params import PromoteParams, read_params

    return read_params().promote if is_there("params.yaml") else PromoteParams()
