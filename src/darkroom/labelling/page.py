"""``reports/label_audit.html``: the pictures that the label audit doubts, the surest first."""

from typing import Any

from darkroom.base.types import Pixels
from darkroom.labelling.audit import ERROR, ODD, TWO_LABELS, Audit
from darkroom.labelling.suspects import LEAST_RATE
from darkroom.reporting import pages

SHOWN = 120
"""Most pictures of a kind on the page; the table has all."""
TITLES = {
    TWO_LABELS: "The same picture with two labels",
    ERROR: "Likely label errors",
    ODD: "Odd ones out",
}
TEXTS = {
    TWO_LABELS: "At least one label of each pair is wrong. Suggested is the label of both that the model prefers.",
    ERROR: (
        "A model that was trained without the picture and its near-duplicates finds the given label improbable. Some "
        "of these labels are right: look before you correct."
    ),
    ODD: (
        "Far from all other pictures of their class, by the number of times that is usual. Some are rare but right; "
        "some show nothing of the class and had better be removed from the data."
    ),
}


def page(audit: Audit, pictures: Pixels, made_of: str, limits: str) -> str:
    """Return the page as HTML.

    Args:
        audit: the audit.
        pictures: prepared pixels of the lines that ``shown`` names, in that order.
        made_of: what the features are of.
        limits: what they cannot tell.
    """
    drawn = dict(zip(shown(audit), pictures, strict=True))
    sections = []
    for kind, title in TITLES.items():
        lines = audit.table[audit.table["kind"] == kind]
        numbered = zip(lines.index.tolist(), lines.itertuples(), strict=True)
        figures = [_figure(line, drawn[at]) for at, line in numbered if at in drawn]
        sections.append({"title": title, "text": TEXTS[kind], "count": len(lines), "figures": figures})
    return pages.render(
        "label_audit",
        title="Label audit",
        sentence=_sentence(audit),
        notes=_notes(audit, made_of, limits),
        sections=sections,
    )


def shown(audit: Audit) -> list[int]:
    """Return the lines of the table that the page shows."""
    return [line for kind in TITLES for line in audit.table.index[audit.table["kind"] == kind][:SHOWN].tolist()]


def _sentence(audit: Audit) -> str:
    counts = audit.summary()
    others = (
        f"{counts['two_labels']} pictures with a near-duplicate of another label, {counts['odd_ones']} odd ones out"
    )
    if audit.found.silent:
        return f"No label errors are suggested: {audit.found.silent}. Besides: {others}"
    return f"{counts['label_errors']} likely label errors, {others}"


def _notes(audit: Audit, made_of: str, limits: str) -> list[str]:
    found = audit.found
    notes = [f"Logistic regression on {made_of} agrees with {found.agreement:.1%} of the labels, out of fold."]
    if not found.silent and found.rate < LEAST_RATE:
        notes.append("Few labels seem to be wrong; listed are the least probable ones, at most one of 100 pictures.")
    elif not found.silent:
        notes.append(f"About {found.rate:.1%} of the labels are estimated to be wrong.")
    if limits:
        notes.append(f"Limit: {limits}.")
    if found.weak:
        names = ", ".join(audit.labels[number] for number in found.weak)
        notes.append(f"Nothing is said about labels that this model often misses: {names}.")
    if audit.judged:
        notes.append(f"{audit.judged} pictures that people have judged already (data/labels.csv) are left out.")
    return notes


def _figure(line: Any, pixels: Pixels) -> dict[str, Any]:
    lines = [{"text": f"{line.label} → {line.suggested or '?'}", "kind": "bad"}]
    lines.append({"text": f"{line.distance:.1f}× as far" if line.kind == ODD else f"sure: {line.sure:.2f}", "kind": ""})
    lines.append({"text": line.name, "kind": ""})
    if line.other:
        lines.append({"text": f"like {line.other}", "kind": ""})
    return {"picture": pages.embed_thumbnail(pixels), "lines": lines}
