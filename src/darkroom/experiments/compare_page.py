"""The page of ``darkroom compare``: the scores of two models, and the images that they predict differently."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from darkroom.base import wording
from darkroom.base.types import Pixels
from darkroom.data.prepared.prepared import Prepared
from darkroom.experiments import compare
from darkroom.experiments.compare import Compared
from darkroom.reporting import pages

SHOWN = 60  # pictures per section


def find_pictures(prepared: Prepared, found: Compared) -> dict[str, Pixels]:
    """Return the images with different predictions, by hash, as far as the prepared test images contain them.

    Args:
        prepared: the packed images.
        found: the comparison.
    """
    if not prepared.has("test"):
        return {}
    identity = str(found.disagreeing.index.name)
    hashes, packed = prepared.manifest("test", [identity])[identity], prepared.images("test")
    wanted = set(found.disagreeing.index)
    # Copies share a picture; the first is shown.
    first = {one: row for row, one in reversed(list(enumerate(hashes))) if one in wanted}
    return {one: np.asarray(packed[row]) for one, row in first.items()}


def page(one: str, other: str, found: Compared, pictures: Mapping[str, Pixels]) -> str:
    """Render the page as HTML.

    Args:
        one: name of the first model.
        other: name of the second.
        found: the comparison.
        pictures: the images by hash, uint8 of shape (height, width, channels).
    """
    apart = found.disagreeing
    right = {name: (apart[name] == apart["label"]).to_numpy() for name in (one, other)}
    kinds = {
        f"Only {other} is correct": right[other],
        f"Only {one} is correct": right[one],
        "Both are wrong, with different predictions": ~right[one] & ~right[other],
    }
    return pages.render(
        "comparison",
        title=f"{one} and {other} compared",
        sentence=compare.summary_line(other, found),
        rows=[_row(row) for row in found.rows],
        sections=[_section(kind, apart[chosen], found.confidence[chosen], pictures) for kind, chosen in kinds.items()],
    )


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a score as it is shown; an interval is on its own line where there is little room."""
    shown = {
        name: f"{value:+.4f}" if isinstance(value, float) else tuple(str(value).split(" ", 1))
        for name, value in row.items()
    }
    return {**shown, "score": wording.score_name(row["score"])}


def _section(
    title: str, rows: pd.DataFrame, confidence: pd.DataFrame, pictures: Mapping[str, Pixels]
) -> dict[str, Any]:
    """Return a section of the page, its images ordered by the lower confidence of both models, descending."""
    order = confidence.min(axis=1).sort_values(ascending=False, kind="stable").index[:SHOWN]
    figures = [_figure(rows.loc[one], confidence.loc[one], pictures.get(str(one))) for one in order]
    return {"title": title, "count": len(rows), "figures": figures}


def _figure(row: pd.Series, confidence: pd.Series, pixels: Pixels | None) -> dict[str, Any]:
    predictions = [
        {
            "text": [f"{name}: ", str(row[name]), f" ({confidence[name]:.2f})"],
            "kind": "good" if row[name] == row["label"] else "bad",
        }
        for name in confidence.index
    ]
    names = [{"text": text, "kind": ""} for text in (str(row["image"]), ["label ", str(row["label"])])]
    return {"picture": None if pixels is None else pages.embed_image(pixels), "lines": [*names, *predictions]}
