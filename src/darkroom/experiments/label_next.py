"""``darkroom label-next``: which unlabelled pictures to label next, by the champion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.errors import ImageError, InputError
from darkroom.base.types import Flags, Pixels, SplitName
from darkroom.base.wording import counted
from darkroom.data.formats.samples import Sample
from darkroom.data.formats.usable import commonest
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.splitting import near_duplicates
from darkroom.data.splitting.relations import connected
from darkroom.drift import arrivals
from darkroom.drift.arrivals import NewImage
from darkroom.drift.comparison import ReferenceModel
from darkroom.labelling import selection

MOST = 5000
"""Most pictures that are looked at, evenly spaced over the names."""
KNOWN: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Chosen:
    """The pictures to label next."""

    table: pd.DataFrame
    """``name``, ``predicted``, ``probability``, ``margin``, ``label`` (to be filled in), the least certain first."""
    samples: list[Sample]
    """In the same order."""
    notes: list[str]
    """What was left out, and what a round may bring."""
    failures: list[str]
    """Unreadable pictures, and why."""


def label_next(found: Sequence[Sample], prepared: Prepared, model: ReferenceModel, count: int, seed: int) -> Chosen:
    """Choose pictures to label.

    Args:
        found: unlabelled pictures, from ``arrivals.find``.
        prepared: the labelled pictures, which are left out with their near-duplicates.
        model: the model that is to become better.
        count: number of pictures.
        seed: seed of the clustering.

    Raises:
        InputError: the model expects images of another size, or no picture is left.
    """
    from darkroom.drift.features import features_and_probabilities

    if not model.accepts(prepared.description):
        raise InputError(
            f"{model.uri} expects images of another size than the prepared ones; run dvc repro, or --model"
        )
    some = list(found)[:: max(1, -(-len(found) // MOST))]
    read, unreadable = arrivals.read(some, prepared.description)
    if not read:
        raise InputError(f"none of {len(some)} pictures can be read; {commonest(unreadable)}; pass another folder")
    new = _without_known(read, prepared)
    if not new:
        raise InputError(f"none of {len(read)} readable pictures is new; pass a folder with other pictures")
    pixels = np.stack([one.pixels for one in new])
    fresh = _one_of_each_family(pixels, new, prepared)
    new, pixels = [one for one, kept in zip(new, fresh, strict=True) if kept], pixels[fresh]
    if not new:
        raise InputError(
            "all readable pictures are near-duplicates of labelled ones; pass a folder with other pictures"
        )
    features, probabilities = features_and_probabilities(model.network, pixels)
    rows = selection.choose(features, probabilities, count, seed)
    labels = np.array(model.description["labels"])
    table = pd.DataFrame(
        {
            "name": [new[row].name for row in rows],
            "predicted": labels[probabilities[rows].argmax(axis=1)],
            "probability": probabilities[rows].max(axis=1).round(4),
            "margin": selection.margins(probabilities[rows]).round(4),
            "label": "",
        }
    )
    by_name = {one.name: one for one in some}
    notes = list(_notes(len(found), len(some), len(read), len(new)))
    return Chosen(table, [by_name[name] for name in table["name"]], notes, [str(each) for each in unreadable])


def _without_known(read: Sequence[NewImage], prepared: Prepared) -> list[NewImage]:
    """Return new pictures, each once, by the hash of the decoded picture."""
    known = {picture for split in KNOWN for picture in prepared.manifest(split, ["picture"])["picture"]}
    first: dict[str, NewImage] = {}
    for one in read:
        if one.picture not in known:
            first.setdefault(one.picture, one)
    return list(first.values())


def _one_of_each_family(pixels: Pixels, new: Sequence[NewImage], prepared: Prepared) -> Flags:
    """Return which pictures to keep: one of each family of near-duplicates, none of a labelled picture's family."""
    labelled = [near_duplicates.thumbnails(prepared.images(split)) for split in KNOWN]
    small = np.concatenate([near_duplicates.thumbnails(pixels), *labelled])
    names = [one.picture for one in new] + [f"{row:064x}" for row in range(len(small) - len(new))]
    pairs = near_duplicates.search(small, names).pairs
    families = connected(len(small), pairs.first, pairs.second)
    own, others = families[: len(new)], families[len(new) :]
    first = np.zeros(len(new), dtype=np.bool_)
    first[np.unique(own, return_index=True)[1]] = True
    return np.asarray(first & ~np.isin(own, others))


def _notes(found: int, looked_at: int, read: int, left: int) -> "list[str]":
    notes = []
    if looked_at < found:
        notes.append(f"looked at {looked_at} of {found} pictures, evenly spaced")
    if left < read:
        copies = counted(read - left, "copy or near-duplicate", "copies or near-duplicates")
        notes.append(f"left out: {copies} of each other or of labelled pictures")
    return notes


def write_table(chosen: Chosen, path: Path) -> None:
    """Write the pictures as CSV, with an empty column ``label``."""
    spreadsheets.write(path, chosen.table)


def write_folder(chosen: Chosen, folder: Path) -> None:
    """Copy the pictures into a folder per predicted class, to be moved where that is wrong.

    Raises:
        InputError: the folder exists and is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"--out {folder} is not empty; name another folder, or move its pictures to the labelled ones")
    for rank, (sample, predicted) in enumerate(zip(chosen.samples, chosen.table["predicted"], strict=True), start=1):
        try:
            content = sample.content()
        except ImageError:
            continue  # it was there when it was read
        if isinstance(content, bytes):
            target = folder / str(predicted) / f"{rank:04d}_{PurePosixPath(sample.name).name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
