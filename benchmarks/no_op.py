"""Time of `dvc repro` without changes, by number and storage of the images.

    python -m benchmarks.no_op [IMAGES]

Makes noise images (default: 60,000), 28×28, ten classes, as a folder and as one zip file, and runs the pipeline once
on each and on the 1,797 digits, with one small network. Then calls `dvc repro` on them in turn, and prints the median
seconds and the ratio to the digits in Markdown.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7


def write_images(folder: Path, count: int) -> None:
    """Write noise to ``<folder>/<class>/<number>.png``."""
    generator = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"c{number % 10}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (28, 28), dtype=np.uint8)).save(path)


def make(project: Path, data: dict[str, str]) -> None:
    """Clone the last commit, and run its pipeline once on the data."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
    yaml = YAML()
    params: dict[str, Any] = yaml.load((project / "params.yaml").read_text(encoding="utf-8"))
    params["data"].update(data)
    params["models"] = ["mlp"]
    params["train"]["mlp"].update({"epochs": 1, "hidden_units": [16]})
    with (project / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    seconds = repro(project)
    print(f"{project.name}: first run {seconds:.0f} s", file=sys.stderr, flush=True)


def repro(project: Path) -> float:
    """Run `dvc repro`; return its duration in seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    started = time.perf_counter()
    subprocess.run(["dvc", "repro", "--quiet"], cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main(count: int) -> None:
    """Make the projects, time them in turn, and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images, archive = folder / "images", folder / "images.zip"
        write_images(images, count)
        with zipfile.ZipFile(archive, "w") as packed:
            for path in sorted(images.rglob("*.png")):
                packed.write(path, path.relative_to(images))
        projects = {
            "1,797 digits": {},
            f"{count:,} in a zip file": {"source": "archive", "path": str(archive)},
            f"{count:,} in a folder": {"source": "folder", "path": str(images)},
        }
        for name, data in projects.items():
            make(folder / name, data)
        seconds: dict[str, list[float]] = {name: [] for name in projects}
        for _ in range(ROUNDS):
            for name in projects:
                seconds[name].append(repro(folder / name))
    base = statistics.median(seconds["1,797 digits"])
    print(f"| images | seconds, median of {ROUNDS} | lowest to highest | ratio |")
    print("| --- | --- | --- | --- |")
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"| {name} | {median:.2f} | {min(found):.2f} to {max(found):.2f} | {median / base:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60_000)
