"""What the paths of a folder or an archive say: splits, classes, and what is no image."""

from collections.abc import Iterable

from darkroom import images
from darkroom.samples import SplitName

SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
LITTER = {"thumbs.db", "desktop.ini"}  # what Windows leaves in folders of pictures
BELOW_A_SPLIT = 2  # dividers in a path: after the split's folder, and after the class's


def is_hidden(path: str) -> bool:
    """Say whether a path is hidden, or litter of an operating system; macOS puts its own notes into archives."""
    parts = path.split("/")
    return path.startswith(".") or "/." in path or "__MACOSX" in parts or parts[-1].lower() in LITTER


def is_image(path: str) -> bool:
    """Say whether a path is that of an image in a folder."""
    return "/" in path and path.lower().endswith(images.ENDINGS)


def labelled(paths: Iterable[str]) -> list[tuple[str, str, SplitName | None]]:
    """Read classes, and splits where there are any, from the paths of images, in the order of the paths.

    ``<class>/<image>`` at any depth below the class; or ``<split>/<class>/<image>`` where all that lies at the top is
    named after splits, training images are among it, and there is a class below each.

    Args:
        paths: below the source, with forward slashes.

    Returns:
        Path, class and split of each image.
    """
    # In the order of their parts: the divider comes before all other characters.
    inside = sorted((path for path in paths if is_image(path)), key=lambda path: path.replace("/", "\0"))
    tops = {path.partition("/")[0] for path in inside}
    splits = {top: SPLIT_FOLDERS.get(top.lower()) for top in tops}
    named = set(splits.values())
    given = None not in named and "train" in named and len(named) > 1
    if not given or any(path.count("/") < BELOW_A_SPLIT for path in inside):
        return [(path, path.partition("/")[0], None) for path in inside]
    return [(path, label, splits[top]) for path in inside for top, label, *_ in (path.split("/", 2),)]
