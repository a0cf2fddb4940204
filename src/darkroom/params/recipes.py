"""Named recipes: ``recipe: NAME`` in ``train.<network>`` replaces the network's defaults; the section's values win.

``book`` has the values used in *Deep Learning for Vision Systems*, including ``augment: false`` where the book does not
augment. The book trains for all epochs, so its recipes disable early stopping.
"""

from collections.abc import Mapping
from typing import Any

from darkroom.base.errors import InputError
from darkroom.params.network_files import load


def recipes(network: str) -> Mapping[str, Mapping[str, Any]]:
    """Return a network's recipes by name, without ``default``."""
    of_file: Mapping[str, Mapping[str, Any]] = getattr(load(network), "RECIPES", {})
    return of_file


def with_recipe(network: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the values of the recipe that a section names; values in the section take precedence.

    Raises:
        InputError: the recipe does not exist.
    """
    named = section.get("recipe", "default")
    known = {"default": {}, **recipes(network)}
    if not isinstance(named, str) or named not in known:
        raise InputError(f"train.{network}.recipe: unknown recipe {named!r}; choose one of {', '.join(known)}")
    return {**known[named], **section}
