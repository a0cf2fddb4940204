"""Matplotlib figures that several packages use."""

import json
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from darkroom.base.terminal import shown
from darkroom.base.types import Pixels

MAXIMUM_LABEL = 24  # characters
MAXIMUM_NAME = 56  # characters, two lines
# The user's matplotlibrc may want LaTeX, another font or another size.
mpl.rcdefaults()
# Texts contain names of classes and files: what is between two $ is no formula.
mpl.rcParams["text.parse_math"] = False


def save(figure: Figure, path: str | Path) -> None:
    """Save a figure as a byte-reproducible PNG file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # The default metadata contains matplotlib's version.
    figure.savefig(path, dpi=120, metadata={"Software": None})


def curves(history: Sequence[dict[str, float]], best_epoch: int, title: str, path: str | Path) -> None:
    """Plot the learning curves, loss and accuracy by epoch, and mark the epoch of the best weights.

    Args:
        history: metrics of each epoch: ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``.
        best_epoch: index of the epoch whose weights are kept, counted from 0.
        title: the figure's title.
        path: the output file.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    epochs = range(1, len(history) + 1)
    # A line of one point, as of a logistic regression, shows nothing.
    style = {"marker": "o"} if len(history) == 1 else {}
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for prefix, label, colour in (("", "training", "tab:blue"), ("val_", "validation", "tab:orange")):
            axes.plot(epochs, [epoch[prefix + quantity] for epoch in history], label=label, color=colour, **style)
        axes.axvline(best_epoch + 1, color="grey", linestyle=":", label=f"best weights (epoch {best_epoch + 1})")
        axes.set_xlabel("epoch")
        axes.set_ylabel(quantity)
        if len(history) == 1:
            axes.set_xticks(epochs)
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    save(figure, path)


def pictures(images: Pixels, titles: Sequence[str], heading: str, path: str | Path) -> None:
    """Draw a grid of images with titles.

    Args:
        images: uint8 of shape (images, height, width, channels).
        titles: one title per image, of one or more lines.
        heading: the figure's title.
        path: the output file.
    """
    columns = min(6, len(images))
    rows = -(-len(images) // columns)
    height = 2.1 * min(2.0, images.shape[1] / images.shape[2])
    wrapped = ["\n".join(textwrap.fill(drawable(line), 28) for line in title.split("\n")) for title in titles]
    lines = max(title.count("\n") + 1 for title in wrapped)
    figure = Figure(figsize=(2.2 * columns, rows * (height + 0.13 + 0.14 * lines) + 0.5), layout="constrained")
    figure.suptitle(drawable(heading), fontsize=11)
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, title in zip(grid, images, wrapped, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(title, fontsize=8)
    save(figure, path)


def augmentation(
    originals: Pixels,
    variants: Sequence[Pixels],
    labels: Sequence[str],
    path: str | Path,
    captions: Sequence[Sequence[str]] = (),
) -> None:
    """Draw training images beside their augmented variants, one row per image.

    Args:
        originals: uint8 of shape (images, height, width, channels).
        variants: arrays of the same shape, one per column.
        labels: one label per image.
        path: the output file.
        captions: for each column, drawable texts below its images; none if empty.
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
            if column and captions:
                axes.set_xlabel(captions[column - 1][row], fontsize=6)
        grid[row, 0].set_ylabel(short(label), fontsize=9)
    save(figure, path)


def format_prediction(predicted: str, probability: float, true: str | None = None) -> str:
    """Format a prediction with its probability and, if known, the true label."""
    prediction = f"predicted {short(predicted)} ({probability:.2f})"
    return prediction if true is None else f"{prediction}, true {short(true)}"


def short(label: str) -> str:
    """Return a label for a figure, see ``drawable``, shortened to ``MAXIMUM_LABEL`` characters."""
    label = drawable(label)
    return label if len(label) <= MAXIMUM_LABEL else label[: MAXIMUM_LABEL - 1] + "…"


def end_of(name: str) -> str:
    """Return a file's name for a figure, see ``drawable``: of a long one the end, where names differ."""
    name = drawable(name)
    return name if len(name) <= MAXIMUM_NAME else f"…{name[1 - MAXIMUM_NAME :]}"


def drawable(text: str) -> str:
    """Return a text with names in one line; characters that the font lacks, which would all be boxes, are escapes."""
    known = known_characters()
    return "".join(sign if ord(sign) in known else json.dumps(sign)[1:-1] for sign in shown(text))


@cache
def known_characters() -> frozenset[int]:
    """Return the characters of matplotlib's own font; others differ between machines."""
    return frozenset(FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap())


def draw_text(text: str, path: str | Path) -> None:
    """Draw text as a placeholder for a figure that has nothing to show."""
    figure = Figure(figsize=(6, 3))
    figure.text(0.5, 0.5, textwrap.fill(drawable(text), 60), ha="center", va="center", fontsize=11)
    save(figure, path)
