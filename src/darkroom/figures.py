"""Pictures of a run; the only place that imports matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from darkroom.datasets import Integers
from darkroom.images import Pixels

mpl.use("agg")

READABLE_CLASSES = 20  # a confusion matrix with more than so many has no room for numbers

SHOWN_LOSS = 4.0  # how many times the loss of guessing, or of the untrained network, is still shown


def _save(figure: Figure, path: str | Path) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Without the library's version in it, the same picture is the same file.
    figure.savefig(path, dpi=120, metadata={"Software": None})


def curves(history: Sequence[dict[str, float]], best_epoch: int, title: str, path: str | Path) -> None:
    """Draw loss and accuracy against the epoch, and mark the epoch whose weights are kept."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    epochs = range(1, len(history) + 1)
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [epoch[quantity] for epoch in history], label="training", color="tab:blue")
        axes.plot(epochs, [epoch[f"val_{quantity}"] for epoch in history], label="validation", color="tab:orange")
        axes.axvline(best_epoch + 1, color="grey", linestyle=":", label=f"best weights (epoch {best_epoch + 1})")
        axes.set_xlabel("epoch")
        axes.set_ylabel(quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    _save(figure, path)


def confusion_matrix(matrix: Integers, labels: Sequence[str], title: str, path: str | Path) -> None:
    """Draw a confusion matrix: true classes downwards, predicted ones across, colours by share of the true class."""
    side = min(16.0, 3.5 + 0.45 * len(labels))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, label="share of the true class", shrink=0.8)
    axes.set_xticks(range(len(labels)), labels, rotation=90 if max(map(len, labels)) > 2 else 0)  # noqa: PLR2004
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(labels) <= READABLE_CLASSES:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004 - where the blue turns dark
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_title(title)
    _save(figure, path)


def augmentation(originals: Pixels, variants: Sequence[Pixels], labels: Sequence[str], path: str | Path) -> None:
    """Draw training images beside variants of them.

    Args:
        originals: uint8 of shape (images, height, width, channels).
        variants: arrays of the same shape, one for each column to draw.
        labels: a name for each image.
        path: where the picture goes.
    """
    columns = [originals, *variants]
    figure = Figure(figsize=(1.3 * len(columns), 1.35 * len(originals) + 0.4), layout="constrained")
    grid = figure.subplots(len(originals), len(columns), squeeze=False)
    for row, label in enumerate(labels):
        for column, images in enumerate(columns):
            axes = grid[row, column]
            axes.imshow(images[row].squeeze(), cmap="gray", vmin=0, vmax=255)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title("original" if column == 0 else f"variant {column}", fontsize=9)
        grid[row, 0].set_ylabel(label, fontsize=9)
    _save(figure, path)


class _PlainLogarithmic(LogFormatter):
    """Writes 0.2 where matplotlib would write 2e-01."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def learning_rates(rows: Sequence[dict[str, Any]], guessing: float, title: str, path: str | Path) -> None:
    """Draw validation loss against the epoch, a line for each learning rate.

    What is far above guessing is cut off; a line whose loss is no longer finite leaves the picture upwards.

    Args:
        rows: of ``ladder.Outcome.rows``; epoch 0 is before training.
        guessing: validation loss of giving each class the same probability.
        title: above the picture.
        path: where the picture goes.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    known = [guessing, *(loss for row in rows for loss in row["val_losses"] if loss > 0)]
    # Losses that explode would leave no room for those that matter.
    top = min(max(known), SHOWN_LOSS * max(guessing, rows[0]["val_losses"][0]))
    border = max((top / min(known)) ** 0.05, 1.02)
    colours = mpl.colormaps["plasma"](np.linspace(0, 0.85, len(rows)))
    for place, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        best, diverges = row["verdict"] == "best", row["verdict"] == "diverges"
        # Above the top, no value is told from another; the exponent only keeps such lines apart on their way.
        beyond = [top * 4.0 ** (len(rows) - place)] if row["val_loss"] is None else []
        losses = [*row["val_losses"], *beyond]
        axes.plot(
            range(len(losses)),
            losses,
            label=f"{row['rate']:g}: {row['verdict']}",
            color=colour,
            linestyle="--" if diverges else "-",
            marker="x" if diverges else "o",
            markersize=9 if diverges else 6,
            markeredgewidth=2 if diverges else 1,
            linewidth=4 if best else 1.5,
            zorder=3 if best else 2,
        )
    axes.axhline(guessing, color="grey", linestyle=":", label=f"guessing ({guessing:.3f})")
    axes.set_yscale("log")
    axes.set_ylim(min(known) / border, top * border)
    axes.yaxis.set_major_formatter(_PlainLogarithmic())
    axes.yaxis.set_minor_formatter(_PlainLogarithmic(minor_thresholds=(2, 0.5)))
    axes.set_xlabel("epoch (0: before training)")
    axes.set_ylabel("validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    axes.legend(title="learning rate", loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_title(title)
    _save(figure, path)
