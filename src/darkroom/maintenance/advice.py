"""Advice where settings in params.yaml do not fit the images."""

from collections.abc import Iterator

import pandas as pd

from darkroom.base import wording
from darkroom.base.terminal import shown
from darkroom.networks import pretrained
from darkroom.params import Params

DETAIL_LOST = 4
"""Factor by which images are reduced, from which on it is worth mentioning."""
IMPRECISE = 0.05
"""Half-width of the accuracy's interval from which on the number of test images is worth mentioning."""
CONFIGURE = "darkroom configure chooses settings that fit"


def advice(params: Params, rows: pd.DataFrame) -> Iterator[str]:
    """Yield a line for each setting that does not fit the images.

    Args:
        params: the whole of params.yaml.
        rows: manifest of the usable images, with their splits; see ``assign.assign``.
    """
    sides = rows[["width", "height"]]
    shorter, longer = int(sides.min(axis=1).median()), int(sides.max(axis=1).median())
    height, width, channels = params.preprocess.size
    median = f"the median image has {longer}×{shorter} pixels"
    is_pretrained = any(params.network(name).initial_weights for name in params.models)
    if pretrained.is_better(shorter, len(rows)) and not is_pretrained:
        yield (
            f"advice: {median}, and no network in models is pretrained; with {len(rows)} images a pretrained one is "
            f"far better (docs/photographs.md); {CONFIGURE}"
        )
    if shorter > DETAIL_LOST * max(height, width):
        yield f"advice: {median}, reduced to {width}×{height} by preprocess.size; {CONFIGURE}"
    if channels == 1 and _are_colourful(rows):
        yield f"advice: the images are in colour, but preprocess.size[2] is 1, which makes them grey; {CONFIGURE}"
    yield from _of_batches(params, rows)
    yield from _of_precision(rows)


def _of_batches(params: Params, rows: pd.DataFrame) -> Iterator[str]:
    """Yield a line if batches are larger than the smallest class."""
    counts = rows["label"].value_counts().sort_index()
    label, images = counts.idxmin(), int(counts.min())
    networks = {name: params.network(name) for name in params.models}
    # L-BFGS takes all images at once.
    sizes = {name: values.batch_size for name, values in networks.items() if values.optimizer != "lbfgs"}
    if large := [name for name, size in sizes.items() if isinstance(size, int) and size > images]:
        yield (
            f"advice: class {shown(str(label))} has {images} images, less than the batch_size of {', '.join(large)}, "
            f"with which an epoch has few steps; {CONFIGURE}"
        )


def _of_precision(rows: pd.DataFrame) -> Iterator[str]:
    """Yield a line if the test images are so few that the accuracy is hardly known."""
    images = int(rows.loc[rows["split"] == "test", "cluster"].nunique())
    if wording.half_width(images) > IMPRECISE:
        yield f"advice: {wording.accuracy_known(images, 'independent test images')}; more images make it more precise"


def _are_colourful(rows: pd.DataFrame) -> bool:
    """Return whether the means of red, green and blue differ by more than one level in most images."""
    means = rows[["red", "green", "blue"]]
    return bool(((means.max(axis=1) - means.min(axis=1)) > 1).mean() > 0.5)  # noqa: PLR2004
