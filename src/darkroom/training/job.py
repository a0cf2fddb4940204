"""A training job: the network, its parameters, the images, and all else that the weights depend on."""

from dataclasses import dataclass, replace
from typing import Any

from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.prepared import Prepared
from darkroom.networks import Network, NetworkParams, Strategy
from darkroom.params import AugmentationParams, Params, with_values


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """One training; equal jobs yield bit-identical weights on the same machine."""

    network: Network
    values: NetworkParams
    """The network's effective parameters."""
    description: Description
    """Description of the data."""
    training: Split
    validation: Split
    seed: int
    """Seed of weights, order, augmentation and dropout."""
    augmentation: AugmentationParams
    """Augmentation if ``values.augment``, unless ``values.augmentation`` is set."""
    initial: keras.Model | None = None
    """Network with the initial weights, of which ``values.trainable`` is trained."""
    strategy: Strategy = "none"
    """Whether batches are divided among devices, see ``check_devices``."""

    @classmethod
    def from_prepared(
        cls,
        prepared: Prepared,
        network: Network,
        values: NetworkParams,
        params: Params,
        initial: keras.Model | None = None,
        strategy: Strategy = "none",
    ) -> "TrainingJob":
        """Return a job with the prepared images, and seed and augmentation from params.yaml."""
        return cls(
            network,
            values,
            prepared.description,
            prepared.training,
            prepared.validation,
            seed=params.train.seed,
            augmentation=params.preprocess.augmentation,
            initial=initial,
            strategy=strategy,
        )

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.description.labels)

    def shortened(self, epochs: int) -> "TrainingJob":
        """Return a copy with at most this number of epochs in each phase."""
        return replace(self, values=self.values.shortened(epochs))

    def with_values(self, changes: dict[str, Any]) -> "TrainingJob":
        """Return a copy with some parameters changed."""
        return replace(self, values=with_values(self.values, changes))
