"""The page of ``darkroom drift``: one file that shows what has moved, and needs nothing else to be shown."""

from html import escape

import numpy as np

from darkroom import drift
from darkroom.datasets import Integers
from darkroom.drift import Labels, Numbers
from darkroom.drifting import Comparison, Pictures
from darkroom.pages import address_of, document

SHOWN = 8  # pictures of each kind
CLASSES_SHOWN = 20
BINS = 40
NEIGHBOURS = 5
CHART = (640, 120)  # width and height in units of the drawing

STYLE = """
h1.drift, .drift, .new { color: var(--new); }
h1.none { color: var(--good); }
.axis { color: var(--faint); }
details { border-top: 1px solid var(--line); padding: .8rem 0; }
summary { cursor: pointer; font-weight: 600; }
svg { display: block; height: auto; max-width: 640px; width: 100%; }
.of-training { fill: var(--known); opacity: .55; }
.of-new { fill: none; stroke: var(--new); stroke-width: 2; }
.axis { display: flex; font-size: .8rem; justify-content: space-between; max-width: 640px; }
.bar { height: .6rem; min-width: 1px; }
.bar.training { background: var(--known); }
.bar.new { background: var(--new); }
td.bars { width: 60%; }
"""


def page(comparison: Comparison) -> str:
    """Write what was compared, what has moved, and the images that moved most beside typical ones."""
    drifted = comparison.drifted
    verdict = comparison.verdict.capitalize()
    facts = "".join(f"<p class=facts>{escape(line)}</p>" for line in [*comparison.facts, *comparison.notes])
    shown = _sections(comparison)
    sections = "".join(
        f"<details{' open' * outcome.drift}><summary>{escape(outcome.test)}: {_p_values(outcome)}</summary>"
        f"{shown[outcome.test]}</details>"
        for outcome in sorted(comparison.outcomes, key=lambda outcome: outcome.p)
    )
    head = f'<h1 class="{"drift" if drifted else "none"}">{escape(verdict)}</h1>{facts}'
    return document(verdict, f"{head}<div class=scroll>{_table(comparison)}</div>{sections}", STYLE)


def _table(comparison: Comparison) -> str:
    rows = [outcome.row() for outcome in comparison.outcomes]
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join(
        f"<tr{' class=drift' * row['drift']}>{''.join(f'<td>{escape(_text(value))}</td>' for value in row.values())}"
        for row in rows
    )
    return f"<table><thead><tr>{head}</thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _p_values(outcome: drift.Outcome) -> str:
    verdict = "<span class=drift>drift</span>" if outcome.drift else "no drift"
    return f"{verdict}, corrected p {outcome.corrected_p:.3g}"


def _sections(comparison: Comparison) -> dict[str, str]:
    """Show each test."""
    training, new, held_out = comparison.training, comparison.new, comparison.held_out
    known, of_new = training.sample, new.sample
    sections = {
        name: _of_values(training, values, new, of_new.measures[name], "training")
        for name, values in known.measures.items()
    }
    if known.labels is not None and of_new.labels is not None:
        sections["labels"] = _of_classes(training, known.labels, new, of_new.labels, "training")
    if held_out is not None and held_out.sample.seen is not None and of_new.seen is not None:
        seen = held_out.sample.seen
        sections["answers"] = _of_classes(held_out, seen.answers, new, of_new.seen.answers, "validation")
        sections["features"] = _of_features(held_out, seen, new, of_new.seen)
    return sections


def _of_features(held_out: Pictures, known: drift.Seen, new: Pictures, seen: drift.Seen) -> str:
    points = drift.standardised(np.concatenate([known.features, seen.features]))
    known_points, new_points = np.split(points, [len(known)])
    # Without itself, from which an image is 0 away.
    among = np.sort(drift.distances_between(known_points, known_points), axis=1)[:, 1 : NEIGHBOURS + 1].mean(axis=1)
    across = np.sort(drift.distances_between(new_points, known_points), axis=1)[:, :NEIGHBOURS].mean(axis=1)
    what = f"<p class=facts>Distance of an image's features to the {NEIGHBOURS} nearest validation images.</p>"
    return what + _of_values(held_out, among, new, across, "validation")


def _of_values(known: Pictures, of_known: Numbers, new: Pictures, of_new: Numbers, kind: str) -> str:
    """Show a number of each image: both distributions, the new images furthest off, and typical known ones."""
    middle = np.median(of_known)
    furthest = np.argsort(-np.abs(of_new - middle), kind="stable")[:SHOWN]
    typical = np.argsort(np.abs(of_known - middle), kind="stable")[:SHOWN]
    return (
        _chart(of_known, of_new, kind)
        + _pictures("New images that moved most", new, furthest, of_new)
        + _pictures(f"Typical {kind} images", known, typical, of_known)
    )


def _of_classes(known: Pictures, of_known: Labels, new: Pictures, of_new: Labels, kind: str) -> str:
    """Show the share of each class in both, and images of those whose shares have changed most."""
    shares = drift.label_shares(of_known, of_new)
    by_growth = sorted(shares, key=lambda label: shares[label][1] - shares[label][0])
    shrunk, grown = by_growth[0], by_growth[-1]
    now, before = (np.flatnonzero(of_new == grown)[:SHOWN], np.flatnonzero(of_known == shrunk)[:SHOWN])
    return (
        _bars(shares, kind)
        + _pictures(f"New images of the class that has grown most: {grown}", new, now)
        + _pictures(f"{kind.capitalize()} images of the class that has shrunk most: {shrunk}", known, before)
    )


def _bars(shares: dict[str, tuple[float, float]], kind: str) -> str:
    most_moved = sorted(shares, key=lambda label: -abs(shares[label][1] - shares[label][0]))[:CLASSES_SHOWN]
    longest = max(max(pair) for pair in shares.values())
    rows = "".join(
        f"<tr><td>{escape(label)}<td>{known:.1%}<td class=new>{new:.1%}"
        f'<td class=bars><div class="bar training" style="width:{known / longest:.1%}"></div>'
        f'<div class="bar new" style="width:{new / longest:.1%}"></div>'
        for label, (known, new) in sorted((label, shares[label]) for label in most_moved)
    )
    more = len(shares) - len(most_moved)
    left = f"<p class=facts>{more} classes that have moved less are not shown.</p>" if more else ""
    return f"<table><thead><tr><th>class<th>{kind}<th class=new>new<th></thead><tbody>{rows}</tbody></table>{left}"


def _chart(known: Numbers, new: Numbers, kind: str) -> str:
    """Draw the distributions of both, each to its own height: the known images filled, the new ones as a line."""
    low, high = float(min(known.min(), new.min())), float(max(known.max(), new.max()))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts = [np.histogram(values, edges)[0] for values in (known, new)]
    paths = [_steps(of_one / of_one.max()) for of_one in counts]
    width, height = CHART
    return (
        f'<h3><span style="color:var(--known)">■</span> {kind}, <span class=new>▬ new</span></h3>'
        f'<svg viewBox="0 -2 {width} {height + 2}" role="img" aria-label="distribution in both">'
        f'<path class=of-training d="{paths[0]}Z"/><path class=of-new d="{paths[1]}"/></svg>'
        f"<div class=axis><span>{low:.4g}</span><span>{high:.4g}</span></div>"
    )


def _steps(heights: Numbers) -> str:
    """Return a path along the tops of bars."""
    width, height = CHART
    each = width / len(heights)
    tops = "".join(f"V{height * (1 - top):.1f}H{(bar + 1) * each:.1f}" for bar, top in enumerate(heights))
    return f"M0 {height}{tops}V{height}"


def _pictures(title: str, of: Pictures, rows: Integers, values: Numbers | None = None) -> str:
    """Show images side by side, with their names and values."""
    shown = "".join(
        f'<figure><img alt="" src="{address_of(of.pixels[row])}"><figcaption>{escape(of.names[row])}'
        f"{'' if values is None else f'<br>{values[row]:.4g}'}</figcaption></figure>"
        for row in rows.tolist()
    )
    return f"<h3>{escape(title)}</h3><div class=pictures>{shown}</div>"
