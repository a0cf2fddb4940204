"""Compare new images with the training data, for ``darkroom drift``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.base.errors import InputError
from darkroom.base.types import Pixels, SplitName
from darkroom.data.formats.samples import Sample
from darkroom.data.formats.usable import commonest
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.prepared import Prepared
from darkroom.drift import arrivals, families, groups, permutation, samples
from darkroom.drift.blocks import sample_rows, singles
from darkroom.drift.distances import Labels
from darkroom.drift.groups import Group
from darkroom.drift.measures import image_statistics, shape_statistics
from darkroom.drift.permutation import Outcome

if TYPE_CHECKING:
    from darkroom.base.backend import keras


@dataclass(frozen=True)
class ImageSet:
    """Images of one source, with their statistics."""

    names: list[str]
    pixels: Pixels
    """uint8 of shape (images, height, width, channels)."""
    sample: samples.Sample
    total: int
    """Number of images that they were sampled from."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def families(self) -> int:
        """Number of families and groups, each image without any counted as one."""
        return len(np.unique(self.sample.blocks))

    def with_columns(self, columns: Mapping[str, Labels]) -> "ImageSet":
        """Add the values of columns of one's own."""
        return replace(self, sample=replace(self.sample, columns=columns))

    def count(self, kind: str) -> str:
        """Return the number of images, and the total if they are a sample, as text."""
        return f"{len(self):,} {kind} images" + f" (of {self.total:,})" * (self.total > len(self))


@dataclass(frozen=True)
class ReferenceModel:
    """A packaged model whose predictions and features are compared."""

    uri: str
    network: "keras.Model"
    description: dict[str, Any]
    """Description of its data, as written by the version of Darkroom that trained it."""

    @classmethod
    def load(cls, uri: str) -> "ReferenceModel":
        """Load network and description of a packaged model.

        Raises:
            InputError: the store has no such model.
        """
        from darkroom.tracking.packaged_parts import PackagedParts

        try:
            parts = PackagedParts.open(uri)
        except InputError as error:
            raise InputError(f"{error}; --no-model compares without a model") from None
        return cls(uri, parts.load_network(), parts.description)

    def accepts(self, prepared: Description) -> bool:
        """Return whether the model accepts images of the size of the prepared ones."""
        return tuple(self.description["size"]) == prepared.size

    def mismatch(self, prepared: Description) -> str | None:
        """Return a message if the model was trained on other data than the prepared ones; None otherwise."""
        if not self.accepts(prepared):
            own, size = ("×".join(map(str, size)) for size in (self.description["size"], prepared.size))
            return f"{self.uri} expects images of {own}, but the prepared ones are {size}; compared without the model"
        if self.description["digest"] != prepared.digest:
            return (
                f"{self.uri} was trained on other data (digest {self.description['digest']}) than the prepared ones "
                f"that new images are compared with (digest {prepared.digest}); check out the commit of its results "
                "and run dvc pull, or train on the prepared images"
            )
        return None

    def embed(self, images: ImageSet) -> ImageSet:
        """Add the features and predictions of the network."""
        from darkroom.drift.features import extract_features

        values, classes = extract_features(self.network, images.pixels)
        predictions = np.array(self.description["labels"])[classes]
        own = images.sample
        embeddings = samples.Embeddings(values.astype(np.float64), predictions, own.families, own.columns)
        return replace(images, sample=replace(own, embeddings=embeddings))


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison, with everything that the page shows."""

    outcomes: list[Outcome]
    training: ImageSet
    new: ImageSet
    validation: ImageSet | None
    """Validation images with embeddings; None without a model."""
    facts: list[str]
    """Numbers of images and settings."""
    notes: list[str]
    """Warnings."""
    failures: list[str]
    """Unreadable images, and why."""
    groups: list[Group] = field(default_factory=list)
    """The new images with each value of a column of one's own."""

    @property
    def drifted(self) -> list[str]:
        """Names of the tests that found drift, on all images and in groups."""
        of_all = [outcome.test for outcome in self.outcomes if outcome.drift]
        return of_all + [f"{group.name} ({', '.join(group.drifted)})" for group in self.groups if group.drifted]

    def rows(self) -> list[dict[str, Any]]:
        """Return all tests as table rows, those of groups with their group."""
        of_all = [outcome.row() for outcome in self.outcomes]
        if not self.groups:
            return of_all
        return [{"group": "", **row} for row in of_all] + [
            {"group": group.name, **outcome.row()} for group in self.groups for outcome in group.outcomes
        ]

    @property
    def verdict(self) -> str:
        """One-line verdict."""
        return f"drift: {', '.join(self.drifted)}" if self.drifted else "no drift"


def compare(
    found: Sequence[Sample],
    prepared: Prepared,
    model: ReferenceModel | None,
    level: float,
    seed: int,
    columns: Path | None = None,
) -> Comparison:
    """Compare new images with the training images and, by a model's embeddings, with the validation images.

    Embeddings are compared with validation images, because a network may have memorised its training images.

    Args:
        found: new images from ``arrivals.find``.
        prepared: packed images.
        model: packaged model; None compares without one.
        level: probability of any false alarm over all tests.
        seed: seed of subsampling and permutations.
        columns: columns of one's own of the new images, by whose values they are compared too.

    Raises:
        InputError: too few new or prepared images, or the columns cannot be read or lack an image.
    """
    description = prepared.description
    new, notes, failures = _read_new(found, description, seed)
    training, validation = _read_prepared(prepared, "train", seed), None
    told = groups.read(columns, new.names) if columns else groups.Told()
    new, training = new.with_columns(told.of_new), training.with_columns(told.of_known(training.names))
    notes += told.notes(training.sample.columns)
    new = _with_families(new, training, seed)
    size = "×".join(map(str, description.size))
    notes += too_few_groups(training)
    facts = [f"{new.count('new')} against {training.count('training')}, at {size}; level {level:g}, seed {seed}"]
    facts += _facts_on_families(new, training)
    if model and (mismatch := model.mismatch(description)):
        notes.append(mismatch)
    known = training.sample
    if model and model.accepts(description):
        validation = _read_prepared(prepared, "validation", seed)
        validation = model.embed(validation.with_columns(told.of_known(validation.names)))
        new, known = model.embed(new), replace(known, embeddings=validation.sample.embeddings)
        facts.append(f"predictions and features of {model.uri} against those of {validation.count('validation')}")
    outcomes, of_groups = groups.compare(known, new.sample, level, seed)
    notes += [group.lack for group in of_groups if group.lack]
    return Comparison(outcomes, training, new, validation, facts, notes, failures, of_groups)


def _read_new(found: Sequence[Sample], description: Description, seed: int) -> tuple[ImageSet, list[str], list[str]]:
    """Read new images; return them, notes, and a line for each unreadable image."""
    with_labels = arrivals.label_by_folder(found, description.labels)
    sampled = [
        (with_labels or found)[row] for row in sample_rows(singles(len(found)), permutation.MEASURED_AT_MOST, seed)
    ]
    read, unreadable = arrivals.read(sampled, description)
    first: dict[str, arrivals.NewImage] = {}
    for arrival in read:
        first.setdefault(arrival.picture, arrival)
    different = list(first.values())
    # One line: of a folder in which nothing can be read, a line for each file would hide what they have in common.
    why = f"{len(unreadable)} of {len(sampled)} cannot be read: {commonest(unreadable)}; " if unreadable else ""
    _require_enough(len(different), "readable new images", f"{why}collect more")
    labels = np.array([arrival.label for arrival in different]) if with_labels else None
    pixels = np.stack([arrival.pixels for arrival in different])
    shapes = [arrival.width for arrival in different], [arrival.height for arrival in different]
    names = [arrival.name for arrival in different]
    notes = _notes(labels, description.labels, len(read) - len(different))
    return _measured(names, pixels, labels, shapes, len(found)), notes, [str(each) for each in unreadable]


def _notes(labels: Labels | None, known: Sequence[str], copies: int) -> list[str]:
    notes = []
    if labels is None:
        notes.append("no class folders: labels are not compared")
    elif unknown := set(labels.tolist()) - set(known):
        notes.append(f"classes missing from the training data: {', '.join(sorted(unknown))}")
    if copies:
        notes.append(f"{copies:,} new images are exact copies of others; copies count once")
    return notes


def _with_families(new: ImageSet, training: ImageSet, seed: int) -> ImageSet:
    """Find the near-duplicates among the new images."""
    found = families.find(new.pixels, training.pixels, training.sample.blocks, seed)
    different = replace(new, sample=replace(new.sample, families=found))
    _require_enough(different.families, "new images, near-duplicates counted once", "collect more")
    return different


def _facts_on_families(new: ImageSet, training: ImageSet) -> list[str]:
    if new.families == len(new) and training.families == len(training):
        return []
    what = "groups and families of near-duplicates, which weigh as much as one image each"
    return [f"{what}: {new.families:,} of new, {training.families:,} of training images"]


def too_few_groups(training: ImageSet) -> list[str]:
    """Return a warning if the training images form few groups and families."""
    if training.families >= permutation.MEASURED_AT_LEAST:
        return []
    few = f"{len(training):,} training images form only {training.families} groups and families of near-duplicates"
    return [f"{few}; only large differences can be significant"]


def _read_prepared(prepared: Prepared, name: SplitName, seed: int) -> ImageSet:
    """Read images of a split without exact copies."""
    split = prepared.split(name)
    different = np.flatnonzero(~split.manifest["picture"].duplicated())
    _require_enough(len(different), f"images in {prepared.folder / name}", "add images to the training data")
    clusters = split.manifest["cluster"].to_numpy()
    rows = different[sample_rows(clusters[different], permutation.MEASURED_AT_MOST, seed)]
    chosen = split.manifest.iloc[rows]
    labels = np.array(prepared.description.labels)[split.classes[rows]]
    shapes = chosen["width"].tolist(), chosen["height"].tolist()
    found = _measured(chosen["name"].tolist(), np.asarray(split.images[rows]), labels, shapes, len(split.classes))
    return replace(found, sample=replace(found.sample, families=clusters[rows]))


def _measured(
    names: list[str], pixels: Pixels, labels: Labels | None, shapes: tuple[list[int], list[int]], total: int
) -> ImageSet:
    measures = {**image_statistics(pixels), **shape_statistics(*shapes)}
    return ImageSet(names, pixels, samples.Sample(measures, labels), total)


def _require_enough(count: int, what: str, remedy: str) -> None:
    if count < permutation.MEASURED_AT_LEAST:
        raise InputError(f"{count} different {what}; expected at least {permutation.MEASURED_AT_LEAST}; {remedy}")
