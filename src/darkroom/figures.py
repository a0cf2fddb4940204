"""Pictures of a run; the only place that imports matplotlib."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from darkroom.datasets import Floats, Integers
from darkroom.images import Pixels
from darkroom.scores import Ranked, Reliability

mpl.use("agg")

READABLE_CLASSES = 20  # a confusion matrix with more than so many has no room for numbers
TILES = 16  # side by side in one row: more are too small to see anything in
LONGEST_LABEL = 24  # characters that a picture's title has room for

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


def calibration(
    rows: Sequence[Reliability],
    error: float,
    ranked: Ranked | None,
    labels: Sequence[str],
    path: str | Path,
) -> None:
    """Draw how often answers of about one certainty are right; of two classes also ROC and precision over recall.

    Args:
        rows: of ``scores.reliability``.
        error: the calibration error.
        ranked: of ``scores.of_two``; None for more classes.
        labels: class names by number.
        path: where the picture goes.
    """
    count = 1 if ranked is None else 3
    figure = Figure(figsize=(5 * count, 4.6), layout="constrained")
    first, *others = np.atleast_1d(figure.subplots(1, count))
    images = np.array([row.images for row in rows])
    first.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as certain as right")
    first.plot([row.certainty for row in rows], [row.accuracy for row in rows], color="tab:blue", alpha=0.5)
    first.scatter(
        [row.certainty for row in rows],
        [row.accuracy for row in rows],
        s=20 + 280 * images / images.max(),
        color="tab:blue",
        label="answers of one certainty; area: how many",
    )
    first.set_xlabel("certainty of the answer")
    first.set_ylabel("share that is right")
    first.set_title(f"calibration error {error:.4f}")
    first.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), markerscale=0.5, frameon=False)
    if ranked is not None:
        receiver, precision = others
        receiver.plot([0, *ranked.false_alarms], [0, *ranked.recall], color="tab:blue")
        receiver.plot([0, 1], [0, 1], color="grey", linestyle=":")
        receiver.set_xlabel(f"share of {_short(labels[0])} taken for {_short(labels[1])}", parse_math=False)
        receiver.set_ylabel(f"share of {_short(labels[1])} found", parse_math=False)
        receiver.set_title("ROC curve")
        precision.step(ranked.recall, ranked.precision, where="post", color="tab:blue")
        precision.set_xlabel(f"share of {_short(labels[1])} found (recall)", parse_math=False)
        precision.set_ylabel(f"share of answers {_short(labels[1])} that is right (precision)", parse_math=False)
        precision.set_title("precision and recall")
    for axes in (first, *others):
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(alpha=0.3)
    _save(figure, path)


def pictures(images: Pixels, titles: Sequence[str], heading: str, path: str | Path) -> None:
    """Draw images with a line below each.

    Args:
        images: uint8 of shape (images, height, width, channels).
        titles: a line for each image.
        heading: a line for all of them.
        path: where the picture goes.
    """
    columns = min(6, len(images))
    rows = -(-len(images) // columns)
    height = 2.1 * min(2.0, images.shape[1] / images.shape[2])
    figure = Figure(figsize=(2.2 * columns, rows * (height + 0.55) + 0.5), layout="constrained")
    figure.suptitle(heading, fontsize=11, parse_math=False)
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, title in zip(grid, images, titles, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(textwrap.fill(title, 28), fontsize=8, parse_math=False)
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


def learning_curve(rows: Sequence[dict[str, Any]], title: str, path: str | Path) -> None:
    """Draw the errors on training and validation images against the number of training images.

    Args:
        rows: of ``learning_curve.Point``, as mappings.
        title: above the picture.
        path: where it goes.
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
    _save(figure, path)


def verdict(predicted: str, probability: float, true: str | None = None) -> str:
    """Say what a network answered, and what is right where that is known."""
    answer = f"predicted {_short(predicted)} ({probability:.2f})"
    return answer if true is None else f"{answer}, true {_short(true)}"


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def heat_maps(images: Pixels, heat: Floats, titles: Sequence[str], heading: str, path: str | Path) -> None:
    """Draw images, each beside itself with a map of what decided laid over it.

    Args:
        images: uint8 of shape (images, height, width, channels).
        heat: float32 of shape (images, height, width), from 0 to 1.
        titles: a line for each image.
        heading: a line for all of them.
        path: where the picture goes.
    """
    columns = min(2, len(images))
    rows = -(-len(images) // columns)
    height = 2.2 * min(2.0, images.shape[1] / images.shape[2])
    figure = Figure(figsize=(4.6 * columns + 0.8, rows * (height + 0.35) + 0.5), layout="constrained")
    figure.suptitle(heading, fontsize=10, parse_math=False)
    grid, scale = figure.subfigures(1, 2, squeeze=False, width_ratios=(4.6 * columns, 0.8))[0]
    parts = grid.subfigures(rows, columns, squeeze=False).ravel()
    # Not up to 1, where the colours' red turns dark; and what is cold lets the image through.
    colours = ScalarMappable(Normalize(0, 1.15), "turbo")
    for part, image, of_image, title in zip(parts, images, heat, titles, strict=False):
        part.suptitle(title, fontsize=9, parse_math=False)
        for axes in part.subplots(1, 2):
            axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
            axes.set_axis_off()
        axes.imshow(of_image, cmap=colours.cmap, norm=colours.norm, alpha=0.8 * np.sqrt(of_image))
    bar = scale.colorbar(colours, cax=scale.add_axes((0.1, 0.2, 0.2, 0.6)), ticks=(0, 1))
    bar.ax.set_ylim(0, 1)
    bar.set_ticklabels(("none", "most"), fontsize=8)
    _save(figure, path)


def feature_maps(image: Pixels, filters: Floats, stages: Mapping[str, Floats], title: str, path: str | Path) -> None:
    """Draw a network's first filters, and what each stage makes of an image; of many, those that vary the most.

    Args:
        image: uint8 of shape (height, width, channels).
        filters: float32 of shape (filters, height, width, channels).
        stages: for each stage a name, and float32 of shape (height, width, maps).
        title: the picture's.
        path: where it goes.
    """
    aspects = [filters.shape[1] / filters.shape[2], *(maps.shape[0] / maps.shape[1] for maps in stages.values())]
    figure = Figure(figsize=(14.5, 0.6 + sum(0.55 + 0.75 * aspect for aspect in aspects)), layout="constrained")
    figure.suptitle(title, fontsize=11, parse_math=False)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 6))[0]
    shown = left.subplots()
    shown.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
    shown.set_axis_off()
    shown.set_title("image", fontsize=9)
    first, *others = right.subplots(1 + len(stages), 1, height_ratios=[0.55 + 0.75 * aspect for aspect in aspects])
    # With 0 in the middle, whatever the filter: what excites is bright, what inhibits is dark.
    greatest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    _draw_tiles(first, filters, (-greatest, greatest), ("first filters", "grey is 0, bright above, dark below"))
    for axes, (name, maps) in zip(others, stages.items(), strict=True):
        tiles = np.moveaxis(maps, -1, 0)[..., None]
        limits = tiles.min(axis=(1, 2, 3), keepdims=True), tiles.max(axis=(1, 2, 3), keepdims=True)
        _draw_tiles(axes, tiles, limits, (f"{name}: maps", "each from its lowest value to its highest"))
    _save(figure, path)


def _draw_tiles(axes: Axes, tiles: Floats, limits: tuple[Floats, Floats], words: tuple[str, str]) -> None:
    """Draw filters or maps side by side, numbered, in the order that they have in the network.

    Args:
        axes: where.
        tiles: float32 of shape (tiles, height, width, 1 or 3 channels).
        limits: the values that are black and white, for each tile.
        words: what they are, and how their values are shown.
    """
    count, height, width, channels = tiles.shape
    lowest, highest = limits
    scaled = (tiles - lowest) / np.where(highest > lowest, highest - lowest, 1)
    most_varied = np.sort(np.argsort(-tiles.std(axis=(1, 2, 3)), kind="stable")[:TILES])
    for place, number in enumerate(most_varied):
        extent = (place, place + 0.95, 0, 0.95 * height / width)
        axes.imshow(
            scaled[number].squeeze(-1) if channels == 1 else scaled[number], "gray", vmin=0, vmax=1, extent=extent
        )
    of = f"{len(most_varied)} of {count}" if count > len(most_varied) else str(count)
    axes.set_title(f"{words[0]} {height}×{width}, {of}; {words[1]}", fontsize=9, loc="left", parse_math=False)
    axes.set_xlim(0, TILES)
    axes.set_ylim(0, height / width)
    axes.set_xticks(np.arange(len(most_varied)) + 0.475, [str(number + 1) for number in most_varied], fontsize=7)
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def sentence(text: str, path: str | Path) -> None:
    """Draw words where a picture is expected and there is none."""
    figure = Figure(figsize=(6, 3))
    figure.text(0.5, 0.5, textwrap.fill(text, 60), ha="center", va="center", fontsize=11, parse_math=False)
    _save(figure, path)
