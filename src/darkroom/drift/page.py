"""The self-contained HTML page of ``darkroom drift``."""

from typing import Any

import numpy as np

from darkroom.base import wording
from darkroom.base.types import Integers, Numbers
from darkroom.drift import distances, permutation, samples
from darkroom.drift.blocks import Blocks
from darkroom.drift.comparison import Comparison, ImageSet
from darkroom.drift.distances import Labels
from darkroom.drift.groups import Group
from darkroom.reporting import pages

SHOWN = 8  # images per group
CLASSES_SHOWN = 20
BINS = 40
NEIGHBOURS = 5
CHART = (640, 120)  # width and height in SVG units


def page(comparison: Comparison) -> str:
    """Return the page as HTML: all tests, distributions, and the most deviating images next to typical ones."""
    content = _sections(comparison)
    sections = [
        {
            "test": outcome.test,
            "drift": outcome.drift,
            "p": wording.p_value(outcome.corrected_p),
            **content[outcome.test],
        }
        for outcome in sorted(comparison.outcomes, key=lambda outcome: outcome.p)
    ]
    return pages.render(
        "drift",
        title=comparison.verdict.capitalize(),
        drifted=bool(comparison.drifted),
        facts=[*comparison.facts, *comparison.notes],
        rows=[outcome.cells() for outcome in comparison.outcomes],
        groups=[group_cells(group) for group in comparison.groups],
        sections=sections,
    )


def group_cells(group: Group) -> dict[str, str]:
    """Return a group as a row of the page: in one cell, an Arabic column and its value would change places."""
    rest = {name: text for name, text in group.cells().items() if name != "group"}
    return {"column": group.column, "value": group.value, **rest}


def _sections(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Return the content of each section, by test."""
    training, new, validation = comparison.training, comparison.new, comparison.validation
    known, of_new = training.sample, new.sample
    sections = {
        name: _of_values(training, values, new, of_new.measures[name], "training")
        for name, values in known.measures.items()
    }
    if known.labels is not None and of_new.labels is not None:
        sections["labels"] = _of_classes(training, known.labels, new, of_new.labels, "training")
    for name in {*known.columns} & {*of_new.columns}:
        test = f"{permutation.OF_COLUMN}{name}"
        sections[test] = _of_classes(training, known.columns[name], new, of_new.columns[name], "training")
    if validation is not None and validation.sample.embeddings is not None and of_new.embeddings is not None:
        before, now = validation.sample.embeddings, of_new.embeddings
        sections["predictions"] = _of_classes(validation, before.predictions, new, now.predictions, "validation")
        sections["features"] = _of_features(validation, before, new, now)
    return sections


def _of_features(
    validation: ImageSet, known: samples.Embeddings, new: ImageSet, of_new: samples.Embeddings
) -> dict[str, Any]:
    weights = Blocks.of(known.blocks, of_new.blocks).weights
    points = distances.standardised(np.concatenate([known.features, of_new.features]), weights)
    known_points, new_points = np.split(points, [len(known)])
    # The nearest neighbour is the image itself, at distance 0: skip it.
    among = np.sort(distances.distances_between(known_points, known_points), axis=1)[:, 1 : NEIGHBOURS + 1].mean(axis=1)
    across = np.sort(distances.distances_between(new_points, known_points), axis=1)[:, :NEIGHBOURS].mean(axis=1)
    explanation = f"Mean distance of an image's features to the {NEIGHBOURS} nearest validation images."
    return {**_of_values(validation, among, new, across, "validation"), "explanation": explanation}


def _of_values(known: ImageSet, of_known: Numbers, new: ImageSet, of_new: Numbers, kind: str) -> dict[str, Any]:
    """Show a statistic: both distributions, the most deviating new images, and typical known ones."""
    middle = np.median(of_known)
    furthest = np.argsort(-np.abs(of_new - middle), kind="stable")[:SHOWN]
    typical = np.argsort(np.abs(of_known - middle), kind="stable")[:SHOWN]
    groups = [
        _pictures("Most deviating new images", new, furthest, of_new),
        _pictures(f"Typical {kind} images", known, typical, of_known),
    ]
    return {"explanation": "", "chart": _chart(of_known, of_new, kind), "bars": None, "groups": groups}


def _of_classes(known: ImageSet, of_known: Labels, new: ImageSet, of_new: Labels, kind: str) -> dict[str, Any]:
    """Show the class shares of both samples, and images of the classes that grew and shrank most."""
    shares = permutation.label_shares(of_known, of_new)
    by_growth = sorted(shares, key=lambda label: shares[label][1] - shares[label][0])
    shrunk, grown = by_growth[0], by_growth[-1]
    now, before = (np.flatnonzero(of_new == grown)[:SHOWN], np.flatnonzero(of_known == shrunk)[:SHOWN])
    groups = [
        {**_pictures("New images of the class that grew most", new, now), "name": grown},
        {**_pictures(f"{kind.capitalize()} images of the class that shrank most", known, before), "name": shrunk},
    ]
    return {"explanation": "", "chart": None, "bars": _bars(shares, kind), "groups": groups}


def _bars(shares: dict[str, tuple[float, float]], kind: str) -> dict[str, Any]:
    most_moved = sorted(shares, key=lambda label: -abs(shares[label][1] - shares[label][0]))[:CLASSES_SHOWN]
    longest = max(max(pair) for pair in shares.values())
    rows = [
        {
            "label": label,
            "known": f"{known:.1%}",
            "new": f"{new:.1%}",
            "known_width": f"{known / longest:.1%}",
            "new_width": f"{new / longest:.1%}",
        }
        for label, (known, new) in sorted((label, shares[label]) for label in most_moved)
    ]
    return {"kind": kind, "rows": rows, "more": len(shares) - len(most_moved)}


def _chart(known: Numbers, new: Numbers, kind: str) -> dict[str, Any]:
    """Return the paths of both histograms, each scaled to full height."""
    low, high = float(min(known.min(), new.min())), float(max(known.max(), new.max()))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts = [np.histogram(values, edges)[0] for values in (known, new)]
    paths = [_steps(of_one / of_one.max()) for of_one in counts]
    width, height = CHART
    size = {"width": width, "height": height}
    return {"kind": kind, **size, "known": paths[0], "new": paths[1], "low": low, "high": high}


def _steps(heights: Numbers) -> str:
    """Return the SVG path of a histogram."""
    width, height = CHART
    each = width / len(heights)
    tops = "".join(f"V{height * (1 - top):.1f}H{(bar + 1) * each:.1f}" for bar, top in enumerate(heights))
    return f"M0 {height}{tops}V{height}"


def _pictures(title: str, of: ImageSet, rows: Integers, values: Numbers | None = None) -> dict[str, Any]:
    """Return images with captions: names and values."""
    figures = [
        {
            "picture": pages.embed_image(of.pixels[row]),
            "lines": [
                {"text": text, "kind": ""}
                for text in (of.names[row], *(() if values is None else (f"{values[row]:.4g}",)))
            ],
        }
        for row in rows.tolist()
    ]
    return {"title": title, "name": "", "figures": figures}
