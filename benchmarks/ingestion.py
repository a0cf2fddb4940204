"""Cost of the stages before training, compared with a plain loop that reads, decodes and resizes with OpenCV.

    python -m benchmarks.ingestion {photographs,cifar10} [IMAGES]

``photographs`` are 5,000 JPEG variants, 640×427, of the two photographs that scikit-learn ships, in shuffled tiles;
``cifar10`` the 60,000 images of cifar10-images.zip in DARKROOM_DATASETS, unpacked. Runs ingest, validate and preprocess
like the pipeline, alternating with the plain loop on the same cores, then again with 1 % new images. Outputs of earlier
runs are removed before timing, as DVC does before a stage. The time for 400 images is reported separately as fixed
start-up, and so is the stage ``split``, which searches for near-duplicates. Prints Markdown.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from benchmarks import published
from darkroom.base.types import Pixels

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
FEW = 400
SIZES = {"photographs": (64, 64, 3), "cifar10": (32, 32, 3)}
STAGES = {
    "ingest": (
        *("data/labels.csv", "data/ingested/manifest.parquet", "data/ingested/images.npy"),
        *("data/ingested/quarantine.csv", "data/ingested/columns.parquet"),
    ),
    "validate": (
        *("data/ingested/manifest.parquet", "data/ingested/quarantine.csv", "data/expectations.json"),
        *("reports/validation.json", "reports/quarantine.csv", "reports/data_docs"),
    ),
    "split": (
        *("data/ingested", "reports/quarantine.csv", "data/splits.csv", "data/pictures.parquet", "data/divided"),
        "reports/near_duplicates.csv",
    ),
    "preprocess": (
        *("data/divided/manifest.parquet", "data/ingested/images.npy", "reports/quarantine.csv"),
        "data/prepared",
    ),
}
"""Arguments of each stage in dvc.yaml."""


class Cost(NamedTuple):
    """Cost of one run of ingest, validate and preprocess."""

    seconds: float
    megabytes: float
    """Peak memory of the largest stage."""
    splitting: float
    """Seconds of the stage ``split``."""


def main() -> None:
    """Run the measurements and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=SIZES)
    parser.add_argument("images", type=int, nargs="?")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        everything = folder / "everything"
        {"photographs": _photographs, "cifar10": _cifar10}[chosen.data](everything, chosen.images)
        files = sorted(everything.rglob("*.jpg"))
        new = files[:: len(files) // (len(files) // 100)][: len(files) // 100]
        few = linked(_spread(files, FEW), everything, folder / "few")
        tenth = linked(_spread(files, len(files) // 10), everything, folder / "tenth")
        most = linked([file for file in files if file not in set(new)], everything, folder / "most")
        fixed, full, plain, grown = [], [], [], []
        size, project = SIZES[chosen.data], folder / "project"
        for _ in range(ROUNDS):
            fixed.append(run_in_new_project(project, few, size).seconds)
            full.append(run_in_new_project(project, everything, size))
            plain.append(plain_loop(files, size))
            run_in_new_project(project, most, size)
            linked(new, everything, most)
            grown.append(run(project, most, size).seconds)
            for file in new:
                (most / file.relative_to(everything)).unlink()
        small = run_in_new_project(project, tenth, size)
    start = statistics.median(fixed)
    ours = statistics.median(cost.seconds for cost in full) - start
    loop, growth = statistics.median(plain), statistics.median(grown) - start
    memory = statistics.median(cost.megabytes for cost in full)
    print(f"{len(files):,} images of {chosen.data}, medians of {ROUNDS}, {os.cpu_count()} cores\n")
    print("| what | seconds | images a second | ratio |")
    print("| --- | --- | --- | --- |")
    print(f"| start-up of the three stages ({FEW} images) | {start:.2f} | | |")
    print(f"| ingest, validate, preprocess without it | {ours:.2f} | {len(files) / ours:,.0f} | {loop / ours:.2f} |")
    print(f"| plain loop with OpenCV | {loop:.1f} | {len(files) / loop:,.0f} | 1 |")
    apart = statistics.median(cost.splitting for cost in full)
    print(f"| split, with its start-up | {apart:.1f} | {len(files) / apart:,.0f} | |")
    print(
        f"| ingest, validate, preprocess after 1 % new images | {growth:.2f} | | {growth / ours:.2f} of the full time |"
    )
    print(
        f"\nPeak memory: {memory:.0f} MB, with a tenth of the images {small.megabytes:.0f} MB: "
        f"{memory / small.megabytes:.2f} times."
    )


def _spread(files: Sequence[Path], count: int) -> list[Path]:
    """Choose evenly spaced files, from every class."""
    return [files[round(place)] for place in np.linspace(0, len(files) - 1, count)]


def linked(files: Sequence[Path], root: Path, target: Path) -> Path:
    """Hard-link files of one folder into another."""
    for file in files:
        place = target / file.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(file)
    return target


def _photographs(folder: Path, count: int | None) -> None:
    """Write variants of two photographs: tiles in another order, with different brightness and noise.

    Shifted or cropped, they would be near-duplicates, of which no class has enough for three splits.
    """
    from sklearn.datasets import load_sample_image

    generator = np.random.default_rng(0)
    for label in ("china", "flower"):
        (folder / label).mkdir(parents=True)
        photograph = load_sample_image(f"{label}.jpg")
        for number in range((count or 5000) // 2):
            moved = _shuffled(photograph, generator)
            varied = np.clip(moved * generator.uniform(0.7, 1.2) + generator.normal(0, 4, moved.shape), 0, 255)
            Image.fromarray(varied.astype(np.uint8)).save(folder / label / f"{number:05d}.jpg", quality=85)


def _shuffled(photograph: Pixels, generator: np.random.Generator) -> Pixels:
    """Return a photograph of 640×427 pixels with its 56 tiles in random order."""
    tiles = photograph.reshape(7, 61, 8, 80, 3).swapaxes(1, 2).reshape(56, 61, 80, 3)
    return generator.permutation(tiles).reshape(7, 8, 61, 80, 3).swapaxes(1, 2).reshape(photograph.shape)


def _cifar10(folder: Path, count: int | None) -> None:
    """Unpack the training and test images into one folder."""
    with zipfile.ZipFile(published.folder() / "cifar10-images.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        for name in names if count is None else [names[round(at)] for at in np.linspace(0, len(names) - 1, count)]:
            _, part, label, file = name.split("/")
            place = folder / label / f"{part}-{file}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(name))


def run_in_new_project(project: Path, images: Path, size: tuple[int, int, int]) -> Cost:
    """Run the stages in a new project, replacing an earlier one to free disk and memory."""
    shutil.rmtree(project, ignore_errors=True)
    return run(project, images, size)


def run(project: Path, images: Path, size: tuple[int, int, int]) -> Cost:
    """Run the stages on a folder; create the project if it does not exist."""
    if not project.exists():
        project.mkdir()
        shutil.copytree(ROOT / "pipeline", project / "pipeline")
        yaml = YAML()
        params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params["data"].update({"source": "folder", "path": str(images)})
        params["preprocess"]["size"] = list(size)
        params["validate"]["maximum_duplicate_share"] = 1.0
        params["validate"]["minimum_images_per_class"] = 2
        with (project / "params.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(params, file)
        (project / "dvc.yaml").touch()
    os.sync()  # pending writes of earlier runs must not count
    seconds, kilobytes, splitting = 0.0, 0, 0.0
    environment = {**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{ROOT / 'src'}"}
    for stage, arguments in STAGES.items():
        remove_outputs(project, stage)
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", stage, *arguments],
            cwd=project,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        if stage == "split":
            splitting = time.perf_counter() - started
        else:
            seconds += time.perf_counter() - started
            kilobytes = max(kilobytes, used.ru_maxrss)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{stage} failed on {images.name}")
    return Cost(seconds, kilobytes / 1024, splitting)


def remove_outputs(project: Path, stage: str) -> None:
    """Remove the outputs of a stage, as DVC does before it runs one."""
    described = YAML().load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    for output in [*described.get("outs", []), *described.get("metrics", []), *described.get("plots", [])]:
        path, settings = (output, {}) if isinstance(output, str) else next(iter(output.items()))
        if settings.get("persist"):
            continue
        if (project / path).is_dir():
            shutil.rmtree(project / path)
        else:
            (project / path).unlink(missing_ok=True)


def plain_loop(files: Sequence[Path], size: tuple[int, int, int]) -> float:
    """Return the seconds of the loop on all cores, with threads or processes, whichever is faster."""
    cv2.setNumThreads(1)
    portions = [(files[start : start + 256], size) for start in range(0, len(files), 256)]
    seconds = []
    for pool in (ThreadPoolExecutor(os.cpu_count()), ProcessPoolExecutor(os.cpu_count())):
        with pool:
            list(pool.map(_decode, portions[: os.cpu_count() or 1]))  # excludes start-up
            started = time.perf_counter()
            list(pool.map(_decode, portions))
            seconds.append(time.perf_counter() - started)
    return min(seconds)


def _decode(portion: tuple[Sequence[Path], tuple[int, int, int]]) -> int:
    files, (height, width, _) = portion
    total = 0
    for file in files:
        image = np.asarray(cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR))
        total += cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC).size
    return total


if __name__ == "__main__":
    main()
