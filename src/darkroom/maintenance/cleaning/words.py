"""Output of ``darkroom clean``: table rows, and lines about what was freed."""

from collections.abc import Sequence
from typing import Any

from darkroom import repository
from darkroom.maintenance.cleaning.things import Thing, shown_size
from darkroom.tracking import address

STARTS_OVER = {
    "searches": "an interrupted search starts over",
    "trainings": "an interrupted training starts over",
    "images": "all images are decoded again at the next ingestion",
}


def row_of(what: str, things: Sequence[Thing], kept: str = "", freed: str = "") -> dict[str, Any]:
    """Return a table row with the number of items of one kind and, if known, their size in bytes."""
    sizes = [thing.size for thing in things if thing.size is not None]
    size = sum(sizes) if len(sizes) == len(things) else None
    return {"what": what, "items": len(things), "size": size, "kept because": kept, "freed by": freed}


def consequence(what: str) -> str:
    """Return a note on the consequences of freeing a kind, if there are any."""
    if what in STARTS_OVER:
        return f" ({STARTS_OVER[what]})"
    if what == "cache":
        return " (dvc pull restores pushed files)" if repository.has_remote() else " (no DVC remote: irreversible)"
    return ""


def shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for the terminal, with the size formatted."""
    return {**row, "size": shown_size(row["size"])}


def line(freed: dict[str, Any]) -> str:
    """Return a line for the terminal on what was freed of one kind."""
    if not freed["items"]:
        return f"{freed['what']}: nothing to free"
    size = shown_size(freed["size"])
    return f"{freed['what']}: {freed['items']} freed{f', {size}' if size else ''}"


def remainder(freed: Sequence[dict[str, Any]]) -> str:
    """Return a line on what remains to be freed by other means; empty if nothing does."""
    of_store = [row["items"] for row in freed if row["what"] in {"runs", "models"}]
    if not of_store or (address.is_local() and not any(of_store)):
        return ""
    if address.is_local():
        store = f"sqlite:///{address.local_store().name}"
        return f"database rows remain; to remove them, run mlflow gc --backend-store-uri {store} --tracking-uri {store}"
    return (
        f"in {address.shown_uri()}, data of other clones was kept, and files of deleted runs and models remain; "
        "the server's owner can remove them with mlflow gc"
    )
