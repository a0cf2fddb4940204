"""Find near-duplicates and assign each image to a split; near-duplicates and groups stay together."""

from pathlib import Path

from darkroom.data.formats import arrays, manifest
from darkroom.data.splitting import assign, kept, near_duplicates, pairs
from darkroom.params import Params


def main(
    params: Params,
    manifest_path: str,
    images_path: str,
    quarantine: str,
    splits_path: str,
    divided: str,
    pairs_path: str,
) -> None:
    """Write the manifest with splits, the splits of all current and earlier images, and the near-duplicate pairs."""
    everything = manifest.read(manifest_path)
    rows = manifest.without(everything, manifest.read_quarantine(quarantine))
    with arrays.ArrayFile(images_path) as images:
        searched = near_duplicates.search(near_duplicates.thumbnails(images), list(everything["sha256"]))
    found = pairs.restrict(searched.pairs, rows.index)
    earlier = kept.read(Path(splits_path), params.preprocess)
    assigned = assign.assign(rows, found, earlier, params.preprocess)
    assign.require_all_splits(assigned)
    manifest.write(assigned, divided)
    kept.write(Path(splits_path), assigned, earlier, params.preprocess)
    table = pairs.pairs_table(assigned, found)
    table.to_csv(pairs_path, index=False)
    print(", ".join(f"{name}: {count} images" for name, count in assigned["split"].value_counts().items()))
    if len(table):
        two_labels = (table["what"] == "two labels").sum()
        print(f"{len(table)} near-duplicate pairs, {two_labels} of them with two labels; see {pairs_path}")
