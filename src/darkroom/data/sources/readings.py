"""The readings of a folder tree: class folders, split folders with class folders, class folders with split folders."""

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from darkroom.base.errors import InputError
from darkroom.data.formats.manifest import UNLABELLED
from darkroom.data.formats.samples import LeftOut
from darkroom.data.sources import ambiguity
from darkroom.data.sources.split_names import Part, as_split, part_of, part_within, split_of
from darkroom.data.sources.tree import NO_CLASS, Folder, Labelled, LayoutName, named, plain, shared_depth

FileT = TypeVar("FileT")
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
"""Endings of files that may hold labels."""
LABEL_IT = "move it into the folder of its class to use it"


class Reading(NamedTuple, Generic[FileT]):
    """Images with class and split, images that have none, and what was taken for what."""

    labelled: list[Labelled[FileT]]
    left_out: list[LeftOut]
    notes: tuple[str, ...]


def read(folders: Sequence[Folder[FileT]], rule: LayoutName, others: Sequence[str]) -> Reading[FileT]:
    """Read the folders by a rule; ``auto`` chooses it by the folders' names.

    Args:
        folders: folders with images, without the folders around all of them.
        rule: see ``layout.read_layout``.
        others: paths of files that are no images; a table among them is named in errors.

    Raises:
        InputError: the names fit no reading or several.
    """
    match _chosen(folders, others) if rule == "auto" else rule:
        case "split/class":
            found = _split_class(folders, others, certain=rule != "auto")
        case "class/split":
            found = _class_split(folders)
        case _:
            found = _class(folders)
    if rule == "auto":
        ambiguity.reject_kinds_of_files(found.labelled)
    return found


def _chosen(folders: Sequence[Folder[FileT]], others: Sequence[str]) -> LayoutName:
    """Choose the layout by names.

    Raises:
        InputError: some folders are called after splits, and others are not.
    """
    tops = {folder.path[0]: part_of(folder.path[0]) for folder in folders}
    called = [top for top, part in tops.items() if part]
    if not called:
        _reject_splits_among_words(tops)
        return _class_or_class_split(folders)
    rest = [top for top, part in tops.items() if not part]
    if not rest and len(tops) > 1 and "unclear" not in tops.values():
        return "split/class"
    beside = f", {named(rest)} {_are(rest)} not" if rest else ""
    raise InputError(
        f"data.path: {named(called)} {_are(called)} called after parts of a data set{beside}{table_hint(others)}; set "
        "data.layout: class if these are classes too, otherwise lay the images out as train/<class>/<image>, val/… and "
        "test/…, or move elsewhere what is no class"
    )


def _reject_splits_among_words(tops: Iterable[str]) -> None:
    """Refuse class folders such as ``mnist_train`` and ``mnist_test``."""
    within = {top: part for top in tops if (part := part_within([top])) is not None}
    if len(set(within.values())) > 1:
        raise InputError(
            f"data.path: the names of {named(within)} hold those of splits; set data.layout: class if they are "
            "classes, or split/class if they are splits"
        )


def _class_or_class_split(folders: Sequence[Folder[FileT]]) -> LayoutName:
    """Tell class folders with split folders from other class folders."""
    splits: list[Folder[FileT]] = []
    rest: list[Folder[FileT]] = []
    for folder in folders:
        (splits if len(folder.path) > 1 and split_of(folder.path[1]) else rest).append(folder)
    if not splits:
        ambiguity.reject_in_classes(folders)
        return "class"
    if not rest and any(part_of(folder.path[1]) == "train" for folder in splits):
        ambiguity.reject_in_splits(folders)
        return "class/split"
    example = "/".join((rest or splits)[0].path[:2])
    raise InputError(
        f"data.path: {named('/'.join(folder.path[:2]) for folder in splits)} {_are(splits)} called after splits, but "
        f"{f'{example} is not' if rest else 'none after train'}; set data.layout: class to ignore these names, or give "
        "each class the folders train, val and test"
    )


def _class(folders: Sequence[Folder[FileT]]) -> Reading[FileT]:
    deeper = [folder for folder in folders if len(folder.path) > 1]
    return Reading([(folder.content, folder.path[0], None) for folder in folders], [], _inner(deeper))


def _inner(deeper: Sequence[Folder[FileT]]) -> tuple[str, ...]:
    """Return the note on folders that lie below those of classes."""
    names = [f"{'/'.join(folder.path)}/" for folder in deeper]
    return (f"folders below a class count as its own: {named(names)}",) if names else ()


def _class_split(folders: Sequence[Folder[FileT]]) -> Reading[FileT]:
    found: list[Labelled[FileT]] = []
    left_out: list[LeftOut] = []
    for folder in folders:
        split = as_split(part_within(folder.path[1:2]))
        if split is None:
            left_out += _left_out(folder, "it lies in no folder of a split", "move it into one, or remove it")
        else:
            found.append((folder.content, folder.path[0], split))
    if not any(split == "train" for _, _, split in found):
        raise InputError("data.path: no class has a folder train; data.layout: class/split needs <class>/train/<image>")
    taken = {folder.path[1]: part_within(folder.path[1:2]) for folder in folders if len(folder.path) > 1}
    inner = _inner([folder for folder in folders if len(folder.path) > 2])  # noqa: PLR2004 - class and split
    return Reading(
        found, left_out, (f"top folders taken for classes, those in them for splits: {_taken(taken)}", *inner)
    )


def _split_class(folders: Sequence[Folder[FileT]], others: Sequence[str], *, certain: bool) -> Reading[FileT]:
    """Read ``<split>/<class>/<image>``.

    Args:
        folders: see ``read``.
        others: see ``read``.
        certain: whether the user named the layout; then classes may be called after splits.
    """
    parts = {folder.path[0]: part_within([folder.path[0]]) for folder in folders}
    if unknown := [top for top, part in parts.items() if part in {None, "unclear"}]:
        raise InputError(
            f"data.path: {named(unknown)} {_are(unknown)} not called after one split; rename them to train, val or "
            "test, or set data.layout: class"
        )
    below = {top: [folder for folder in folders if folder.path[0] == top] for top in parts}
    training = [top for top, part in parts.items() if part == "train"]
    known = {label for top in training for label in _classes(below[top], frozenset())}
    if not known:
        what = f"{named(training)} holds no class folder" if training else f"{named(parts)}: none is called train"
        raise InputError(
            f"data.path: {what}; expected train/<class>/<image>{table_hint(others)}: set data.layout: class if "
            f"{named(parts)} {_are(parts)} classes"
        )
    found: list[Labelled[FileT]] = []
    left_out: list[LeftOut] = []
    notes: list[str] = []
    deeper: list[Folder[FileT]] = []
    for top, inside in below.items():
        depth = _depth(inside, frozenset(known))
        deeper += [folder for folder in inside if len(folder.path) > depth + 1]
        labelled, without = _one_split(top, parts[top], inside, frozenset(known))
        found, left_out = found + labelled, left_out + without
        if not labelled:
            notes.append(f"{named([top])} holds no class of train: its {len(without)} images are left out, unlabelled")
            del parts[top]
    _reject_labels_called_after_splits(found, certain=certain)
    taken = f"top folders taken for splits, those in them for classes: {_taken(parts)}"
    return Reading(found, left_out, (taken, *notes, *_inner(deeper)))


def _one_split(
    top: str, part: Part | None, inside: Sequence[Folder[FileT]], known: frozenset[str]
) -> tuple[list[Labelled[FileT]], list[LeftOut]]:
    """Label the images of a split's folder; return those without a class too."""
    labels = _classes(inside, known)
    none_known = not {plain(label) for label in labels} & {plain(label) for label in known}
    if as_split(part) is None or (part == "test" and len(labels) == 1 and none_known):
        # test/unknown/ and test/images/ are how flow_from_directory and others want unlabelled images
        return [], [each for folder in inside for each in _left_out(folder, UNLABELLED, LABEL_IT)]
    if labels and none_known:
        raise InputError(
            f"data.path: {top} has the classes {named(labels)}, train has {named(sorted(known))}: none in common; "
            f"rename them, or remove {top}"
        )
    depth = _depth(inside, known)
    found: list[Labelled[FileT]] = []
    left_out: list[LeftOut] = []
    for folder in inside:
        if len(folder.path) > depth:
            found.append((folder.content, folder.path[depth], as_split(part)))
        else:
            left_out += _left_out(folder, *(NO_CLASS if labels else (UNLABELLED, LABEL_IT)))
    return found, left_out


def _classes(inside: Sequence[Folder[FileT]], known: frozenset[str]) -> list[str]:
    """Return the names of the class folders in a split's folder."""
    depth = _depth(inside, known)
    return list(dict.fromkeys(folder.path[depth] for folder in inside if len(folder.path) > depth))


def _depth(inside: Sequence[Folder[FileT]], known: frozenset[str]) -> int:
    """Return at which depth the classes of a split lie, as in ``train/images/<class>``; a known class is no wrapper."""
    paths = [folder.path[1:] for folder in inside]
    deepest = shared_depth(paths)
    wrapper = next((path for path in paths if len(path) > deepest), ())[:deepest]
    return 1 + next((level for level, name in enumerate(wrapper) if name in known), deepest)


def _reject_labels_called_after_splits(found: Sequence[Labelled[FileT]], *, certain: bool) -> None:
    labels = dict.fromkeys(label for _, label, _ in found if part_of(label))
    if labels and not certain:
        raise InputError(
            f"data.path: inside the folders of splits, {named(labels)} {_are(labels)} called after parts of a data set "
            "again; set data.layout: split/class if they are classes, or move what is in them up"
        )


def _left_out(folder: Folder[FileT], reason: str, remedy: str) -> list[LeftOut]:
    return [LeftOut(folder.content.below + name, reason, remedy) for name in folder.content.files]


def _taken(parts: dict[str, Part | None]) -> str:
    return ", ".join(f"{named([name])} as {part}" for name, part in parts.items() if part)


def _are(names: Iterable[object]) -> str:
    return "is" if len(list(names)) == 1 else "are"


def table_hint(others: Sequence[str]) -> str:
    """Name a table that lies beside the images; it may hold their labels."""
    tables = sorted((name for name in others if name.lower().endswith(TABLES)), key=lambda name: name.count("/"))
    if not tables:
        return ""
    remedy = "set data.source: table and data.path to it, or run darkroom configure on it"
    return f" (if {named(tables[:1])} holds the labels, {remedy})"
