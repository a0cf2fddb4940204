"""Split the images, bring them to one size, pack them, and draw what augmentation does to them."""

from pathlib import Path

from darkroom import manifest, script
from darkroom.params import read_params


def main(manifest_path: str, prepared: str, preview: str) -> None:
    params = read_params()
    from darkroom import previews
    from darkroom.stages import preprocess

    rows = manifest.with_splits(manifest.read(manifest_path), params.preprocess)
    description = preprocess.pack(rows, params.data, params.preprocess, prepared)
    augmentation = params.preprocess.augmentation
    previews.draw_augmentation(Path(prepared), description, augmentation, params.train.seed, preview)
    print(", ".join(f"{split}: {count} images" for split, count in description.counts.items()))


if __name__ == "__main__":
    script.run(main)
