"""Large networks at their published size, for machines too small to train them: step time, memory, ability to learn.

    python -m benchmarks.full_size NETWORK

Runs two training steps on noise of the published input size (the second is timed) and measures peak memory. Then
overfits 64 photographs of CIFAR-10, resized to the network's smallest supported size, until 95 % are correct in
inference mode, without dropout. Writes the result to benchmarks/results/, and prints a Markdown row. Requires the data
sets; see benchmarks/published.py.
"""

import argparse
import json
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks import published
from benchmarks.recipes import RESULTS, machine
from darkroom import training
from darkroom.base.backend import peak_memory
from darkroom.data.prepared.datasets import Description, Split
from darkroom.networks import PARAMS, EarlyStoppingParams, Network, ScheduleParams, load
from darkroom.params import AugmentationParams

BATCH = 32
IMAGES = 64
ENOUGH = 0.95
EPOCHS = 100
OVERFITTING: dict[Network, tuple[int, dict[str, Any]]] = {
    "alexnet": (67, {"dropout": 0.0, "learning_rate": 1e-4}),
    "inception": (67, {"dropout": 0.0, "batch_norm": "before", "learning_rate": 1e-3}),
    "resnet50": (32, {"learning_rate": 3e-4}),
}
"""Side of the images, and changes of the recipe for overfitting."""
HEADER = """\
| network | input | one training step | overfitting 64 photographs |
| --- | --- | --- | --- |"""


def main() -> None:
    """Measure one network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=OVERFITTING)
    network: Network = parser.parse_args().network
    result = {"network": network, **full_step(network), **overfit(network), "machine": machine()}
    (RESULTS / f"full_size-{network}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(HEADER, row(result), sep="\n")


def full_step(network: Network) -> dict[str, Any]:
    """Run two training steps on one batch of noise."""
    module = load(network)
    size, classes = module.PUBLISHED_INPUT, module.PUBLISHED_CLASSES
    noise = np.random.default_rng(0)
    batch = Split(noise.integers(0, 256, (BATCH, *size), np.uint8), np.arange(BATCH) % classes, pd.DataFrame())
    one = Split(batch.images[:1], batch.classes[:1], pd.DataFrame())
    values = PARAMS[network](epochs=2, batch_size=BATCH, augment=False)
    trained = train(network, values, size, classes, (batch, one))
    return {
        "input": size,
        "classes": classes,
        "batch_size": BATCH,
        "step_seconds": round(trained.history[-1]["seconds"], 2),
        "memory_gib": round(peak_memory() / 2**30, 2),
    }


def overfit(network: Network) -> dict[str, Any]:
    """Overfit a few photographs."""
    side, settings = OVERFITTING[network]
    description, train_split, _, _ = published.load("cifar10")
    chosen = np.random.default_rng(0).choice(len(train_split.classes), IMAGES, replace=False)
    pixels = [
        Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in train_split.images[chosen]
    ]
    images = Split(np.stack([np.asarray(image) for image in pixels]), train_split.classes[chosen], pd.DataFrame())
    # Batch norm's moving statistics lag, and so does the loss in inference mode, which must not stop the training.
    patient = EarlyStoppingParams(patience=EPOCHS)
    values = PARAMS[network](
        epochs=EPOCHS, batch_size=8, augment=False, schedule=ScheduleParams(), early_stopping=patient, **settings
    )

    def stop(_epoch: int, epoch_values: training.Epoch) -> None:
        if epoch_values["val_accuracy"] >= ENOUGH:
            raise training.StopTraining

    trained = train(network, values, (side, side, 3), len(description.labels), (images, images), stop)
    return {
        "side": side,
        "values": values.model_dump(mode="json"),
        "training_accuracy": trained.history[-1]["val_accuracy"],
        "epochs": len(trained.history),
        "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in trained.history],
    }


def train(
    network: Network,
    values: Any,
    size: tuple[int, int, int],
    classes: int,
    data: tuple[Split, Split],
    *on_epoch: training.OnEpoch,
) -> training.Trained:
    """Train on images with a default description."""
    described = Description(
        labels=tuple(map(str, range(classes))),
        size=size,
        interpolation="bicubic",
        aspect="stretch",
        mean=(127.0,) * 3,
        deviation=(64.0,) * 3,
        source="",
        counts={},
        training_counts={},
        digest="",
    )
    shown = training.progress_line(network, values.epochs)
    job = training.TrainingJob(network, values, described, *data, seed=0, augmentation=AugmentationParams())
    return training.train(job, on_epoch=[shown, *on_epoch])


def row(result: dict[str, Any]) -> str:
    """Format a result as a row of the table."""
    return (
        f"| `{result['network']}` | {'×'.join(map(str, result['input']))}, {result['classes']:,} classes | "
        f"{result['batch_size']} images, {result['step_seconds']:.1f} s, {result['memory_gib']:.1f} GiB | "
        f"{result['training_accuracy']:.3f} correct at {result['side']} px after {result['epochs']} epochs |"
    )


if __name__ == "__main__":
    main()
