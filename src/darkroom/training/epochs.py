"""Values of an epoch and callbacks on them."""

from collections.abc import Callable

Epoch = dict[str, float]
"""``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``, ``learning_rate`` and ``seconds`` of one epoch.

``loss`` is the training loss; ``val_loss`` is always plain cross-entropy, in nats. A logistic regression has a
``penalty``, and 0 for the learning rate.
"""
OnEpoch = Callable[[int, Epoch], None]
"""Called after each epoch with its index, from 0, and its values; may raise ``StopTraining``."""


class StopTraining(Exception):  # noqa: N818 - not an error
    """Ends the training after the current epoch as if it had been the last one."""


def progress_line(title: str, epochs: int) -> OnEpoch:
    """Return a callback that prints one line per epoch."""

    def show(epoch: int, values: Epoch) -> None:
        rate = f"learning rate {values['learning_rate']:.2e}"
        step = f"penalty {values['penalty']:g}" if "penalty" in values else rate
        print(
            f"{title}  epoch {epoch + 1:>{len(str(epochs))}}/{epochs}"
            f"  loss {values['loss']:.4f}  accuracy {values['accuracy']:.4f}"
            f"  val_loss {values['val_loss']:.4f}  val_accuracy {values['val_accuracy']:.4f}"
            f"  {step}  {values['seconds']:.1f} s",
            flush=True,
        )

    return show
