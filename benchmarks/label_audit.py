"""Planted label errors: how many the label audit finds, and how many of its suggestions are planted ones.

    python -m benchmarks.label_audit FOLDER… [--seeds N]

Each folder is a folder of class folders or an archive of one, such as flower_photos.zip. The features are computed
once (described pictures are kept in .darkroom/benchmarks); a share of the labels is replaced by random other ones; the
audit runs on all images. Data sets have wrong labels of their own, which count as false alarms here.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.recipes import machine
from darkroom.base import environment
from darkroom.base.types import Floats, Pixels
from darkroom.data.formats.samples import Sample
from darkroom.labelling import imagenet
from darkroom.labelling.audit import ERROR, Images, audit

SHARES = (0.05, 0.1)
FIRST_SEED = 200
"""Others than those that the thresholds in ``suspects`` were chosen with (0 to 4, 100 to 104)."""
RESULTS = Path("benchmarks/results/label_audit.json")
NO_PAIRS = pd.DataFrame({name: [] for name in ("image", "other", "what")}, dtype=str)


def main(places: list[str], most: int, seeds: int) -> None:
    """Print and record recall, precision and seconds."""
    rows = []
    for place in places:
        names, labels, features = described(place, most)
        for share in SHARES:
            found = [planted(names, labels, features, share, seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
            means = {key: round(float(np.mean([one[key] for one in found])), 3) for key in found[0]}
            lowest = {f"lowest {key}": round(min(one[key] for one in found), 3) for key in ("recall", "precision")}
            rows.append({"data": Path(place).stem, "images": len(labels), "planted": share, **means, **lowest})
            print(json.dumps(rows[-1]), flush=True)
    before = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    kept = [row for row in before if row["data"] not in {one["data"] for one in rows}]
    RESULTS.write_text(json.dumps([*kept, *({**row, "seeds": seeds, **machine()} for row in rows)], indent=1) + "\n")


def planted(names: list[str], labels: np.ndarray, features: Floats, share: float, seed: int) -> dict[str, float]:
    """Replace labels, audit, and return recall, precision, the estimated rate and the seconds of the audit."""
    generator = np.random.default_rng(seed)
    classes, numbers = np.unique(labels, return_inverse=True)
    wrong = generator.permutation(len(labels))[: round(share * len(labels))]
    numbers[wrong] = (numbers[wrong] + generator.integers(1, len(classes), len(wrong))) % len(classes)
    table = pd.DataFrame({"picture": names, "name": names, "label": classes[numbers], "split": "train"})
    table = table.assign(row=np.arange(len(table)), cluster=np.arange(len(table)))
    begun = time.perf_counter()
    found = audit(Images(table, features, tuple(classes)), NO_PAIRS, [])
    seconds = time.perf_counter() - begun
    listed = found.rows[(found.table["kind"] == ERROR).to_numpy()]
    hits = np.isin(listed, wrong).sum()
    return {
        "recall": hits / len(wrong),
        "precision": hits / max(1, len(listed)),
        "estimated rate": found.found.rate,
        "seconds": seconds,
    }


def described(place: str, most: int) -> tuple[list[str], np.ndarray, Floats]:
    """Return names, labels and features of up to ``most`` images of a source, as the stage ``describe`` has them."""
    from darkroom.drift import arrivals

    found = arrivals.find(place)
    if len(found) > most:
        # CIFAR-10's folder also has its test images.
        found = [one for one in found if "/test/" not in one.name]
        chosen = np.random.default_rng(0).permutation(len(found))[:most]
        found = [found[row] for row in sorted(chosen)]
    names = [one.name for one in found]
    labels = np.array([Path(name).parent.name for name in names])
    file = Path(f".darkroom/benchmarks/{Path(place).stem}-{len(names)}.npy")
    if file.is_file():
        return names, labels, np.load(file)
    shapes = [_decoded(one).shape[:2] for one in found[:: max(1, len(found) // 200)]]
    height, width = map(int, np.median(shapes, axis=0))
    side = imagenet.side_for((height, width, 3))
    features = np.concatenate([_features(found[start : start + 512], side) for start in range(0, len(found), 512)])
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, features)
    return names, labels, features


def _features(samples: list[Sample], side: int) -> Floats:
    images = np.stack([imagenet.scaled(_decoded(one), side) for one in samples])
    return imagenet.extract(images, np.arange(len(images)), side, lambda _: None)


def _decoded(sample: Sample) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(sample.content(), np.uint8), cv2.IMREAD_COLOR))[..., ::-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("places", nargs="+")
    parser.add_argument("--most", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    environment.prepare()
    main(given.places, given.most, given.seeds)
