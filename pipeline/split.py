"""Find near-duplicates and assign each image to a split; near-duplicates and groups stay together."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from darkroom.base import spreadsheets, wording
from darkroom.data.formats import arrays, families, manifest
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting import assign, earlier, kept, near_duplicates, pairs
from darkroom.data.splitting.earlier import Pictures
from darkroom.data.splitting.pairs import Pairs
from darkroom.params import Params


class Files(NamedTuple):
    """Files that the stage writes."""

    splits: Path
    pictures: Path
    manifest: Path
    families: Path
    pairs: Path


def main(
    params: Params, ingested: str, quarantine: str, splits_path: str, pictures_path: str, divided: str, pairs_path: str
) -> None:
    """Write the manifest with splits and what later runs need to keep them, the families and the pairs."""
    folder = Path(divided)
    files = Files(
        *(Path(splits_path), Path(pictures_path), folder / "manifest.parquet", folder / "families.parquet"),
        Path(pairs_path),
    )
    rows = manifest.without(manifest.read(f"{ingested}/manifest.parquet"), manifest.read_quarantine(quarantine))
    splits = kept.read(files.splits, params.preprocess)
    with arrays.ArrayFile(f"{ingested}/images.npy") as images:
        thumbnails = near_duplicates.thumbnails(images)[rows.index]
    before = earlier.read(files.pictures, thumbnails.shape[1])
    pictures = earlier.with_current(list(rows["picture"]), thumbnails, before, splits)
    assigned, found = _assign(rows, pictures, splits, params)
    current = assigned[: len(rows)]
    assign.require_all_splits(current)
    table = pairs.pairs_table(current, pairs.restrict(found, pd.RangeIndex(len(rows))))
    manifest.write(current.drop(columns=["family", "bridge", "joining"]), files.manifest)
    families.write(families.table(pictures.hashes, assigned["family"].to_numpy()), files.families)
    spreadsheets.write(files.pairs, table)
    kept.write(files.splits, current, splits, params.preprocess)
    there = (assigned["name"] != "").to_numpy()
    earlier.write(files.pictures, pictures._replace(bridges=assigned["bridge"].to_numpy(), current=there))
    missing = earlier.missing(splits, rows["sha256"], pictures)
    replaced = earlier.replaced(pictures, len(rows), assigned["family"].to_numpy(), splits)
    print(*_report(current, table, files), *_unknown(current, splits, missing, replaced), sep="\n")


def _assign(rows: pd.DataFrame, pictures: Pictures, splits: kept.Kept, params: Params) -> tuple[pd.DataFrame, Pairs]:
    """Search for near-duplicates and assign splits; return the assigned rows, then those of earlier pictures."""
    found = near_duplicates.search(pictures.thumbnails, pictures.hashes)
    everything = assign.with_gone(rows, pictures).assign(unverified=found.unverified)
    assigned = assign.assign(everything, found.pairs, splits, params.preprocess)
    if not assigned["bridge"].any():
        return assigned, found.pairs
    # The search compares no images that others connect already, so a bridge may hide that its ends are a pair.
    rest = np.flatnonzero(~assigned["joining"])
    apart = near_duplicates.search(pictures.thumbnails[rest], [pictures.hashes[row] for row in rest.tolist()]).pairs
    linked = pairs.union(found.pairs, Pairs(rest[apart.first], rest[apart.second], apart.similarity))
    return assign.assign(everything, linked, splits, params.preprocess), linked


def _report(rows: pd.DataFrame, table: pd.DataFrame, files: Files) -> Iterator[str]:
    """Yield what was found, in lines."""
    yield ", ".join(f"{name}: {count} images" for name, count in rows["split"].value_counts().items())
    groups = rows.loc[rows["split"] == "test", "cluster"].nunique()
    yield wording.accuracy_known(int(groups), "independent test images")
    if len(table):
        two_labels = (table["what"] == "two labels").sum()
        pairs_found = wording.counted(len(table), "near-duplicate pair")
        yield f"{pairs_found}, {two_labels} with two labels; see {files.pairs}"
    for name, count in rows["split"][rows["leaked"]].value_counts().items():
        earlier_splits = " or ".join(SPLITS[: SPLITS.index(name)])
        marked = wording.counted(count, f"{name} image")
        yield f"marked as leaked: {marked} with a near-duplicate or group member in {earlier_splits}"


def _unknown(rows: pd.DataFrame, splits: kept.Kept, missing: int, replaced: earlier.Replaced) -> Iterator[str]:
    """Yield what could not be found, in lines."""
    if splits.note:
        yield splits.note
    if unverified := int((rows["unverified"] & (rows["split"] == "test")).sum()):
        yield (
            f"not known to be clean: {wording.counted(unverified, 'test image')}; too many images resemble them to "
            "compare all, or one resembles them too closely, with too little detail, to tell"
        )
    if missing:
        yield (
            f"{missing} earlier images have no thumbnail, so altered copies of them count as new pictures; if "
            "data/pictures.parquet was lost, get it back (dvc pull data/pictures.parquet) and run again"
        )
    if replaced.gone and replaced.new:
        yield (
            f"{replaced.gone} pictures are gone since the last run, and {replaced.new} new ones resemble no earlier "
            "one; if they are the same, saved with loss and with too little detail to be recognised, they may have "
            "changed their split"
        )
