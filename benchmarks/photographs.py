"""Test accuracy and minutes on photographs of flowers over several seeds, by ``darkroom configure`` and ``dvc repro``.

    python -m benchmarks.photographs [SEEDS]

Runs the pipeline in a clone of the last commit for each seed, used for split and training, on ``flower_photos.zip``:
first as ``darkroom configure`` chooses, then with ``FINE_TUNING``. Prints Markdown tables with accuracy, wall time and
processor time. Requires the data sets; see benchmarks/published.py.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import digits, published
from benchmarks.recipes import machine

NETWORK = "efficientnet_lite0"
FINE_TUNING = {
    "epochs": 8,
    "ema": 0.95,
    "fine_tuning": {"epochs": 4, "layers": "last 51", "learning_rate": 0.0005, "augment": False},
}
"""Chosen on validation images of seed 0, see docs/photographs.md."""


def main(seeds: int) -> None:
    """Run all seeds and print the tables."""
    commit = digits.head()
    results: dict[str, list[float]] = {}
    seconds: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "darkroom"
            digits.clone(commit, seed, folder)
            shutil.copy(published.folder() / "flower_photos.zip", folder / "data" / "flowers.zip")
            digits.run(folder, "darkroom", "configure", "data/flowers.zip", "--force")
            seconds.setdefault("configured", []).append(_timed(folder))
            found = digits.accuracies(folder)
            digits.change(folder, {"train": {NETWORK: FINE_TUNING}})
            seconds.setdefault("fine-tuned, features there", []).append(_timed(folder))
            found[f"{NETWORK}, fine-tuned"] = digits.accuracies(folder)[NETWORK]
        times = {what: f"{of_seed[-1][0]:.0f} s" for what, of_seed in seconds.items()}
        print(f"seed {seed}: {found} in {times}", file=sys.stderr, flush=True)
        for what, accuracy in found.items():
            results.setdefault(what, []).append(accuracy)
    digits.print_table(results)
    print(f"\n| pipeline, {machine()['processor']} | wall time of each seed in s | processor time in s |")
    print("| --- | --- | --- |")
    for what, of_seeds in seconds.items():
        wall, processor = (", ".join(f"{value:.0f}" for value in column) for column in zip(*of_seeds, strict=True))
        print(f"| {what} | {wall} | {processor} |")


def _timed(folder: Path) -> tuple[float, float]:
    """Run the pipeline; return its wall time and processor time in seconds."""
    began, before = time.perf_counter(), os.times()
    digits.run(folder, "dvc", "repro")
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, processor


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
