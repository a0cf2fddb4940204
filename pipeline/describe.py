"""Describe all training and validation images by one table of features, and audit their labels with it."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.files import write_json, write_text
from darkroom.base.types import Pixels
from darkroom.data.formats import corrections
from darkroom.data.prepared.described import Described
from darkroom.data.prepared.features import SPLITS
from darkroom.data.prepared.prepared import Prepared
from darkroom.labelling import audit, describing, page
from darkroom.params import Params
from darkroom.reporting import audited


def main(params: Params, prepared: str, features: str, pairs: str, labels: str, described: str, reports: str) -> None:
    """Write the features with what made them, and the label audit as table, page and counts."""
    images, of_data, folder = Prepared(Path(prepared)), Described(Path(described)), Path(reports)
    done = describing.describe(params.models, images, Path(features), of_data, _print)
    record = done.record
    print(
        f"features of {record.images} images, {record.dimensions} numbers each: {record.summary}; {done.computed} of "
        "them computed now"
    )
    if record.limits:
        print(f"limit: {record.limits}")
    clusters = pd.concat([images.manifest(split, ["cluster"]) for split in SPLITS], ignore_index=True)
    with_features = audit.Images(
        of_data.images().assign(cluster=clusters["cluster"]), np.asarray(of_data.features()), images.description.labels
    )
    judged = corrections.read(Path(labels))["picture"]
    found = audit.audit(with_features, spreadsheets.read(Path(pairs)), judged)
    spreadsheets.write(folder / "label_audit.csv", found.table)
    write_json(folder / "label_audit.json", found.summary())
    pictures = _pictures(images, found, page.shown(found))
    write_text(folder / "label_audit.html", page.page(found, pictures, record.summary, record.limits))
    print(_found(found, folder))


def _pictures(prepared: Prepared, found: audit.Audit, lines: list[int]) -> Pixels:
    """Return the prepared pixels of some lines of the audit."""
    training, validation = (prepared.images(split) for split in SPLITS)
    rows = found.rows[lines]
    taken = [training[row] if row < len(training) else validation[row - len(training)] for row in rows]
    return np.array(taken, dtype=np.uint8)


def _found(found: audit.Audit, folder: Path) -> str:
    return f"label audit: {audited.line(found.summary())}; see {folder}/label_audit.html"


def _print(line: str) -> None:
    print(line, flush=True)
