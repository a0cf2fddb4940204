"""The result of a training."""

from dataclasses import dataclass
from pathlib import Path

from darkroom.base.backend import keras
from darkroom.training.epochs import Epoch


@dataclass(frozen=True)
class Trained:
    """A trained network with its best weights and history."""

    model: keras.Model
    history: list[Epoch]
    best_epoch: int
    """Index, from 0, of the epoch whose weights the model has: the best one by ``early_stopping.monitor``."""

    @property
    def best(self) -> Epoch:
        """The values of the best epoch."""
        return self.history[self.best_epoch]

    def save(self, path: str | Path) -> None:
        """Save layers and weights, without the optimizer, in Keras' format (no pickle)."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.model.save(path)
