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
from pathlib import Path

from ruamel.yaml import YAML

from darkroom.base.files import read_record

ROOT = Path(__file__).resolve().parents[1]


def run_pipeline(seed: int, commit: str, folder: Path) -> dict[str, float]:
    """Run a commit's pipeline with one seed in a new clone; return the test accuracy per network."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=folder, check=True)
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text(encoding="utf-8"))
    for section in ("preprocess", "search", "train"):
        params[section]["seed"] = seed
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (folder / "dvc.log").open("w", encoding="utf-8") as log:
        subprocess.run(["dvc", "repro"], cwd=folder, env=environment, stdout=log, stderr=log, check=True)
    return {
        network: read_record(folder / "reports" / network / "metrics.json")["accuracy"] for network in params["models"]
    }


def main(seeds: int) -> None:
    """Run all seeds and print the table."""
    results: dict[str, list[float]] = {}
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    commit = head.stdout.strip()
    for seed in range(seeds):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            accuracies = run_pipeline(seed, commit, Path(folder) / "darkroom")
        print(f"seed {seed}: {accuracies} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        for network, accuracy in accuracies.items():
            results.setdefault(network, []).append(accuracy)
    print(f"| network | test accuracy, mean of {seeds} seeds | standard deviation | lowest to highest |")
    print("| --- | --- | --- | --- |")
    for network, found in results.items():
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(f"| `{network}` | {statistics.mean(found):.4f} | {spread:.4f} | {min(found):.4f} to {max(found):.4f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
