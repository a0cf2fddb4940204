"""Read the source that params.yaml names: each image is decoded once, described in the manifest, and resized."""

import gc
from pathlib import Path

from darkroom import script
from darkroom.params import read_params

SHOWN = 10


def main(manifest_path: str, images_path: str, quarantine_path: str) -> None:
    params = read_params()
    # Here, because the processes that decode import this module too.
    from darkroom import manifest, services, sources
    from darkroom.ingestion import ingest

    # What is listed stays; looking for garbage in it would take a third of the time.
    gc.disable()
    found = sources.find(params.data, params.preprocess.size)
    gc.freeze()
    gc.enable()
    ingested = ingest(found, params.preprocess, services.state_folder() / "ingested", Path(images_path))
    manifest.write(ingested.manifest, manifest_path)
    manifest.write_quarantine(ingested.quarantine, quarantine_path)
    for label, count in ingested.manifest["label"].value_counts(sort=False).sort_index().items():
        print(f"{label}: {count} images")
    for row in ingested.quarantine.head(SHOWN).itertuples():
        print(f"not used: {row.name}: {row.reason}")
    if len(ingested.quarantine) > SHOWN:
        print(f"not used: {len(ingested.quarantine) - SHOWN} more; see {quarantine_path}")
    print(*found.notes, sep="\n", end="\n" if found.notes else "")


if __name__ == "__main__":
    script.run(main)
