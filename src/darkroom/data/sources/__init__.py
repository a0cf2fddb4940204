"""Image sources. Each lists every image once, with name and label, in a fixed order."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from darkroom.base.errors import InputError
from darkroom.base.terminal import shown
from darkroom.base.wording import counted
from darkroom.data.formats.samples import LeftOut, Sample
from darkroom.data.sources.readings import table_hint
from darkroom.data.sources.tree import plain
from darkroom.params import DataParams

if TYPE_CHECKING:
    import pandas as pd


class Found(NamedTuple):
    """Content of a source."""

    samples: list[Sample]
    left_out: list[LeftOut]
    """Visible files that are not used; ingestion lists them in the quarantine."""
    notes: tuple[str, ...] = ()
    """What was taken for what, and messages about other data that is not used."""
    columns: "pd.DataFrame | None" = None
    """What a table says of the images beside the label, as text, by ``name``."""


def find(data: DataParams, size: tuple[int, int, int]) -> Found:
    """List all images of the source that params.yaml names.

    Args:
        data: the section ``data``.
        size: height, width and channels of drawn charts; existing images keep their size.

    Raises:
        InputError: the path is missing or empty, has fewer than two classes, or two class names look alike.
    """
    root = Path(data.path)
    if not root.exists():
        raise InputError(f"data.path: {data.path} does not exist; set it in params.yaml to the folder of your images")
    found = _finder(data, size)(root)
    labels = sorted({sample.label for sample in found.samples})
    if len(labels) < 2:  # noqa: PLR2004 - classification needs two classes
        what = f"only the class {labels.pop()!r}" if labels else "no image"
        raise InputError(f"data.path: {data.path} holds {what}; {_expected(data)}{_told(found)}")
    _reject_similar_labels(labels, data.path)
    return found


def _finder(data: DataParams, size: tuple[int, int, int]) -> Callable[[Path], Found]:
    """Return the source's function; import only the module that it needs."""
    match data.source:
        case "folder":
            from darkroom.data.sources import folders

            return lambda root: Found(*folders.find(root, data.layout, follow=data.follow_links))
        case "archive":
            from darkroom.data.sources import archives

            return lambda root: Found(*archives.find(root, data.layout, data.name_encoding))
        case "table":
            from darkroom.data.sources.tables import path_tables

            return lambda _: Found(*path_tables.find_table(data))
        case "parquet":
            from darkroom.data.sources.tables import parquet_images

            return lambda _: Found(*parquet_images.find_parquet(data))
        case "price_charts":
            from darkroom.data.sources import charts

            return lambda root: Found(charts.find(root, data, size), [], charts.notes(root, data))
        case "digits" | "keras":
            from darkroom.data.sources import published

            return lambda root: Found(
                published.digits() if data.source == "digits" else published.keras_dataset(root), []
            )


def _told(found: Found) -> str:
    """Return what was taken for what, and the commonest reason why files are left out, for an error."""
    told = list(found.notes)
    if found.left_out:
        (reason, remedy), count = Counter((each.reason, each.remedy) for each in found.left_out).most_common(1)[0]
        first = shown(next(each.name for each in found.left_out if each.reason == reason))
        example = first if count == 1 else f"such as {first}"
        told.append(f"left out: {counted(len(found.left_out), 'file')}; {count} ({example}): {reason}: {remedy}")
    table = table_hint([each.name for each in found.left_out])
    return (f" ({'; '.join(told)})" if told else "") + table


def _expected(data: DataParams) -> str:
    if data.source == "price_charts":
        return "expected windows of at least two classes; change the thresholds, or provide more days"
    if data.source in {"table", "parquet"}:
        return f"expected at least two labels in its column {data.label_column}"
    return f"expected at least two folders of images, one for each class ({data.path}/<class>/<image>)"


def _reject_similar_labels(labels: list[str], path: str) -> None:
    """Reject labels that differ only in what ``plain`` leaves out."""
    seen: dict[str, str] = {}
    for label in labels:
        form = plain(label)
        if form in seen:
            raise InputError(
                f"data.path: {path} has the classes {seen[form]!r} and {label!r}, which differ only in case, "
                "spaces, Unicode form, a final dot or how a number is written; give their images one label"
            )
        seen[form] = label
