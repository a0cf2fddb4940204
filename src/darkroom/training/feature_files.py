"""Compute the features of frozen layers into files; a killed computation resumes at the chunk that it had reached."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from darkroom.base import project
from darkroom.base.backend import keras, make_reproducible
from darkroom.base.files import read_json, replace_text
from darkroom.base.types import Floats, Pixels
from darkroom.data.prepared.features import SPLITS, FeatureFolder, FeatureRecord
from darkroom.networks import inference
from darkroom.training import frozen
from darkroom.training.estimate import duration
from darkroom.training.features import Outputs, compute, feature_key
from darkroom.training.job import TrainingJob
from darkroom.training.model import build_model

SECONDS = 5.0
"""Between two progress lines."""


def state_folder() -> Path:
    """Return the folder of unfinished computations."""
    return project.state_folder() / "features"


def write_features(job: TrainingJob, weights: str | None, folder: FeatureFolder, report: Callable[[str], None]) -> None:
    """Compute the features of a job's training and validation images, unless the folder has them.

    Args:
        job: a training with frozen layers and without augmentation.
        weights: digest of its initial weights, for the record.
        folder: where the features are kept.
        report: called with lines about the progress.
    """
    make_reproducible(job.seed)
    built = build_model(job.network, job.values, job.description, job.initial)
    images = dict(zip(SPLITS, (job.training.images, job.validation.images), strict=True))
    count = sum(map(len, images.values()))
    at = frozen.worth_keeping(built, count)
    if at is built.input:
        reason = f"they would need more than {frozen.FEATURE_MEMORY / 2**30:g} GiB, or no layer with weights is frozen"
        folder.write(FeatureRecord(job.network, weights, reason=reason))
        report(f"no features before training, because {reason}")
        return
    part = keras.Model(built.input, at, name="part")
    key, shape = feature_key(part, job.description), tuple(part.output_shape[1:])
    layer = part.layers[-1].name
    record = FeatureRecord(job.network, weights, key=key, layer=layer, shape=shape, images=count)
    if folder.arrays(key) is not None:
        folder.write_record(record)
        report("the features of images, frozen layers and weights are there already")
        return
    if (other := folder.other_with(key)) is not None:
        folder.write(record, other)
        report(f"the same features as those of {other.folder.name}, copied")
        return
    unfinished = FeatureFolder(state_folder() / f"{job.network}-{key[:16]}")
    unfinished.folder.mkdir(parents=True, exist_ok=True)
    with project.lock(unfinished.folder.with_suffix(".lock")):
        progress = _Progress(count, report)
        outputs = inference.with_constant_weights(part)
        for split, of_split in images.items():
            _compute_file(outputs, of_split, unfinished.array_file(split), shape, progress)
        folder.write(record, unfinished, move=True)
        shutil.rmtree(unfinished.folder)
    report(f"features of {count} images, {'×'.join(map(str, shape))} numbers each, of the layer {layer}")


class _Progress:
    """Reports how many images are done, every few seconds."""

    def __init__(self, count: int, report: Callable[[str], None]) -> None:
        self._count, self._report = count, report
        self._done, self._found = 0, 0
        self._began = self._last = time.monotonic()

    def found(self, images: int) -> None:
        """Count images that an interrupted computation has left."""
        self._done += images
        self._found += images
        if images:
            self._report(f"resuming after {self._done} of {self._count} images")

    def add(self, images: int) -> None:
        """Count images; report if the last line is some time ago."""
        self._done += images
        now = time.monotonic()
        if now - self._last < SECONDS:
            return
        self._last = now
        rate = (self._done - self._found) / (now - self._began)
        left = duration((self._count - self._done) / rate)
        self._report(f"features of {self._done} of {self._count} images, {rate:.0f} images/s, {left} left")


def _compute_file(outputs: Outputs, images: Pixels, path: Path, shape: tuple[int, ...], progress: _Progress) -> None:
    """Compute the features of a split into a file, beside which the number of finished images is kept."""
    counted = path.with_suffix(".json")
    done, found = _unfinished(path, counted, (len(images), *shape))
    progress.found(done)
    before = done

    def save(count: int) -> None:
        nonlocal before
        found.flush()  # type: ignore[attr-defined]
        replace_text(counted, f"{count}\n")
        progress.add(count - before)
        before = count

    compute(outputs, images, found, done, save)


def _unfinished(path: Path, counted: Path, shape: tuple[int, ...]) -> tuple[int, Floats]:
    """Open the file of an interrupted computation, or a new one; return it with the number of finished images."""
    try:
        done = int(read_json(counted))
        found: Floats = np.lib.format.open_memmap(path, mode="r+")
        if found.shape == shape and found.dtype == np.float32 and 0 < done <= len(found):
            return done, found
    except (OSError, ValueError, TypeError, EOFError):
        pass  # none, or a damaged one
    return 0, np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
