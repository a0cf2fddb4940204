"""``reports/label_audit.html``: the pictures that the label audit doubts, the surest first."""

from typing import Any

from darkroom.base.types import Pixels
from darkroom.base.wording import counted, percent
from darkroom.labelling.audit import ERROR, ODD, TWO_LABELS, Audit
from darkroom.labelling.out_of_fold import FOLDS
from darkroom.labelling.suspects import LEAST_RATE
from darkroom.reporting import audited, pages

SHOWN = 120
"""Most pictures of a kind on the page; the table has all."""
TITLES = {
    TWO_LABELS: "The same picture with two labels",
    ERROR: "Likely label errors",
    ODD: "Unlike their class",
}
TEXTS = {
    TWO_LABELS: (
        "Near-duplicates with two labels: at least one of them is wrong. Suggested is the one that the model finds "
        "more probable."
    ),
    ERROR: (
        "The given label, and the one that a model suggests which was trained without the picture and its "
        "near-duplicates. Some of the given labels are right: look before you correct."
    ),
    ODD: (
        "Much farther from the other pictures of their class than is usual there. Some are rare but right; others show "
        "nothing of the class and should be removed from the data."
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
    counts = {**audit.summary(), "judged": 0}  # said in a note
    said = audited.line(counts)
    return said[0].upper() + said[1:]


def _notes(audit: Audit, made_of: str, limits: str) -> list[str]:
    found = audit.found
    judge = f"Each picture is judged by a model that was trained on others: logistic regression on {made_of}."
    notes = [f"{judge} It agrees with {percent(found.agreement)} of the labels ({FOLDS}-fold cross-validation)."]
    if not found.silent and found.rate < LEAST_RATE:
        notes.append("Few labels seem to be wrong. Listed are the least probable ones, of at most one picture in 100.")
    elif not found.silent:
        notes.append(f"About {percent(found.rate)} of the labels are estimated to be wrong.")
    if limits:
        notes.append(f"Limit: {limits}.")
    if found.weak:
        names = ", ".join(audit.labels[number] for number in found.weak)
        notes.append(f"Nothing is said about labels that this model often misses: {names}.")
    if audit.judged:
        judged = counted(audit.judged, "picture")
        notes.append(f"Not listed again: {judged} that people have judged (data/labels.csv).")
    return notes


def _figure(line: Any, pixels: Pixels) -> dict[str, Any]:
    said = [line.label, " → ", line.suggested] if line.suggested else line.label
    # Rounded down: nothing is wrong with certainty.
    how_sure = f"{line.distance:.1f}× as far as usual" if line.kind == ODD else f"{int(100 * line.sure)} % likely wrong"
    texts = [how_sure, line.name, *([["like ", line.other]] if line.other else [])]
    lines = [{"text": said, "kind": "" if line.kind == ODD else "bad"}, *({"text": text, "kind": ""} for text in texts)]
    return {"picture": pages.embed_thumbnail(pixels), "lines": lines}
