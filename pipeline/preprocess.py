"""Pack the images of each split, and draw what augmentation does to them."""

from pathlib import Path

from darkroom import manifest, script
from darkroom.params import read_params


def main(divided: str, images: str, quarantine: str, prepared: str, preview: str) -> None:
    params = read_params()
    from darkroom import previews
    from darkroom.stages import preprocess

    rows, unused = manifest.read(divided), len(manifest.read_quarantine(quarantine))
    description = preprocess.pack(rows, images, params.preprocess, prepared, data=params.data, quarantined=unused)
    augmentation = params.preprocess.augmentation
    previews.draw_augmentation(Path(prepared), augmentation, params.train.seed, preview)
    print(", ".join(f"{split}: {count} images" for split, count in description.counts.items()))


if __name__ == "__main__":
    script.run(main)
