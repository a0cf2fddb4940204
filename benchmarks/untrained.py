"""An untrained network as the champion of a project of its own, for benchmarks that do not need a good one."""

import os
from pathlib import Path

from darkroom.data.prepared.datasets import Description
from darkroom.networks import PARAMS
from darkroom.registry import packages, versions
from darkroom.tracking import runs
from darkroom.tracking.store import open_store
from darkroom.training import build_model

NETWORK, SIZE, CLASSES, MODEL = "mnist_cnn", (28, 28, 1), 10, "darkroom"


def make_champion(project: Path) -> None:
    """Create a project with an untrained champion in an empty folder, and enter it."""
    os.chdir(project)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    Path("dvc.yaml").touch()
    description = Description(
        labels=tuple(map(str, range(CLASSES))),
        size=SIZE,
        interpolation="bicubic",
        aspect="pad",
        mean=(100.0,) * SIZE[2],
        deviation=(50.0,) * SIZE[2],
        source="digits",
        counts={},
        training_counts={},
        digest="",
    )
    build_model(NETWORK, PARAMS[NETWORK](), description).save("network.keras")
    description.write("dataset.json")
    open_store()
    with runs.start_run(NETWORK, "train", {"network": NETWORK}) as run:
        packages.log_model(run, "network.keras", "dataset.json")
    versions.set_alias(MODEL, "champion", versions.register(MODEL, run.run_id, {}))
