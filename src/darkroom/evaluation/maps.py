"""Draw heat maps and feature maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from darkroom.base.types import Floats, Pixels
from darkroom.reporting.figures import drawable, save

INCHES = 2.2
"""Height of a square image among several; a single one has twice as much."""
TILES = 16  # per row; more would be too small to read


def heat_maps(images: Pixels, heat: Floats, titles: Sequence[str], heading: str, path: str | Path) -> None:
    """Draw each image next to a copy overlaid with its heat map.

    Args:
        images: uint8 of shape (images, height, width, channels).
        heat: float32 of shape (images, height, width), from 0 to 1.
        titles: one or two lines per image.
        heading: one line above all images.
        path: output file.
    """
    columns = min(2, len(images))
    rows = -(-len(images) // columns)
    inches = INCHES if len(images) > 1 else 2 * INCHES
    height = inches * min(2.0, images.shape[1] / images.shape[2])
    figure = Figure(figsize=(2.1 * inches * columns + 0.8, rows * (height + 0.5) + 0.5), layout="constrained")
    figure.suptitle(drawable(heading), fontsize=10)
    grid, scale = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.1 * inches * columns, 0.8))[0]
    parts = grid.subfigures(rows, columns, squeeze=False).ravel()
    # The scale exceeds 1, where the colour map's red turns dark; cold areas are transparent.
    colours = ScalarMappable(Normalize(0, 1.15), "turbo")
    for part, image, of_image, title in zip(parts, images, heat, titles, strict=False):
        part.suptitle("\n".join(map(drawable, title.split("\n"))), fontsize=9)
        for axes in part.subplots(1, 2):
            # Smooth, so that a small image looks like the photograph that it was, not like tiles.
            axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="bicubic")
            axes.set_axis_off()
        axes.imshow(of_image, cmap=colours.cmap, norm=colours.norm, alpha=0.8 * np.sqrt(of_image))
    bar = scale.colorbar(colours, cax=scale.add_axes((0.1, 0.2, 0.2, 0.6)), ticks=(0, 1))
    bar.ax.set_ylim(0, 1)
    bar.set_ticklabels(("none", "most"), fontsize=8)
    save(figure, path)


def feature_maps(image: Pixels, filters: Floats, stages: Mapping[str, Floats], title: str, path: str | Path) -> None:
    """Draw a network's first filters and an image's feature maps at each stage; of many, the most varied ones.

    Args:
        image: uint8 of shape (height, width, channels).
        filters: float32 of shape (filters, height, width, channels).
        stages: feature maps by stage name, float32 of shape (height, width, maps).
        title: title of the figure.
        path: output file.
    """
    aspects = [filters.shape[1] / filters.shape[2], *(maps.shape[0] / maps.shape[1] for maps in stages.values())]
    figure = Figure(figsize=(14.5, 0.6 + sum(0.55 + 0.75 * aspect for aspect in aspects)), layout="constrained")
    figure.suptitle(drawable(title), fontsize=11)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 6))[0]
    shown = left.subplots()
    shown.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
    shown.set_axis_off()
    shown.set_title("image", fontsize=9)
    first, *others = right.subplots(1 + len(stages), 1, height_ratios=[0.55 + 0.75 * aspect for aspect in aspects])
    # Grey is 0 for every filter: positive weights are bright, negative ones dark.
    greatest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    _draw_tiles(first, filters, (-greatest, greatest), ("first filters", "grey is 0, bright above, dark below"))
    for axes, (name, maps) in zip(others, stages.items(), strict=True):
        tiles = np.moveaxis(maps, -1, 0)[..., None]
        limits = tiles.min(axis=(1, 2, 3), keepdims=True), tiles.max(axis=(1, 2, 3), keepdims=True)
        _draw_tiles(axes, tiles, limits, (f"{name}: maps", "each from its lowest value to its highest"))
    save(figure, path)


def _draw_tiles(axes: Axes, tiles: Floats, limits: tuple[Floats, Floats], captions: tuple[str, str]) -> None:
    """Draw filters or maps side by side, numbered, in the network's order.

    Args:
        axes: axes to draw on.
        tiles: float32 of shape (tiles, height, width, 1 or 3 channels).
        limits: the values drawn as black and white, for each tile.
        captions: name of the tiles, and the meaning of their values.
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
    axes.set_title(f"{captions[0]} {height}×{width}, {of}; {captions[1]}", fontsize=9, loc="left")
    axes.set_xlim(0, TILES)
    axes.set_ylim(0, height / width)
    axes.set_xticks(np.arange(len(most_varied)) + 0.475, [str(number + 1) for number in most_varied], fontsize=7)
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
