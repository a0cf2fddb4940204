"""Figures of the learning-rate sweep and the learning curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from darkroom.reporting.figures import save

SHOWN_LOSS = 4.0  # upper limit of the loss axis, as a multiple of the baselines


class _PlainLogarithmic(LogFormatter):
    """Formats 0.2 as 0.2 instead of 2e-01."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def learning_rates(rows: Sequence[dict[str, Any]], guessing: float, title: str, path: str | Path) -> None:
    """Draw validation loss over epochs, one line per learning rate.

    Losses far above guessing are cut off; lines of infinite losses leave the figure at the top.

    Args:
        rows: from ``ladder.Outcome.rows``; epoch 0 is before training.
        guessing: validation loss of uniform probabilities.
        title: title of the figure.
        path: output file.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    known = [guessing, *(loss for row in rows for loss in row["val_losses"] if loss > 0)]
    # Exploding losses would compress all others.
    top = min(max(known), SHOWN_LOSS * max(guessing, rows[0]["val_losses"][0]))
    border = max((top / min(known)) ** 0.05, 1.02)
    colours = mpl.colormaps["plasma"](np.linspace(0, 0.85, len(rows)))
    for place, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        best, diverges = row["verdict"] == "best", row["verdict"] == "diverges"
        # The values beyond the top are arbitrary; the exponent separates the lines.
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
    save(figure, path)


def learning_curve(rows: Sequence[dict[str, Any]], title: str, path: str | Path) -> None:
    """Draw training and validation error over the number of training images.

    Args:
        rows: ``learning_curve.Point`` as mappings.
        title: title of the figure.
        path: output file.
    """
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    images = [row["images"] for row in rows]
    for name, colour in (("validation", "tab:orange"), ("training", "tab:blue")):
        axes.plot(
            images, [100 * row[f"{name}_error"] for row in rows], marker="o", label=f"{name} images", color=colour
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(images, [f"{count:,}" for count in images])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training images")
    axes.set_ylabel("error, %")
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title(title)
    save(figure, path)
