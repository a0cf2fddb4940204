"""Describe how a source was read: classes, splits, and what is left out."""

from collections.abc import Iterator

import pandas as pd

from darkroom.base.terminal import shown
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.formats.usable import left_out_line
from darkroom.data.ingestion.ingest import Ingested
from darkroom.data.sources import Found

CLASSES_SHOWN = 20


def account(found: Found, ingested: Ingested) -> list[str]:
    """Return lines on how a source was read: classes and splits with their numbers of images, and what is left out."""
    lines = [*_classes_and_splits(ingested.manifest), *found.notes]
    if len(ingested.quarantine):
        lines.append(left_out_line(ingested.manifest, ingested.quarantine))
    return lines


def _classes_and_splits(rows: pd.DataFrame) -> Iterator[str]:
    sizes = rows["label"].value_counts().sort_index()
    named = [f"{shown(str(label))} ({count})" for label, count in sizes.head(CLASSES_SHOWN).items()]
    more = f" and {len(sizes) - CLASSES_SHOWN} more" if len(sizes) > CLASSES_SHOWN else ""
    yield f"classes: {', '.join(named)}{more}"
    given = rows["given_split"].value_counts()
    counts = [f"{split} ({given[split]})" for split in SPLITS if split in given]
    if not counts:
        yield "splits: none given; assigned by preprocess.split"
        return
    lacking = [split for split in SPLITS if split not in given]
    rest = f"; {' and '.join(lacking)} images are taken from train" if lacking else ""
    unassigned = f"; {given['']} images without a split are divided" if "" in given else ""
    yield f"splits given: {', '.join(counts)}{rest}{unassigned}"
