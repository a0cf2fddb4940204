"""Read the source named in params.yaml: decode each image once, measure it and resize it."""

import gc
from dataclasses import replace
from pathlib import Path

from darkroom.base.project import state_folder
from darkroom.base.terminal import shown
from darkroom.data import sources
from darkroom.data.formats import corrections, manifest, usable
from darkroom.data.ingestion.account import account
from darkroom.data.ingestion.ingest import Ingested, ingest
from darkroom.params import Params

SHOWN = 10
"""Maximum number of quarantined files, and of different notes, to print."""


def main(
    params: Params, labels: str, manifest_path: str, images_path: str, quarantine_path: str, columns_path: str
) -> None:
    """Write the manifest with corrected labels, the resized images, the quarantined files and the further columns.

    Raises:
        InputError: the source or the corrections cannot be read, or fewer than two classes of it can be used.
    """
    corrected = corrections.read(Path(labels))
    found = _find(params)
    ingested = ingest(found, params.preprocess, state_folder() / "ingested", Path(images_path))
    corrections.require_known_labels(ingested.manifest, corrected, Path(labels))
    ingested = replace(ingested, manifest=corrections.apply(ingested.manifest, corrected))
    manifest.write(ingested.manifest, manifest_path)
    manifest.write_quarantine(ingested.quarantine, quarantine_path)
    # A file of their own, so that another value in such a column trains nothing again.
    manifest.write_columns(found.columns, columns_path)
    _report(ingested, quarantine_path)
    lines = [*account(found, ingested), *corrections.report(ingested.manifest, corrected, Path(labels))]
    print(*lines, sep="\n", end="\n" if lines else "")
    usable.require_classes(ingested.manifest, ingested.quarantine)


def _find(params: Params) -> sources.Found:
    """List the images of the source; garbage collection is off, as it would take a third of the time."""
    gc.disable()
    found = sources.find(params.data, params.preprocess.size)
    gc.freeze()
    gc.enable()
    return found


def _report(ingested: Ingested, quarantine_path: str) -> None:
    """Print the first quarantined files and the notes on used ones."""
    for row in ingested.quarantine.head(SHOWN).itertuples():
        print(f"quarantined: {shown(str(row.name))}: {row.reason}")
    if len(ingested.quarantine) > SHOWN:
        print(f"quarantined: {len(ingested.quarantine) - SHOWN} more; see {quarantine_path}")
    noted = ingested.manifest[ingested.manifest["note"] != ""]
    for note, names in list(noted.groupby("note", sort=False)["name"])[:SHOWN]:
        print(f"note: {len(names)} images: {note}; first: {shown(names.iloc[0])}")
