"""``darkroom drift``: new images are held against the training data."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom import drift, images
from darkroom.datasets import Description, Split, read_split
from darkroom.drift import Labels, Outcome
from darkroom.errors import ImageError, InputError
from darkroom.images import Pixels
from darkroom.manifest import in_threads
from darkroom.sources import Member, Sample, content_hash

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
    """How many there are to choose from."""


@dataclass(frozen=True)
class Champion:
    """A packaged model."""

    uri: str
    network: "keras.Model"
    description: dict[str, Any]
    """Of its data, as the version of Darkroom that trained it wrote it."""

    def sees(self, of_prepared: Description) -> bool:
        """Say whether it takes images of the size of the prepared data."""
        return tuple(self.description["size"]) == of_prepared.size

    def mismatch(self, of_prepared: Description) -> str | None:
        """Return in what its own data differ from the prepared ones; None where they are the same."""
        if not self.sees(of_prepared):
            own, size = ("×".join(map(str, size)) for size in (self.description["size"], of_prepared.size))
            return f"{self.uri} takes images of {own}, the prepared data are {size}: compared without its features"
        if self.description["digest"] != of_prepared.digest:
            return (
                f"{self.uri} was trained on other data (digest {self.description['digest']}) than the prepared ones "
                f"(digest {of_prepared.digest}), which are what is compared with; check out the commit of its results "
                "and dvc pull to compare with its own"
            )
        return None


@dataclass(frozen=True)
class Comparison:
    """What a page shows."""

    outcomes: list[Outcome]
    training: Pictures
    new: Pictures
    held_out: Pictures | None
    """The validation images that the network saw; None without one."""
    facts: list[str]
    """How it was compared."""
    notes: list[str]
    """What to bear in mind."""

    @property
    def drifted(self) -> list[str]:
        """The tests that have found drift."""
        return [outcome.test for outcome in self.outcomes if outcome.drift]

    @property
    def verdict(self) -> str:
        """The answer in a line."""
        return f"drift: {', '.join(self.drifted)}" if self.drifted else "no drift"


def find(place: str) -> list[Sample]:
    """List the images of a folder or a zip file, at any depth; their labels are empty.

    Raises:
        InputError: there is no such place, or it holds too few images.
    """
    path = Path(place)
    if not path.exists():
        raise InputError(f"{place} does not exist; name a folder of new images, or a zip file of them")
    if path.is_dir():
        inside = ((found.relative_to(path), found) for found in path.rglob("*") if found.is_file())
        samples = [Sample(name.as_posix(), "", file) for name, file in sorted(inside) if _is_image(name)]
    elif zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
        samples = [Sample(name, "", Member(archive, name)) for name in names if _is_image(PurePosixPath(name))]
    else:
        raise InputError(f"{place} is neither a folder nor a zip file; name a folder of new images, or a zip file")
    if not samples:
        raise InputError(f"{place} holds no image ({', '.join(images.ENDINGS)}); name another folder or zip file")
    return samples


def _is_image(path: PurePath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in images.ENDINGS and not hidden


def labelled(samples: Sequence[Sample], labels: Sequence[str]) -> list[Sample] | None:
    """Label images by the folders that they are in; None where these are not classes.

    Args:
        samples: images with the paths of their files as names.
        labels: the classes of the training data. At the depth where a folder has the name of one, all folders are
            classes, also those that the training data lack.
    """
    folders = [PurePosixPath(sample.name).parts[:-1] for sample in samples]
    depths = (depth for of_one in folders for depth, folder in enumerate(of_one) if folder in labels)
    depth = min(depths, default=None)
    if depth is None or any(len(of_one) <= depth for of_one in folders):
        return None
    return [replace(sample, label=of_one[depth]) for sample, of_one in zip(samples, folders, strict=True)]


def read_new(samples: Sequence[Sample], description: Description, seed: int) -> tuple[Pictures, list[str], list[str]]:
    """Read new images, or some of them, and bring them to the size of the training images.

    Args:
        samples: as ``find`` lists them.
        description: of the training data.
        seed: chooses, where there are more than ``drift.MEASURED_AT_MOST``.

    Returns:
        The images; notes of what was left out; for each image that cannot be read a line that says why.

    Raises:
        InputError: too few are left.
    """
    notes, failures = [], []
    with_labels = labelled(samples, description.labels)
    if with_labels is None:
        notes.append("the images are not in folders named like the classes, so the label mix is left out")
    listed = samples if with_labels is None else with_labels
    seen: dict[str, tuple[Sample, Pixels, int, int]] = {}
    chosen = [listed[row] for row in choose(len(listed), seed)]
    for sample, found in zip(chosen, in_threads(lambda one: _read(one, description), chosen, "reading"), strict=True):
        if isinstance(found, ImageError):
            failures.append(f"{sample.name}: {str(found).removeprefix(f'{sample.name}: ')}; left out")
        else:
            digest, pixels, width, height = found
            seen.setdefault(digest, (sample, pixels, width, height))
    copies = len(chosen) - len(failures) - len(seen)
    if copies:
        notes.append(f"{copies:,} of the new images are exact copies of others and are left out")
    if len(seen) < drift.MEASURED_AT_LEAST:
        raise InputError(
            f"{len(seen)} different images that can be read, and fewer than {drift.MEASURED_AT_LEAST} say nothing; "
            "collect more of them"
        )
    if with_labels and (unknown := {sample.label for sample in with_labels} - set(description.labels)):
        notes.append(f"the training data have no class {', '.join(sorted(unknown))}")
    kept, pixels, widths, heights = zip(*seen.values(), strict=True)
    labels = None if with_labels is None else np.array([sample.label for sample in kept])
    names = [sample.name for sample in kept]
    return pictures(names, np.stack(pixels), labels, widths, heights, len(listed)), notes, failures


def _read(sample: Sample, description: Description) -> tuple[str, Pixels, int, int] | ImageError:
    try:
        content = sample.content()
        image = images.decode(content) if isinstance(content, bytes) else images.from_array(content)
        pixels = images.to_pixels(image, description.size, description.interpolation, description.aspect)
    except ImageError as error:
        return error
    return content_hash(content), pixels, image.width, image.height


def choose(count: int, seed: int) -> list[int]:
    """Choose ``drift.MEASURED_AT_MOST`` of so many rows, or take all."""
    if count <= drift.MEASURED_AT_MOST:
        return list(range(count))
    return sorted(np.random.default_rng(seed).choice(count, drift.MEASURED_AT_MOST, replace=False).tolist())


def read_prepared(prepared: Path, name: str, description: Description, seed: int) -> Pictures:
    """Read a split of the prepared data, or some of its images, each content once.

    Raises:
        InputError: it holds too few.
    """
    split: Split = read_split(prepared / name, description.labels)
    different = np.flatnonzero(~split.manifest["sha256"].duplicated())
    if len(different) < drift.MEASURED_AT_LEAST:
        raise InputError(
            f"{prepared / name} holds {len(different)} different images, and fewer than {drift.MEASURED_AT_LEAST} say "
            "nothing; add images to the training data"
        )
    rows = different[choose(len(different), seed)]
    chosen = split.manifest.iloc[rows]
    labels = np.array(description.labels)[split.classes[rows]]
    shapes = (chosen["width"].tolist(), chosen["height"].tolist())
    return pictures(chosen["name"].tolist(), np.asarray(split.images[rows]), labels, *shapes, len(different))


def pictures(
    names: list[str], pixels: Pixels, labels: Labels | None, widths: Sequence[int], heights: Sequence[int], of: int
) -> Pictures:
    """Measure images; widths and heights are those that they had in their source."""
    measures = {**drift.image_statistics(pixels), **drift.shape_statistics(widths, heights)}
    return Pictures(names, pixels, drift.Sample(measures, labels), of)


def load_champion(uri: str) -> Champion:
    """Load a packaged model.

    Raises:
        InputError: there is no such model in the store.
    """
    from darkroom import inference, tracking
    from darkroom.files import read_json

    try:
        files = tracking.packaged_files(uri)
    except InputError as error:
        raise InputError(f"{error}; --no-model compares without a model") from None
    return Champion(uri, inference.load(files["network"]), read_json(files["description"]))


def look(champion: Champion, found: Pictures) -> Pictures:
    """Let a network see images."""
    from darkroom.features import features

    values, classes = features(champion.network, found.pixels)
    seen = drift.Seen(values.astype(np.float64), np.array(champion.description["labels"])[classes])
    return replace(found, sample=replace(found.sample, seen=seen))


def compare(
    samples: Sequence[Sample], prepared: Path, champion: Champion | None, level: float, seed: int
) -> tuple[Comparison, list[str]]:
    """Hold new images against the prepared training data and, with a champion, against what it has not learned from.

    Returns:
        What was found, and for each image that cannot be read a line that says why.

    Raises:
        InputError: there are too few images, new or prepared.
    """
    description = Description.read(prepared / "dataset.json")
    new, notes, failures = read_new(samples, description, seed)
    training, held_out = read_prepared(prepared, "train", description, seed), None
    facts = [
        f"{_some(new, 'new')} and {_some(training, 'training')}, at {'×'.join(map(str, description.size))}",
        f"level {level:g} over all tests together (Holm), seed {seed}",
    ]
    if champion is not None and (mismatch := champion.mismatch(description)):
        notes.append(mismatch)
    if champion is not None and champion.sees(description):
        held_out = look(champion, read_prepared(prepared, "validation", description, seed))
        new = look(champion, new)
        facts.insert(1, f"answers and features of {champion.uri}, with {_some(held_out, 'validation')}")
    outcomes = drift.compare(_with_seen_of(training, held_out), new.sample, level, seed)
    return Comparison(outcomes, training, new, held_out, facts, notes), failures


def _some(found: Pictures, kind: str) -> str:
    return f"{len(found.names):,} {kind} images" + f" of {found.of:,}" * (found.of > len(found.names))


def _with_seen_of(training: Pictures, held_out: Pictures | None) -> drift.Sample:
    return training.sample if held_out is None else replace(training.sample, seen=held_out.sample.seen)
