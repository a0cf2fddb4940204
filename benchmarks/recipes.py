"""A network's recipe on a published data set: accuracy on the official test images, epochs and minutes.

    python -m benchmarks.recipes DATA NETWORK [--recipe NAME] [--seeds N] [--epochs N | --minutes N]
        [--precision NAME] [--threads N]

Requires the data sets (see benchmarks/published.py). Each training writes its parameters, history and result to
benchmarks/results/. The same command resumes an interrupted training and skips those with a result. With ``--minutes``,
training ends after the epoch in which they have passed. The precision depends on the processor and is not part of a
recipe. With ``--threads 1``, two trainings can run in parallel on one core each with comparable durations. The last
line is a Markdown row.

``--set JSON`` changes the recipe to find a better one. Such a trial does not use test images; it is written to
benchmarks/results/trials/.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import sys
from collections.abc import Sized
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import published
from darkroom import training
from darkroom.base.backend import limit_threads
from darkroom.data.prepared.datasets import Split
from darkroom.inference.views import mean_probabilities
from darkroom.networks import PARAMS, Network, NetworkParams, inference, names, with_recipe
from darkroom.params import AugmentationParams

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
FLIPPED = "with_flips"
"""Of an accuracy: the mean of the predictions of an image and its mirror image, where training mirrored images too."""
HEADER = """\
| network | data | recipe | accuracy | published | epochs | minutes of one training |
| --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Plan:
    """A training: data, network and parameters."""

    data: str
    network: Network
    recipe: str
    values: NetworkParams
    minutes: float | None
    threads: int | None
    trial: bool

    def described(self) -> dict[str, Any]:
        """Return everything that determines a result, except seed, code and processor."""
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
        """Return a readable name; for trials with the digest of the changes."""
        parts = [self.data, self.network, self.recipe]
        if self.minutes:
            parts.append(f"{self.minutes:g}min")
        elif self.values.epochs != recipe_values(self.network, self.recipe, {}).epochs:
            parts.append(f"{self.values.epochs}epochs")
        if self.threads:
            parts.append(f"threads{self.threads}")
        return "-".join([*parts, self.digest()] if self.trial else parts)

    def digest(self) -> str:
        """Return a digest of the plan."""
        return hashlib.sha256(json.dumps(self.described(), sort_keys=True).encode()).hexdigest()[:8]


def main() -> None:
    """Train with each seed, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=("fashion_mnist", "cifar10"))
    parser.add_argument("network", choices=names())
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--seeds", type=int, default=1)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--set", default="{}", help="JSON with changes of the recipe, for a trial without test images")
    chosen = parser.parse_args()
    changes = json.loads(chosen.set) | ({"epochs": chosen.epochs} if chosen.epochs else {})
    values = recipe_values(chosen.network, chosen.recipe, {**changes, "precision": chosen.precision})
    if chosen.minutes:
        if values.schedule.kind not in {"constant", "step", "exponential", "piecewise", "plateau"}:
            sys.exit(f"--minutes: schedule {values.schedule.kind} requires the number of epochs; give --epochs instead")
        values = values.model_copy(update={"epochs": 10_000})
    plan = Plan(
        chosen.data, chosen.network, chosen.recipe, values, chosen.minutes, chosen.threads, trial=chosen.set != "{}"
    )
    if plan.threads:
        limit_threads(plan.threads)
    print(HEADER, row([run(plan, seed) for seed in range(chosen.seeds)]), sep="\n")


def recipe_values(network: Network, recipe: str, changes: dict[str, Any]) -> NetworkParams:
    """Return a recipe's parameters with changes."""
    section = with_recipe(network, {"recipe": recipe, **changes})
    return PARAMS[network].model_validate_json(json.dumps(section))


def run(plan: Plan, seed: int) -> dict[str, Any]:
    """Train with one seed and write the result, or read an existing one."""
    path = RESULTS / ("trials" if plan.trial else ".") / f"{plan.name()}-{seed}.json"
    if path.is_file():
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        recorded = with_later_parameters(result)
        if any(recorded.get(key) != value for key, value in plan.described().items()):
            sys.exit(f"{path} was measured with another recipe; remove it to measure again")
        return result
    description, train, validation, test = published.load(plan.data)
    checkpoint = CHECKPOINTS / f"{plan.name()}-{plan.digest()}-{seed}.npz"
    augmentation = published.augmentation(plan.data, plan.network)
    trained = training.train(
        training.TrainingJob(
            plan.network, plan.values, description, train, validation, seed=seed, augmentation=augmentation
        ),
        on_epoch=[training.progress_line(f"{plan.network} seed {seed}", plan.values.epochs), _Clock(plan.minutes)],
        # The time before an interruption is unknown, so that trainings with --minutes start again.
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
        result["test_accuracy"] = accuracy(trained.model, test)
    if result["augmentation"] and result["augmentation"]["horizontal_flip"]:
        part, images = ("validation", validation) if plan.trial else ("test", test)
        result[f"{part}_accuracy_{FLIPPED}"] = accuracy(trained.model, images, ("horizontal_flip",))
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    return result


def with_later_parameters(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result with the parameters that came after it, whose defaults leave a training as it was."""

    def augmented(recorded: dict[str, Any] | None) -> dict[str, Any] | None:
        return recorded and {**AugmentationParams().model_dump(mode="json"), **recorded}

    values = {**NetworkParams().model_dump(mode="json"), **result["values"]}
    values["augmentation"] = augmented(values["augmentation"])
    return {**result, "values": values, "augmentation": augmented(result["augmentation"])}


def accuracy(model: Any, split: Split, views: tuple[str, ...] = ()) -> float:
    """Return the share of right predictions, averaged over views of each image (test-time augmentation)."""
    predicted = mean_probabilities(partial(inference.probabilities, model), split.images, views)
    return float(np.mean(predicted.argmax(axis=1) == split.classes))


class _Clock:
    """Ends a training after a number of minutes."""

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self._spent = 0.0

    def __call__(self, _epoch: int, values: training.Epoch) -> None:
        self._spent += values["seconds"] / 60
        if self._minutes is not None and self._spent >= self._minutes:
            raise training.StopTraining


def machine() -> dict[str, str]:
    """Return processor, cores and versions."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    versions = {name: metadata.version(name) for name in ("tensorflow-cpu", "keras", "numpy")}
    return {"processor": processor, "cores": str(os.cpu_count()), "python": platform.python_version(), **versions}


def row(results: list[dict[str, Any]]) -> str:
    """Format the results of all seeds as a row of the table."""
    first = results[0]
    which = "test" if "test_accuracy" in first else "validation"
    accuracies = [result[f"{which}_accuracy"] for result in results]
    spread = f" ± {statistics.stdev(accuracies):.4f}" if len(accuracies) > 1 else ""
    minutes = statistics.mean(result["minutes"] for result in results)
    flipped = [result[f"{which}_accuracy_{FLIPPED}"] for result in results if f"{which}_accuracy_{FLIPPED}" in result]
    flips = f", {statistics.mean(flipped):.4f} with flips ({_seeds(flipped)})" if flipped else ""
    precision = " in bfloat16" * (first["values"]["precision"] == "bfloat16")
    threads = f", {first['threads']} thread" if "threads" in first else ""
    return (
        f"| `{first['network']}` | {first['data']} | {first['values']['recipe']}{precision}{threads} | "
        f"{which} {statistics.mean(accuracies):.4f}{spread} ({_seeds(results)}){flips} | "
        f"{PUBLISHED.get(first['network'], '–')} | {first['epochs']} | {minutes:.1f} |"
    )


def _seeds(results: Sized) -> str:
    return f"{len(results)} seed{'s' * (len(results) > 1)}"


if __name__ == "__main__":
    main()
