"""Read and write ``run.json``, the record of a training run for later stages."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from darkroom.base.failures import first_line
from darkroom.base.files import other_form, read_record, write_record


@dataclass(frozen=True)
class RunRecord:
    """The identity, lineage and validation results of a training run."""

    run_id: str
    validation_accuracy: float
    validation_loss: float
    best_epoch: int
    epochs: int
    parameters: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    """Lineage: commit, data, experiment. ``darkroom restore`` uses it to restore a lost store."""
    started: int = 0
    """Milliseconds since 1970."""
    training_accuracy: float | None = None
    """Of the saved network on training images without augmentation; None for runs of earlier Darkroom versions."""
    one_class: float | None = None
    """On the same images, share of those of other classes that are predicted as the class predicted most; None if there
    are none, or for runs of earlier Darkroom versions."""
    seconds: float | None = None
    """Of all epochs together; None for runs of earlier Darkroom versions."""

    def write(self, path: str | Path) -> None:
        """Write as JSON."""
        write_record(path, asdict(self))

    def __str__(self) -> str:
        return (
            f"validation accuracy {self.validation_accuracy:.4f}, loss {self.validation_loss:.4f} "
            f"at epoch {self.best_epoch} of {self.epochs}"
        )

    @classmethod
    def read(cls, path: str | Path) -> "RunRecord":
        """Read a file written by ``write``; unknown keys are ignored.

        Raises:
            InputError: the file is damaged, or lacks a key.
        """
        known = {each.name for each in fields(cls)}
        # Earlier versions of Darkroom also recorded the packaged model's URI.
        try:
            return cls(**{name: value for name, value in read_record(path).items() if name in known})
        except TypeError as error:
            raise other_form(str(path), first_line(error)) from None
