"""What earlier stages say of a few images, for the pages that show it."""

import numpy as np
import pandas as pd

from darkroom.data.formats import manifest
from darkroom.data.formats.arrays import ArrayWriter
from darkroom.data.prepared.described import Described, DescribedRecord
from darkroom.data.splitting.pairs import PAIR_COLUMNS
from darkroom.labelling.audit import ERROR, ODD, TWO_LABELS, Audit
from darkroom.labelling.suspects import Suspects
from darkroom.overview.front_page import Project, Trained
from darkroom.overview.pictures import Pictures
from darkroom.promotion.published import Promotion
from darkroom.tracking.record import RunRecord

LABELS = ("cat", "<b>dog</b>", "قطة", "x" * 80)
RUNS = {"mlp": "1" * 32, "lenet5": "2f" * 16}


def make_rows(labels=LABELS, each=10):
    """A manifest with splits of the given classes."""
    count = len(labels) * each
    columns = {name: ["" if kind == "str" else 0] * count for name, kind in manifest.COLUMNS.items()}
    columns |= {
        "name": [f"{label}/{number}.png" for label in labels for number in range(each)],
        "label": [label for label in labels for _ in range(each)],
        "picture": [f"{number:064x}" for number in range(count)],
        "width": [24] * count,
        "height": [24, 30] * (count // 2),
        "mode": ["L"] * count,
        "format": ["PNG"] * count,
        "note": ["12 bits"] + [""] * (count - 1),
    }
    splits = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    return manifest.from_columns(columns).assign(split=splits * len(labels))


def make_pictures(path, count, size=(8, 8, 1)):
    with ArrayWriter(path, (count, *size)) as file:
        file.write(np.random.default_rng(0).integers(0, 255, (count, *size), dtype=np.uint8).tobytes())
    return Pictures(path)


def make_pairs(*rows):
    return pd.DataFrame(list(rows), columns=list(PAIR_COLUMNS))


PAIRS = make_pairs(
    ("cat/0.png", "cat", "train", "<b>dog</b>/1.png", "<b>dog</b>", "train", 0.9712, "two labels"),
    ("cat/2.png", "cat", "train", "cat/9.png", "cat", "test", 0.95, "two splits"),
)
QUARANTINE = manifest.quarantine_from_rows(
    [
        ("cat/blank.png", "cat", "it is blank: the contrast is 0.2", "an image must not be blank; remove it"),
        ("cat/wide.png", "cat", "it is blank: the contrast is 0.5", "an image must not be blank; remove it"),
        ("cat/broken.png", "", "cut off", "repair it"),
    ]
)
AUDIT = {"label_errors": 12, "two_labels": 2, "odd_ones": 7, "silent": ""}
CHECKS = {
    "success": True,
    "expectations": [
        {"column": "width", "meaning": "4 to 20 pixels", "observed": "0 of 40 images", "success": True},
        {"column": "pixel_deviation", "meaning": "not blank", "observed": "2 of 42 images", "success": False},
    ],
}


def trained(network, accuracy, interval, validation):
    record = RunRecord(RUNS[network], validation, 0.1, 3, 4, parameters=5000, seconds=95.0)
    diagnosis = {"verdict": "good fit", "reason": "few errors", "advice": "", "next_steps": [f"ask {network}"]}
    test = {"accuracy": accuracy, "images": 40, "interval": interval, "baseline_accuracy": 0.25, "diagnosis": diagnosis}
    return Trained(network, record, test, {"latency_ms": 4.25, "size_mb": 1.5})


def decided(**more):
    values = {
        "outcome": "promote",
        "reason": f"mlp beats run {RUNS['lenet5']}",
        "withheld": None,
        "champion_run_id": RUNS["mlp"],
        "candidate": {"network": "mlp", "run_id": RUNS["mlp"]},
        "champion": None,
        "findings": [{"rule": "not_worse", "passed": True, "text": f"p 0.01 against {RUNS['lenet5']}"}],
        "candidate_version": "3",
        "champion_since": None,
        "previous_champion": None,
        "no_previous_champion": "",
    }
    return Promotion(**{**values, **more})


def project(networks=None, decision=None):
    rows = make_rows()
    networks = networks or [trained("lenet5", 0.9, [0.8, 0.95], 0.8), trained("mlp", 0.975, [0.9, 1.0], 0.9)]
    return Project("Pets & <i>more</i>", rows, QUARANTINE, PAIRS, AUDIT, networks, decision or decided())


def describe(folder, features, rows):
    images = rows[rows["split"] != "test"][["picture", "name", "label", "split"]].assign(row=0)
    described = Described(folder)
    described.write(features[: len(images)].astype(np.float32), images, DescribedRecord("pixels", limits="no colours"))
    return described, images.assign(picture=images.index).reset_index(drop=True)


def audited(labels):
    """A label audit with a line of each kind for each label."""
    kinds = (ERROR, TWO_LABELS, ODD)
    lines = [(kind, label, labels[number - 1]) for kind in kinds for number, label in enumerate(labels)]
    table = pd.DataFrame(lines, columns=["kind", "label", "suggested"])
    table = table.assign(sure=0.987, name=table["label"] + ".png", split="train", correct="", distance=1.4, picture="")
    table = table.assign(other=np.where(table["kind"] == TWO_LABELS, table["suggested"] + ".png", ""))
    table.loc[table["kind"] == ODD, "suggested"] = ""
    doubted = Suspects(np.arange(len(labels)), 0.9, 0.1, weak=(0, 1, 2))
    return Audit(table, np.arange(len(table)), doubted, 3, tuple(labels))
