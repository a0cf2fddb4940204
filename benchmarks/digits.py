"""Test accuracy of the default pipeline on the handwritten digits over several seeds.

    python -m benchmarks.digits [SEEDS]

Runs the pipeline (`dvc repro`) in a clone of the last commit for each seed, used for split, search and training.
Prints a Markdown table with mean, standard deviation and range.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from darkroom.base.files import read_record

ROOT = Path(__file__).resolve().parents[1]


def clone(commit: str, seed: int, folder: Path) -> None:
    """Clone a commit into a folder, with one seed for split, search and training."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=folder, check=True)
    change(folder, {section: {"seed": seed} for section in ("preprocess", "search", "train")})


def change(folder: Path, sections: Mapping[str, Any]) -> None:
    """Change values of sections of a clone's params.yaml, or the whole of what is no section."""
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text(encoding="utf-8"))
    for section, values in sections.items():
        if isinstance(values, Mapping):
            params[section].update(values)
        else:
            params[section] = values
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def run(folder: Path, *command: str) -> None:
    """Run a command in a clone; its output goes to ``command.log``."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = os.pathsep.join([str(folder / "src"), str(folder)])
    with (folder / "command.log").open("a", encoding="utf-8") as log:
        subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=True)


def accuracies(folder: Path) -> dict[str, float]:
    """Return the test accuracy of each network whose pipeline has run in a clone."""
    models = YAML(typ="safe").load((folder / "params.yaml").read_text(encoding="utf-8"))["models"]
    return {network: read_record(folder / "reports" / network / "metrics.json")["accuracy"] for network in models}


def head() -> str:
    """Return the last commit's hash."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def print_table(results: Mapping[str, Sequence[float]]) -> None:
    """Print mean and spread of each network's accuracies."""
    seeds = len(next(iter(results.values())))
    print(f"| network | test accuracy, mean of {seeds} seeds | standard deviation | lowest to highest |")
    print("| --- | --- | --- | --- |")
    for network, found in results.items():
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(f"| `{network}` | {statistics.mean(found):.4f} | {spread:.4f} | {min(found):.4f} to {max(found):.4f} |")


def main(seeds: int) -> None:
    """Run all seeds and print the table."""
    results: dict[str, list[float]] = {}
    commit = head()
    for seed in range(seeds):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "darkroom"
            clone(commit, seed, folder)
            run(folder, "dvc", "repro")
            found = accuracies(folder)
        print(f"seed {seed}: {found} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        for network, accuracy in found.items():
            results.setdefault(network, []).append(accuracy)
    print_table(results)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
