"""A network's recipe on a published data set: accuracy on the official test images, epochs and minutes.

    python -m benchmarks.recipes DATA NETWORK [--recipe NAME] [--seeds N] [--epochs N | --minutes N]
        [--precision NAME] [--threads N]

Needs the data sets (see benchmarks/published.py). Each training writes its parameters, its course and its result to
benchmarks/results/. A training that was interrupted goes on when the command is given again; one whose result is
there is not run again. With ``--minutes`` it ends with the epoch in which they have passed. The precision says what the
processor computes fast in, and is no part of a recipe. ``--threads 1`` lets two trainings run side by side, each on a
core of its own, so that their minutes compare. The last line is a row in Markdown.

``--set JSON`` changes the recipe to look for a better one. Such a trial sees no test image; it is written to
benchmarks/results/trials/.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import published
from darkroom import inference, training
from darkroom.backend import limit_threads
from darkroom.networks import NETWORKS, PARAMS, Network, NetworkParams
from darkroom.recipes import with_recipe

RESULTS = Path(__file__).parent / "results"
CHECKPOINTS = Path(".darkroom/benchmarks")

PUBLISHED = {
    "mnist_cnn": "0.9913 on MNIST",
    "cifar_cnn": "0.67",
    "cifar_bn_cnn": "0.8959",
    "lenet5": "0.9895 on MNIST",
    "resnet20": "0.9179",
}
"""Test accuracies of the book, on lossless images."""
HEADER = """\
| network | data | recipe | accuracy | published | epochs | minutes of one training |
| --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Plan:
    """What to train, and on what."""

    data: str
    network: Network
    recipe: str
    values: NetworkParams
    minutes: float | None
    threads: int | None
    trial: bool

    def described(self) -> dict[str, Any]:
        """Return all that decides a result, but for seed, code and processor."""
        of_data = published.augmentation(self.data, self.network)
        augmentation = (self.values.augmentation or of_data) if self.values.augment else None
        return {
            "data": self.data,
            "network": self.network,
            "values": self.values.model_dump(mode="json"),
            "augmentation": augmentation and augmentation.model_dump(mode="json"),
            "minutes_at_most": self.minutes,
            **({"threads": self.threads} if self.threads else {}),
        }

    def name(self) -> str:
        """Name it for people, and a trial also by what it changes."""
        parts = [self.data, self.network, self.recipe]
        if self.minutes:
            parts.append(f"{self.minutes:g}min")
        elif self.values.epochs != recipe_values(self.network, self.recipe, {}).epochs:
            parts.append(f"{self.values.epochs}epochs")
        if self.threads:
            parts.append(f"threads{self.threads}")
        return "-".join([*parts, self.digest()] if self.trial else parts)

    def digest(self) -> str:
        """Name it for a machine."""
        return hashlib.sha256(json.dumps(self.described(), sort_keys=True).encode()).hexdigest()[:8]


def main() -> None:
    """Train with each seed, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=("fashion_mnist", "cifar10"))
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--seeds", type=int, default=1)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--set", default="{}", help="JSON that changes the recipe: a trial, which sees no test image")
    chosen = parser.parse_args()
    changes = json.loads(chosen.set) | ({"epochs": chosen.epochs} if chosen.epochs else {})
    values = recipe_values(chosen.network, chosen.recipe, {**changes, "precision": chosen.precision})
    if chosen.minutes:
        if values.schedule.kind not in {"constant", "step", "exponential", "piecewise", "plateau"}:
            sys.exit(f"--minutes: {values.schedule.kind} has to know its end from the beginning; give --epochs instead")
        values = values.model_copy(update={"epochs": 10_000})
    plan = Plan(
        chosen.data, chosen.network, chosen.recipe, values, chosen.minutes, chosen.threads, trial=chosen.set != "{}"
    )
    if plan.threads:
        limit_threads(plan.threads)
    print(HEADER, row([run(plan, seed) for seed in range(chosen.seeds)]), sep="\n")


def recipe_values(network: Network, recipe: str, changes: dict[str, Any]) -> NetworkParams:
    """Return a recipe's values, with changes."""
    section = with_recipe(network, {"recipe": recipe, **changes})
    return PARAMS[network].model_validate_json(json.dumps(section))


def run(plan: Plan, seed: int) -> dict[str, Any]:
    """Train with one seed and write the result, or read it."""
    path = RESULTS / ("trials" if plan.trial else ".") / f"{plan.name()}-{seed}.json"
    if path.is_file():
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if any(result[key] != value for key, value in plan.described().items()):
            sys.exit(f"{path} is of another recipe; remove it to measure anew")
        return result
    description, train, validation, test = published.load(plan.data)
    checkpoint = CHECKPOINTS / f"{plan.name()}-{plan.digest()}-{seed}.npz"
    trained = training.train(
        plan.network,
        plan.values,
        description,
        (train, validation),
        seed=seed,
        augmentation=published.augmentation(plan.data, plan.network),
        on_epoch=[training.progress_line(f"{plan.network} seed {seed}", plan.values.epochs), _Clock(plan.minutes)],
        # A clock cannot say what had passed before an interruption, so that such a training begins anew.
        checkpoint=None if plan.minutes else checkpoint,
    )
    result = {
        **plan.described(),
        "seed": seed,
        "minutes": round(sum(epoch["seconds"] for epoch in trained.history) / 60, 2),
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch + 1,
        "validation_accuracy": trained.best["val_accuracy"],
        "machine": machine(),
        "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in trained.history],
    }
    if not plan.trial:
        predicted = inference.probabilities(trained.model, test.images).argmax(axis=1)
        result["test_accuracy"] = float(np.mean(predicted == test.classes))
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    return result


class _Clock:
    """Ends a training when its minutes have passed."""

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


def row(results: list[dict[str, Any]]) -> str:
    """Lay the results of all seeds out as a row below HEADER."""
    first = results[0]
    which = "test" if "test_accuracy" in first else "validation"
    accuracies = [result[f"{which}_accuracy"] for result in results]
    spread = f" ± {statistics.stdev(accuracies):.4f}" if len(accuracies) > 1 else ""
    minutes = statistics.mean(result["minutes"] for result in results)
    precision = " in bfloat16" * (first["values"]["precision"] == "bfloat16")
    threads = f", {first['threads']} thread" if "threads" in first else ""
    return (
        f"| `{first['network']}` | {first['data']} | {first['values']['recipe']}{precision}{threads} | "
        f"{which} {statistics.mean(accuracies):.4f}{spread} ({len(results)} seed{'s' * (len(results) > 1)}) | "
        f"{PUBLISHED.get(first['network'], '–')} | {first['epochs']} | {minutes:.1f} |"
    )


if __name__ == "__main__":
    main()
