"""A folder of packed images, as the stage preprocess writes it, of images in memory."""

import numpy as np
import pandas as pd

from darkroom.data.formats.pictures import picture_hash
from darkroom.data.prepared import datasets


def write_prepared(root, splits, labels, size):
    """Write packed images, {split: [(name, label, image, pixels)]}, as preprocessing does."""
    for split, rows in splits.items():
        manifest = pd.DataFrame(
            {
                "name": [name for name, *_ in rows],
                "label": [label for _, label, *_ in rows],
                "picture": [picture_hash(image) for *_, image, _ in rows],
                "width": [image.width for *_, image, _ in rows],
                "height": [image.height for *_, image, _ in rows],
                "cluster": range(len(rows)),
            }
        )
        (root / split).mkdir(parents=True)
        np.save(root / split / "images.npy", np.stack([pixels for *_, pixels in rows]))
        manifest.to_parquet(root / split / "manifest.parquet")
    counts = {split: len(rows) for split, rows in splits.items()}
    values = (labels, size, "bicubic", "stretch", (0.5,), (0.2,), "folder", counts, {}, "digest")
    datasets.Description(*values).write(root / "dataset.json")
