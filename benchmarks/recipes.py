"""A network's recipe on a published data set: accuracy on the official test images, epochs and minutes.

    python -m benchmarks.recipes DATA NETWORK [--recipe NAME] [--seeds N] [--epochs N] [--minutes N]

Needs the data sets (see benchmarks/published.py). Each training writes its parameters, its course and its result to
benchmarks/results/. A training that was interrupted goes on when the command is given again; one whose result is
there is not run again. With ``--minutes`` it ends with the epoch in which they have passed. The last line is a row in
Markdown.
"""

import argparse
import json
import os
import platform
import statistics
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import published
from darkroom import inference, training
from darkroom.networks import NETWORKS, PARAMS, Network, NetworkParams
from darkroom.recipes import with_recipe

RESULTS = Path(__file__).parent / "results"
CHECKPOINTS = Path(".darkroom/benchmarks")


def main() -> None:
    """Train with each seed, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=("fashion_mnist", "cifar10"))
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--set", default="{}", help="JSON that changes the recipe, for trials: writes no result")
    chosen = parser.parse_args()
    changes = json.loads(chosen.set) | ({"epochs": chosen.epochs} if chosen.epochs else {})
    section = with_recipe(chosen.network, {"recipe": chosen.recipe, **changes})
    values = PARAMS[chosen.network].model_validate_json(json.dumps(section))
    limit = f"-{chosen.minutes:g}min" if chosen.minutes else ""
    name = f"{chosen.data}-{chosen.network}-{chosen.recipe}{limit}"
    results = [
        run(chosen.data, chosen.network, values, seed, name, chosen.minutes, trial=chosen.set != "{}")
        for seed in range(chosen.seeds)
    ]
    print(row(chosen.data, chosen.network, chosen.recipe, results))


def run(
    data: str, network: Network, values: NetworkParams, seed: int, name: str, minutes: float | None, *, trial: bool
) -> dict[str, Any]:
    """Train with one seed and write the result, or read it. A trial chooses a recipe, so it sees no test image."""
    path = RESULTS / f"{name}-{seed}.json"
    if path.is_file() and not trial:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result
    description, train, validation, test = published.load(data)
    checkpoint = CHECKPOINTS / f"{path.stem}.npz"
    spent = _Clock(minutes)
    trained = training.train(
        network,
        values if minutes is None else values.model_copy(update={"epochs": 10_000}),
        description,
        (train, validation),
        seed=seed,
        augmentation=published.AUGMENTATION[data],
        on_epoch=[training.progress_line(f"{network} seed {seed}", values.epochs), spent],
        checkpoint=None if trial else checkpoint,
    )
    result = {
        "data": data,
        "network": network,
        "values": values.model_dump(mode="json"),
        "seed": seed,
        "minutes": round(sum(epoch["seconds"] for epoch in trained.history) / 60, 2),
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch + 1,
        "validation_accuracy": trained.best["val_accuracy"],
        "machine": machine(),
        "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in trained.history],
    }
    if trial:
        return result
    predicted = inference.probabilities(trained.model, test.images).argmax(axis=1)
    result["test_accuracy"] = float(np.mean(predicted == test.classes))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    return result


class _Clock:
    """Ends a training when its minutes have passed, those before an interruption included."""

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self._spent = 0.0

    def __call__(self, _epoch: int, values: training.Epoch) -> None:
        self._spent += values["seconds"] / 60
        if self._minutes is not None and self._spent >= self._minutes:
            raise training.Enough


def machine() -> dict[str, str]:
    """Say what a result was measured on."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    versions = {name: metadata.version(name) for name in ("tensorflow-cpu", "keras", "numpy")}
    return {"processor": processor, "cores": str(os.cpu_count()), "python": platform.python_version(), **versions}


def row(data: str, network: str, recipe: str, results: list[dict[str, Any]]) -> str:
    """Lay the results of all seeds out as a row."""
    accuracies = [result.get("test_accuracy", result["validation_accuracy"]) for result in results]
    spread = f" ± {statistics.stdev(accuracies):.4f}" if len(accuracies) > 1 else ""
    minutes = statistics.mean(result["minutes"] for result in results)
    which = "test" if "test_accuracy" in results[0] else "validation"
    return (
        f"| {network} | {data} | {recipe} | {which} {statistics.mean(accuracies):.4f}{spread} "
        f"({len(results)} seed{'s' * (len(results) > 1)}) | {results[0]['epochs']} epochs | {minutes:.1f} min |"
    )


if __name__ == "__main__":
    main()
