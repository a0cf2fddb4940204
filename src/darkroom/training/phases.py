"""The phases of a training: the trained layers alone, then fine-tuning of more layers."""

from dataclasses import dataclass

from darkroom.networks import NetworkParams


@dataclass(frozen=True)
class Phase:
    """One phase; its epochs are numbered on from those of the phase before."""

    number: int
    """0, or 1 for fine-tuning."""
    values: NetworkParams
    """The parameters as they apply in this phase."""
    first: int
    """Its first epoch, from 0."""
    all_epochs: int
    """Planned epochs of all phases."""

    @property
    def end(self) -> int:
        """The epoch after the last planned one."""
        return self.first + self.values.epochs

    @property
    def name(self) -> str:
        """What messages call it, after a space; empty for the first."""
        return " of fine-tuning" if self.number else ""

    @property
    def place(self) -> str:
        """Where its learning rate is, below ``train.<network>``."""
        return "fine_tuning." if self.number else ""


def count(values: NetworkParams) -> int:
    """Return the number of phases."""
    return 2 if values.fine_tuning.epochs else 1


def phase(values: NetworkParams, number: int, first: int) -> Phase:
    """Return a phase.

    Args:
        values: the network's parameters.
        number: 0, or 1 for fine-tuning.
        first: its first epoch, from 0.
    """
    if number:
        tuning = values.fine_tuning
        of_phase = {name: getattr(tuning, name) for name in ("epochs", "learning_rate", "schedule", "batch_size")}
        own = values.model_copy(update={**of_phase, "augment": tuning.augment, "trainable": tuning.layers})
    else:
        own = values
    return Phase(number, own, first, values.all_epochs)
