"""Access the files of a packaged model, for uses other than its ``predict``."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mlflow
from mlflow.models import Model

from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.base.files import read_json
from darkroom.networks import inference
from darkroom.tracking.opening import PARTS, loading, place_of_files


@dataclass(frozen=True)
class PackagedParts:
    """The files of a packaged model; ``registry.packages`` writes them."""

    network: Path
    """The saved network."""
    description_file: Path
    code: Path
    """Folder of the packaged code; ``inference.packaged_model.import_privately`` imports it."""

    @classmethod
    def open(cls, uri: str) -> "PackagedParts":
        """Locate the files of a packaged model; download them if they are not local.

        Raises:
            InputError: the store does not have the model, or Darkroom did not package it.
        """
        with loading(uri):
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=place_of_files()))
            parts = Model.load(folder).flavors["python_function"].get("artifacts", {})
        if missing := set(PARTS) - set(parts):
            raise InputError(
                f"{uri} is not a model packaged by Darkroom (it has no {min(missing)}); darkroom runs lists its models"
            )
        return cls(*(folder / parts[name]["path"] for name in PARTS))

    @cached_property
    def description(self) -> dict[str, Any]:
        """The description of its training data, in the format of the Darkroom version that trained it."""
        described: dict[str, Any] = read_json(self.description_file)
        return described

    def load_network(self) -> keras.Model:
        """Load the network; a network that contains code is rejected."""
        return inference.load(self.network)
