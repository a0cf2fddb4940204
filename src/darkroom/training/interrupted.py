"""Files of interrupted searches and trainings, named by a digest of everything that the work depends on."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from darkroom.base import code, project
from darkroom.base.backend import keras, tf
from darkroom.base.errors import TrainingError
from darkroom.training.job import TrainingJob


def state_file(stage: str, job: TrainingJob, more: Any = None) -> Path:
    """Return a path named by all that a training depends on: parameters, images, initial weights, code and versions.

    The code is what dvc.yaml declares for the stage, without comments and docstrings; see ``code.code_digest``.

    Args:
        stage: ``search`` or ``train``; also the folder in ``.darkroom``.
        job: the training; for a search, that with the network's own parameters.
        more: other JSON-serialisable values that the work depends on.
    """
    known = [
        job.values.model_dump(mode="json"),
        job.augmentation.model_dump(mode="json"),
        job.seed,
        asdict(job.description),
        _digest_of(job.initial),
        job.strategy,
        more,
        code.code_digest(stage, job.network, Path.cwd()),
        [keras.__version__, tf.__version__],
    ]
    digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
    return project.state_folder() / stage / f"{job.network}-{digest}"


def _digest_of(model: keras.Model | None) -> str:
    """Return a digest of the initial weights; the content of a file or address may change."""
    digest = hashlib.sha256()
    for weight in model.get_weights() if model is not None else ():
        digest.update(weight.tobytes())
    return digest.hexdigest()


@contextmanager
def kept_checkpoint(file: Path) -> Iterator[Path]:
    """Yield a checkpoint path that survives an interruption; delete the file once the results have been recorded.

    A second process with the same work waits for the first.

    Args:
        file: from ``state_file``.
    """
    path = file.with_suffix(".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    with project.lock(path.with_suffix(".lock")):
        try:
            yield path
        except TrainingError:
            # It would fail in the same way again.
            path.unlink(missing_ok=True)
            raise
        # None is written by a training of one step.
        path.unlink(missing_ok=True)
