"""Where images come from: each source lists every image once, with its name and label, always in the same order."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from darkroom.errors import InputError
from darkroom.params import DataParams
from darkroom.samples import Sample


class Found(NamedTuple):
    """What a source holds."""

    samples: list[Sample]
    left_out: list[str]
    """Files that are not hidden and are not taken for images, so that nothing vanishes silently."""
    notes: tuple[str, ...] = ()
    """What else is not used, in sentences."""


def find(data: DataParams, size: tuple[int, int, int]) -> Found:
    """List all images of the source that params.yaml names.

    Args:
        data: the section ``data``.
        size: height, width and channels of what is drawn here; no image that exists is changed.

    Raises:
        InputError: the place is missing or empty, holds no classes, or two names of classes are one.
    """
    root = Path(data.path)
    if not root.exists():
        raise InputError(f"data.path: {data.path} does not exist; set it in params.yaml to the folder of your images")
    found = _finder(data, size)(root)
    labels = sorted({sample.label for sample in found.samples})
    if len(labels) < 2:  # noqa: PLR2004 - one class is nothing to tell apart
        what = f"only the class {labels.pop()!r}" if labels else "no image"
        raise InputError(f"data.path: {data.path} holds {what}; {_expected(data)}")
    _refuse_twins(labels, data.path)
    return found


def _finder(data: DataParams, size: tuple[int, int, int]) -> Callable[[Path], Found]:
    """Import no more than one source needs."""
    match data.source:
        case "folder":
            from darkroom.sources import folders

            return lambda root: Found(*folders.find(root))
        case "archive":
            from darkroom.sources import archives

            return lambda root: Found(*archives.find(root))
        case "table" | "parquet":
            from darkroom.sources import tables

            return lambda _: Found((tables.find_table if data.source == "table" else tables.find_parquet)(data), [])
        case "price_charts":
            from darkroom.sources import charts

            return lambda root: Found(charts.find(root, data, size), [], charts.notes(root, data))
        case "digits" | "keras":
            from darkroom.sources import published

            return lambda root: Found(published.digits() if data.source == "digits" else published.of_keras(root), [])


def _expected(data: DataParams) -> str:
    if data.source == "price_charts":
        return "windows of at least two classes were expected; change the thresholds, or bring more days"
    if data.source in {"table", "parquet"}:
        return f"rows of at least two labels were expected in its column {data.label_column}"
    return f"at least two folders of images were expected, one for each class ({data.path}/<class>/<image>)"


def _refuse_twins(labels: list[str], path: str) -> None:
    """Refuse labels that only look alike: by case, spaces, or two ways to write the same letter."""
    seen: dict[str, str] = {}
    for label in labels:
        plain = "".join(unicodedata.normalize("NFKC", label).casefold().split())
        if plain in seen:
            raise InputError(
                f"data.path: {path} has the classes {seen[plain]!r} and {label!r}, which differ by nothing but case, "
                "spaces or the form of a letter; put their images under one name"
            )
        seen[plain] = label
