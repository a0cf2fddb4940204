"""The page of the data: classes, sizes, what was left out and why, near-duplicates, odd images, what was checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from darkroom.data.formats.manifest import SPLITS
from darkroom.data.formats.usable import Reason, reasons
from darkroom.overview.pictures import Pictures
from darkroom.reporting import pages

PICTURES = 400
"""Most pictures of all classes together."""
OF_A_CLASS = 8
"""Most pictures of one class."""
SHOWN = 24
"""Most pictures of what was left out for one reason, and of near-duplicate pairs."""
COMMON = 6
"""Most sizes, formats and notes in a list."""
USE = {"train": "training", "validation": "validation", "test": "the test"}
ODD = 16
"""Most odd images."""
ABOUT = {
    "refusal": "readable files",
    "pixel_deviation": "contrast",
    "labels_of_content": "labels of copies",
    "content": "copies",
    "mode": "colour mode",
    "class_size": "size of classes",
    "class_ratio": "balance of classes",
    "quarantined": "files left out",
}
"""What checks on these columns are about."""
UNLABELLED = "no label"
TWO_LABELS = "two labels"


@dataclass(frozen=True)
class Found:
    """What earlier stages found in the data."""

    ingested: pd.DataFrame
    """Manifest of all images that could be read; its index numbers the pictures."""
    divided: pd.DataFrame
    """Manifest of the images in use, with their splits; the same index."""
    quarantine: pd.DataFrame
    pairs: pd.DataFrame
    """Near-duplicates."""
    checks: Mapping[str, Any]
    """Outcome of validation."""
    odd: pd.DataFrame
    """Name, label and picture of training and validation images that resemble no others; the oddest first."""


def page(found: Found, pictures: Pictures, title: str) -> str:
    """Return the page as HTML.

    Args:
        found: what is known of the data.
        pictures: of all images that could be read.
        title: the heading.
    """
    return pages.render(
        "data",
        title=title,
        summary=summary(found.divided, found.quarantine, found.pairs),
        classes=classes(found.divided),
        samples=_samples(found.divided, pictures),
        facts=_facts(found.divided),
        left_out=list(_left_out(found, pictures)),
        pairs=list(_pairs(found, pictures)),
        all_pairs=len(found.pairs),
        odd=list(_odd(found, pictures)),
        checks=list(_checks(found.checks)),
    )


def summary(divided: pd.DataFrame, quarantine: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, int]:
    """Return the counts that describe the data at a glance."""
    return {
        "images": len(divided),
        "classes": divided["label"].nunique(),
        **{f"for {USE[name]}": int((divided["split"] == name).sum()) for name in SPLITS},
        "files left out": len(quarantine),
        "near-duplicate pairs": len(pairs),
        "of these with two labels": int((pairs["what"] == TWO_LABELS).sum()),
    }


def classes(divided: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each class with its number of images in all and in each split, and its share of the largest class."""
    counts = pd.crosstab(divided["label"], divided["split"]).reindex(columns=list(SPLITS), fill_value=0)
    totals = counts.sum(axis=1)
    largest = int(totals.max())
    return [
        {
            "label": str(label),
            "total": int(totals[label]),
            "widths": {name: f"{100 * int(counts.loc[label, name]) / largest:.2f}%" for name in SPLITS},
            **{name: int(counts.loc[label, name]) for name in SPLITS},
        }
        for label in sorted(counts.index)
    ]


def _samples(divided: pd.DataFrame, pictures: Pictures) -> dict[str, list[str]]:
    """Return pictures of each class, spread over its training images: test images are for evaluation alone."""
    training = divided[divided["split"] == "train"]
    each = min(OF_A_CLASS, PICTURES // training["label"].nunique())
    found = {}
    for label, rows in training.groupby("label"):
        step = max(1, len(rows) // max(each, 1))
        found[str(label)] = [pictures.embedded(int(row)) for row in rows.index[::step][:each]]
    return found


def _facts(divided: pd.DataFrame) -> dict[str, Any]:
    sizes = divided["width"].astype(str) + "×" + divided["height"].astype(str)
    extent = {side: f"{divided[side].min()} to {divided[side].max()} pixels, median {divided[side].median():.0f}"
              for side in ("width", "height")}  # fmt: skip
    notes = divided.loc[divided["note"] != "", "note"]
    return {
        **extent,
        "commonest sizes, with their images": _commonest(sizes),
        "formats": _commonest(divided["format"].replace("", "none")),
        "colour modes": _commonest(divided["mode"]),
        **({"notes": _commonest(notes)} if len(notes) else {}),
    }


def _commonest(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().head(COMMON).items()}


def _left_out(found: Found, pictures: Pictures) -> Iterator[dict[str, Any]]:
    """Yield what was left out by reason: the number, what to do, and the first images."""
    read = _row_of(found.ingested)
    for reason in reasons(found.quarantine):
        chosen = found.quarantine.iloc[list(reason.rows[:SHOWN])].to_dict("records")
        figures = [
            pictures.figure(read.get(row["name"]), [row["name"], row["label"] or UNLABELLED, *_own(row, reason)])
            for row in chosen
        ]
        yield {"reason": reason.text, "count": reason.files, "remedy": reason.remedy, "figures": figures}


def _own(row: Mapping[Any, Any], reason: Reason) -> list[str]:
    """Return why an image was left out, if it is not what stands above all of them."""
    return [] if row["reason"] == reason.text else [row["reason"]]


def _row_of(rows: pd.DataFrame) -> dict[str, int]:
    """Return the row of each image's picture, by name."""
    return dict(zip(rows["name"].tolist(), rows.index.tolist(), strict=True))


def _pairs(found: Found, pictures: Pictures) -> Iterator[dict[str, Any]]:
    """Yield near-duplicates side by side, those with two labels first."""
    row_of = _row_of(found.divided)
    for pair in found.pairs.head(SHOWN).itertuples(index=False):
        yield {
            "what": pair.what,
            "similarity": float(str(pair.similarity)),
            "figures": [
                pictures.figure(row_of.get(name), [name, label, split])
                for name, label, split in (
                    (str(pair.image), str(pair.label), str(pair.split)),
                    (str(pair.other), str(pair.other_label), str(pair.other_split)),
                )
            ],
        }


def _odd(found: Found, pictures: Pictures) -> Iterator[dict[str, Any]]:
    for row in found.odd.to_dict("records"):
        yield pictures.figure(int(row["picture"]), [row["name"], row["label"]])


def _checks(checks: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the expectations, those that did not hold first; what to do is said of these alone."""
    for check in sorted(checks["expectations"], key=lambda check: bool(check["success"])):
        column, holds = check["column"], bool(check["success"])
        yield {
            "about": ABOUT.get(column, column.replace("_", " ")),
            "expected": check["meaning"].partition("; ")[0] if holds else check["meaning"],
            "found": _seen(column, check["observed"]),
            "holds": "yes" if holds else "no",
        }


def _seen(column: str, observed: str) -> str:
    """Return what a check found; what is wrong with each image stands above, where it is left out."""
    number = observed.removesuffix(" found")
    if number == observed:
        images, _, _ = observed.partition(" have ")
        return f"{images} break it" if images.endswith(" images") else images
    of_all = {"content": "{:.1%} are not copies", "quarantined": "{:.1%} of all files"}
    return of_all[column].format(float(number)) if column in of_all else number
