"""Cost of scores, evaluation and promotion besides prediction, with 10,000 test images in ten classes.

    python -m benchmarks.evaluation [NETWORK]

Makes noise images, 28×28, and an untrained network (default: mnist_cnn), in a clone of the last commit. Times all
scores with their intervals; the stage ``evaluate`` without importing TensorFlow, minus prediction; and the whole
command of ``promote``, with saved predictions of champion and candidate and different training data. Prints medians of
3 rounds in Markdown.
"""

import hashlib
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from benchmarks.recipes import machine
from darkroom import training
from darkroom.base.files import read_json, write_json
from darkroom.data.formats import families, manifest
from darkroom.data.prepared import own_columns
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.prepared import Prepared
from darkroom.evaluation import scored, scores
from darkroom.evaluation.report import predictions_table
from darkroom.networks import PARAMS, Network, inference, reference
from darkroom.params import Params, read_params
from darkroom.registry import packages, versions
from darkroom.tracking import records, runs, seen_images, store
from darkroom.tracking.record import RunRecord
from pipeline import evaluate

ROOT = Path(__file__).resolve().parents[1]
IMAGES, SIZE, ROUNDS, RIGHT, ROWS = 10_000, (28, 28, 1), 3, 0.9, 2000
LABELS = tuple("abcdefghij")
PREPARED, DIVIDED, RUNS, REPORTS = Path("data/prepared"), Path("data/divided"), Path("runs"), Path("reports")


def main(network: Network) -> None:
    """Make the project, run the measurements and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "darkroom"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        os.chdir(project)
        yaml = YAML()
        values: dict[str, Any] = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))
        values["models"] = [network]
        with Path("params.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(values, file)
        params, description = read_params(), make_images()
        model = Path(f"models/{network}.keras")
        model.parent.mkdir(exist_ok=True)
        built = training.build_model(network, PARAMS[network](), description, None)
        built.save(model)
        reference.of_training(built, Prepared(PREPARED).test, 0, ROWS)[1].save(reference.path_of(model))
        store.open_store()
        print(f"{machine()}\n\n| what | seconds, median of {ROUNDS} | lowest to highest | CPU seconds |")
        print("| --- | --- | --- | --- |")
        show("all scores with their intervals", time_scores())
        predicting, evaluating = time_evaluation(network, params, model)
        show(f"predicting with {network}", predicting)
        show("the stage `evaluate` with pictures, without prediction", evaluating)
        show("`python -m pipeline promote`, the whole command", time_promotion(network, model))


class Time(NamedTuple):
    """Duration in seconds."""

    passed: float
    used: float
    """CPU time of all cores, including child processes; independent of the machine's load."""

    def __sub__(self, other: "Time") -> "Time":
        """Subtract the time of a part."""
        return Time(self.passed - other.passed, self.used - other.used)


def show(what: str, times: list[Time]) -> None:
    """Print a row."""
    passed, used = ([*column] for column in zip(*times, strict=True))
    median = f"{statistics.median(passed):.2f} | {min(passed):.2f} to {max(passed):.2f}"
    print(f"| {what} | {median} | {statistics.median(used):.2f} |", flush=True)


def timed(work: Callable[[], Any]) -> Time:
    """Time a function."""
    started = _now()
    work()
    return _now() - started


def _now() -> Time:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Time(time.perf_counter(), time.process_time() + ended.ru_utime + ended.ru_stime)


def make_images() -> Description:
    """Write noise as test images, like the stage ``preprocess``; return the description of the data."""
    generator = np.random.default_rng(0)
    folder = PREPARED / "test"
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", generator.integers(0, 256, (IMAGES, *SIZE), dtype=np.uint8))
    manifest_of(0).to_parquet(folder / "manifest.parquet", index=False)
    description = Description(
        *(LABELS, SIZE, "bicubic", "stretch", (127.5,), (73.9,), "folder"),
        counts={"train": IMAGES, "validation": IMAGES, "test": IMAGES},
        training_counts=dict.fromkeys(LABELS, IMAGES // len(LABELS)),
        digest="0" * 16,
    )
    description.write(PREPARED / "dataset.json")
    return description


def manifest_of(first: int) -> pd.DataFrame:
    """Return a manifest of ``IMAGES`` images, numbered from ``first``."""
    generator, numbers = np.random.default_rng(first), np.arange(first, first + IMAGES)
    brightness = generator.normal(127, 10, IMAGES)
    hashes = [hashlib.sha256(f"{number}".encode()).hexdigest() for number in numbers]
    return pd.DataFrame(
        {
            "name": [f"{number}.png" for number in numbers],
            "label": np.array(LABELS)[numbers % len(LABELS)],
            "sha256": hashes,
            "picture": hashes,
            "group": "",
            "width": generator.integers(20, 40, IMAGES),
            "height": generator.integers(20, 40, IMAGES),
            "mode": generator.choice(["L", "RGB"], IMAGES),
            "format": generator.choice(["PNG", "JPEG"], IMAGES),
            "pixel_mean": brightness,
            "pixel_deviation": generator.normal(60, 5, IMAGES),
            **{colour: brightness + shift for colour, shift in (("red", 0), ("green", 3), ("blue", -3))},
            "cluster": [f"{number}" for number in numbers],
            "leaked": False,
            "unverified": False,
        }
    )


def predicted(seed: int) -> scores.Predictions:
    """Return random predictions of the test images, most of them correct."""
    generator, labels = np.random.default_rng(seed), np.arange(IMAGES) % len(LABELS)
    probabilities = generator.random((IMAGES, len(LABELS)))
    wrong = generator.integers(0, len(LABELS), IMAGES)
    probabilities[np.arange(IMAGES), np.where(generator.random(IMAGES) < RIGHT, labels, wrong)] += 2
    return scores.Predictions(labels, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32))


def time_scores() -> list[Time]:
    """Time all scores with their confidence intervals."""
    groups = np.arange(IMAGES)
    found = [predicted(0) for _ in range(ROUNDS)]
    return [timed(partial(scored.score, predictions, groups)) for predictions in found]


def train(network: Network, model: Path, seed: int, digest: str) -> RunRecord:
    """Simulate training and evaluation: log a run with a model, training images and predictions."""
    with runs.start_run(network, "train", {"network": network, "data_digest": digest}) as run:
        packages.log_model(run, model, PREPARED / "dataset.json")
        seen = manifest_of((seed + 1) * IMAGES)
        records.log_training_images(run, seen)
        seen_images.log(run, seen, manifest_of((seed + 50) * IMAGES))
        test = Prepared(PREPARED).test
        table = predictions_table(test, predicted(seed).probabilities, LABELS)
        report = REPORTS / network
        report.mkdir(parents=True, exist_ok=True)
        table.to_csv(report / "predictions.csv", index=False)
        run.log_file(report / "predictions.csv", "evaluation")
    record = RunRecord(run.run_id, 0.9, 0.3, 1, 1, 0, *run.origin())
    (RUNS / network).mkdir(parents=True, exist_ok=True)
    record.write(RUNS / network / "run.json")
    return record


def time_evaluation(network: Network, params: Params, model: Path) -> tuple[list[Time], list[Time]]:
    """Time the prediction of the test images, and the rest of the stage ``evaluate``."""
    train(network, model, 0, "0" * 16)
    arguments = [str(path) for path in (PREPARED, model, RUNS / network, REPORTS / "augmentation", REPORTS / network)]
    test = Prepared(PREPARED).test
    history = pd.DataFrame({"epoch": [1], "loss": 1.0, "accuracy": 0.9, "val_loss": 1.0, "val_accuracy": 0.9})
    history.to_csv(REPORTS / network / "history.csv", index=False)
    predicting, beyond = [], []
    for _ in range(ROUNDS):
        predicting.append(timed(lambda: inference.probabilities(inference.load(model), test.images)))
        # The stage's printed scores are those of noise.
        with redirect_stdout(io.StringIO()):
            whole = timed(lambda: evaluate.main(params, network, *arguments))
        beyond.append(whole - predicting[-1])
    return predicting, beyond


def time_promotion(network: Network, model: Path) -> list[Time]:
    """Time the command with a candidate and a champion that have predicted the same images."""
    name = read_params().promote.registered_model
    champion = train(network, model, 1, "1" * 16)
    versions.set_alias(name, "champion", versions.register(name, champion.run_id, champion.tags))
    manifest.write(pd.concat([manifest_of(0), manifest_of(2 * IMAGES)]), DIVIDED / "manifest.parquet")
    families.write(families.table([], np.array([], dtype=np.int64)), DIVIDED / "families.parquet")
    own_columns.OF_SOURCE.parent.mkdir(parents=True, exist_ok=True)
    own_columns.of_source().to_parquet(own_columns.OF_SOURCE)  # none
    seconds = []
    for seed in range(2, 2 + ROUNDS):
        train(network, model, seed, f"{seed}" * 16)
        write_json(RUNS / network / "test.json", {"accuracy": RIGHT, "images": IMAGES})
        command = [
            sys.executable,
            "-m",
            "pipeline",
            "promote",
            str(PREPARED),
            str(DIVIDED),
            str(RUNS),
            str(REPORTS / "promotion.json"),
        ]
        seconds.append(timed(partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)))
        decided = read_json(REPORTS / "promotion.json")
        if not decided["findings"]:
            raise SystemExit(f"no comparison took place: {decided['reason']}")
    return seconds


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "mnist_cnn")
