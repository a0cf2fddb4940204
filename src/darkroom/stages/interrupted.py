"""Where the work of an interrupted search or training is kept, under a name that stands for all that it depends on."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from darkroom import services
from darkroom.backend import keras, tf
from darkroom.datasets import Description
from darkroom.errors import TrainingError
from darkroom.networks import Network, NetworkParams
from darkroom.params import Params


def file_of(
    kind: str, network: Network, params: Params, values: NetworkParams, description: Description, more: Any = None
) -> Path:
    """Name a file by what every training of a network depends on, and more: parameters, images, code and versions.

    Args:
        kind: ``search`` or ``train``; the folder, below ``.darkroom``.
        network: its name.
        params: the whole of params.yaml.
        values: the network's parameters.
        description: of the data.
        more: whatever else the work depends on, as what JSON can hold.
    """
    package = Path(__file__).resolve().parents[1]
    known = [
        values.model_dump(mode="json"),
        params.preprocess.augmentation.model_dump(mode="json"),
        params.train.seed,
        asdict(description),
        more,
        [file.read_text(encoding="utf-8") for file in sorted(package.rglob("*.py"))],
        [keras.__version__, tf.__version__],
    ]
    digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
    return services.state_folder() / kind / f"{network}-{digest}"


def digest_of(model: keras.Model | None) -> str:
    """Condense the weights that a training begins with; a file or an address may have others tomorrow."""
    digest = hashlib.sha256()
    for weight in model.get_weights() if model is not None else ():
        digest.update(weight.tobytes())
    return digest.hexdigest()


@contextmanager
def kept_checkpoint(file: Path) -> Iterator[Path]:
    """Give a training a checkpoint that outlives an interruption, until what came of the training has been recorded.

    A second process that wants to do the same work waits for the first.

    Args:
        file: from ``file_of``.
    """
    path = file.with_suffix(".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        try:
            yield path
        except TrainingError:
            # It would end in the same way again.
            path.unlink(missing_ok=True)
            raise
        path.unlink()
