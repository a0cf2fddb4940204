"""``darkroom drift``: new images are held against the training data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom import arrivals, drift
from darkroom.datasets import Description, read_split
from darkroom.drift import Labels, Outcome
from darkroom.errors import InputError
from darkroom.images import Pixels
from darkroom.samples import Sample

if TYPE_CHECKING:
    from darkroom.backend import keras


@dataclass(frozen=True)
class Pictures:
    """Images of one kind, and what is known of them."""

    names: list[str]
    pixels: Pixels
    """uint8 of shape (images, height, width, channels)."""
    sample: drift.Sample
    of: int
    """From how many they were drawn."""

    def __len__(self) -> int:
        return len(self.names)

    def count(self, kind: str) -> str:
        """Say how many they are, and of how many."""
        return f"{len(self):,} {kind} images" + f" (of {self.of:,})" * (self.of > len(self))


@dataclass(frozen=True)
class Judge:
    """A packaged model, whose answers and features are compared."""

    uri: str
    network: "keras.Model"
    description: dict[str, Any]
    """Of its data, as the version of Darkroom that trained it wrote it."""

    @classmethod
    def load(cls, uri: str) -> "Judge":
        """Load the parts of a packaged model.

        Raises:
            InputError: there is no such model in the store.
        """
        from darkroom import inference, tracking
        from darkroom.files import read_json

        try:
            files = tracking.packaged_files(uri)
        except InputError as error:
            raise InputError(f"{error}; --no-model compares without a model") from None
        return cls(uri, inference.load(files["network"]), read_json(files["description"]))

    def takes(self, prepared: Description) -> bool:
        """Say whether it takes images of the size of the prepared ones."""
        return tuple(self.description["size"]) == prepared.size

    def mismatch(self, prepared: Description) -> str | None:
        """Return in what the data that it was trained on differ from the prepared ones; None where they do not."""
        if not self.takes(prepared):
            own, size = ("×".join(map(str, size)) for size in (self.description["size"], prepared.size))
            return f"{self.uri} takes images of {own}, and the prepared ones are {size}: compared without it"
        if self.description["digest"] != prepared.digest:
            return (
                f"{self.uri} was trained on other data (digest {self.description['digest']}) than the prepared ones "
                f"that new images are held against (digest {prepared.digest}); check out the commit of its results and "
                "dvc pull, or train on the prepared ones"
            )
        return None

    def look(self, at: Pictures) -> Pictures:
        """Add what the network sees in images."""
        from darkroom.features import features

        values, classes = features(self.network, at.pixels)
        seen = drift.Seen(values.astype(np.float64), np.array(self.description["labels"])[classes])
        return replace(at, sample=replace(at.sample, seen=seen))


@dataclass(frozen=True)
class Comparison:
    """What was found, and all that a page shows of it."""

    outcomes: list[Outcome]
    training: Pictures
    new: Pictures
    held_out: Pictures | None
    """The validation images that the model saw; None without a model."""
    facts: list[str]
    """How it was compared."""
    notes: list[str]
    """What to bear in mind."""
    failures: list[str]
    """Which images could not be read, and why."""

    @property
    def drifted(self) -> list[str]:
        """The tests that have found drift."""
        return [outcome.test for outcome in self.outcomes if outcome.drift]

    @property
    def verdict(self) -> str:
        """The answer in a line."""
        return f"drift: {', '.join(self.drifted)}" if self.drifted else "no drift"


def compare(found: Sequence[Sample], prepared: Path, judge: Judge | None, level: float, seed: int) -> Comparison:
    """Hold new images against the training images and, as a model sees them, against the validation images.

    A network may remember the images that it was trained on; then what it sees in them is no measure for new ones.

    Args:
        found: new images, as ``arrivals.find`` lists them.
        prepared: folder of the packed images.
        judge: a model; None compares without one.
        level: the chance of any false alarm.
        seed: draws images where there are many, and deals them out.

    Raises:
        InputError: there are too few images, new or prepared.
    """
    description = Description.read(prepared / "dataset.json")
    new, notes, failures = _read_new(found, description, seed)
    training, held_out = _read_prepared(prepared, "train", description, seed), None
    size = "×".join(map(str, description.size))
    facts = [f"{new.count('new')} against {training.count('training')}, at {size}; level {level:g}, seed {seed}"]
    if judge and (mismatch := judge.mismatch(description)):
        notes.append(mismatch)
    known = training.sample
    if judge and judge.takes(description):
        held_out = judge.look(_read_prepared(prepared, "validation", description, seed))
        new, known = judge.look(new), replace(known, seen=held_out.sample.seen)
        facts.append(f"answers and features of {judge.uri} against those of {held_out.count('validation')}")
    outcomes = drift.compare(known, new.sample, level, seed)
    return Comparison(outcomes, training, new, held_out, facts, notes, failures)


def _read_new(found: Sequence[Sample], description: Description, seed: int) -> tuple[Pictures, list[str], list[str]]:
    """Read new images; return also notes, and why which could not be read."""
    with_labels = arrivals.labelled(found, description.labels)
    drawn = [(with_labels or found)[row] for row in _draw(len(found), seed)]
    read, failures = arrivals.read(drawn, description)
    different = list({arrival.sha256: arrival for arrival in reversed(read)}.values())[::-1]
    _require_enough(len(different), "new images can be read", "\n".join(["collect more", *failures]))
    labels = np.array([arrival.label for arrival in different]) if with_labels else None
    pixels = np.stack([arrival.pixels for arrival in different])
    shapes = [arrival.width for arrival in different], [arrival.height for arrival in different]
    names = [arrival.name for arrival in different]
    notes = _notes(labels, description.labels, len(read) - len(different))
    return _measured(names, pixels, labels, shapes, len(found)), notes, failures


def _notes(labels: Labels | None, known: Sequence[str], copies: int) -> list[str]:
    notes = []
    if labels is None:
        notes.append("no class folders, so the label mix is left out")
    elif unknown := set(labels.tolist()) - set(known):
        notes.append(f"the training data have no class {', '.join(sorted(unknown))}")
    if copies:
        notes.append(f"{copies:,} of the new images are exact copies of others; each content counts once")
    return notes


def _read_prepared(prepared: Path, name: str, description: Description, seed: int) -> Pictures:
    """Read images of a split, each content once."""
    split = read_split(prepared / name, description.labels)
    different = np.flatnonzero(~split.manifest["sha256"].duplicated())
    _require_enough(len(different), f"images are in {prepared / name}", "add images to the training data")
    rows = different[_draw(len(different), seed)]
    chosen = split.manifest.iloc[rows]
    labels = np.array(description.labels)[split.classes[rows]]
    shapes = chosen["width"].tolist(), chosen["height"].tolist()
    return _measured(chosen["name"].tolist(), np.asarray(split.images[rows]), labels, shapes, len(split.classes))


def _measured(
    names: list[str], pixels: Pixels, labels: Labels | None, shapes: tuple[list[int], list[int]], of: int
) -> Pictures:
    measures = {**drift.image_statistics(pixels), **drift.shape_statistics(*shapes)}
    return Pictures(names, pixels, drift.Sample(measures, labels), of)


def _draw(count: int, seed: int) -> list[int]:
    """Draw as many of so many rows as are measured at most."""
    if count <= drift.MEASURED_AT_MOST:
        return list(range(count))
    return sorted(np.random.default_rng(seed).choice(count, drift.MEASURED_AT_MOST, replace=False).tolist())


def _require_enough(count: int, of: str, remedy: str) -> None:
    if count < drift.MEASURED_AT_LEAST:
        raise InputError(f"{count} different {of}; {drift.MEASURED_AT_LEAST} or more were expected; {remedy}")
