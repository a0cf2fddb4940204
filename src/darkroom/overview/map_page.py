"""The map of the data: each point a picture, near the pictures that it resembles; a lasso lists their files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkroom.base import terminal
from darkroom.base.types import Floats, Integers
from darkroom.data.prepared.described import Described
from darkroom.overview import projection
from darkroom.overview.pictures import Pictures
from darkroom.reporting import pages

MOST = 5000
"""Maximum number of images on a map, for which t-SNE takes ten seconds; larger data are sampled."""
SIDE = 40
"""Of a picture in pixels."""
COLOURS = ("label", "split", "audit", "cluster")
"""Columns by which points can be coloured."""
SCRIPT = Path(pages.__file__).parent / "templates" / "map.js"


def chosen(images: int, seed: int) -> Integers:
    """Return the rows that are on the map, ascending."""
    if images <= MOST:
        return np.arange(images)
    return np.sort(np.random.default_rng(seed).choice(images, MOST, replace=False))


def page(described: Described, images: pd.DataFrame, pictures: Pictures, seed: int) -> str:
    """Return the page as HTML.

    Args:
        described: the features of the images.
        images: ``name``, ``label`` and ``split`` of each, what the ``audit`` says of it, the row of its ``picture``.
        pictures: of the ingested images.
        seed: of the places, and of the sample if there are more than ``MOST`` images.
    """
    features = described.features()
    rows = chosen(len(features), seed)
    at = projection.places(features[rows], seed)
    shown = images.iloc[rows].assign(cluster=_clusters(features[rows], images["label"].iloc[rows], seed))
    columns = int(np.ceil(np.sqrt(len(rows))))
    return pages.render(
        "map",
        title="Map of the data",
        record=described.record(),
        images=len(features),
        shown=len(rows),
        points={
            "names": (names := shown["name"].tolist()),
            # The list of files has names as they are; the text beside the pointer is for reading.
            "shown": {
                point: readable for point, name in enumerate(names) if (readable := terminal.shown(name)) != name
            },
            "x": at[:, 0].tolist(),
            "y": at[:, 1].tolist(),
            "colours": [_coloured(name, shown[name]) for name in COLOURS if name in shown],
            "side": SIDE,
            "columns": columns,
        },
        sheet=pages.embed_sheet(pictures.pixels(shown["picture"].tolist()), SIDE, columns),
        script=SCRIPT.read_text(encoding="utf-8"),
    )


def _clusters(features: Floats, labels: pd.Series, seed: int) -> list[str]:
    """Return the name of each image's cluster: its number, and the commonest label in it."""
    numbers = projection.clusters(features, seed)
    counts = pd.crosstab(numbers, labels.astype(str).to_numpy())
    commonest = counts.idxmax(axis=1).tolist()
    digits = len(str(len(commonest)))  # so that names sort like numbers
    return [f"{number + 1:0{digits}}, mostly {commonest[number]}" for number in numbers.tolist()]


def _coloured(name: str, values: pd.Series) -> dict[str, Any]:
    """Return a property of the points: its kinds, the commonest first, and the number of each point's kind."""
    kinds = values.astype(str).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    number = {kind: index for index, kind in enumerate(kinds.index)}
    return {
        "name": name,
        "kinds": [terminal.shown(kind) for kind in kinds.index],
        "counts": kinds.tolist(),
        "of": values.astype(str).map(number).tolist(),
    }
