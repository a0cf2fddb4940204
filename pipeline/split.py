"""Find what is the same picture, and give each image its split: near-duplicates and groups stay together."""

from pathlib import Path

from darkroom import arrays, manifest, script, splits
from darkroom.params import read_params


def main(manifest_path: str, images_path: str, quarantine: str, splits_path: str, divided: str, pairs: str) -> None:
    params = read_params()
    from darkroom import near_duplicates

    everything = manifest.read(manifest_path)
    rows = manifest.without(everything, manifest.read_quarantine(quarantine))
    with arrays.ArrayFile(images_path) as images:
        searched = near_duplicates.search(images, list(everything["sha256"]))
    found = splits.among(searched, rows.index)
    earlier = splits.read(Path(splits_path), params.preprocess)
    assigned = splits.assign(rows, found, earlier, params.preprocess)
    splits.require_all_splits(assigned)
    manifest.write(assigned, divided)
    splits.write(Path(splits_path), assigned, earlier, params.preprocess)
    table = splits.pairs_table(assigned, found)
    table.to_csv(pairs, index=False)
    print(", ".join(f"{name}: {count} images" for name, count in assigned["split"].value_counts().items()))
    if len(table):
        print(
            f"{len(table)} pairs show one picture, {(table['what'] == 'two labels').sum()} with two labels; see {pairs}"
        )


if __name__ == "__main__":
    script.run(main)
