"""Small drawn images, and the first stages run on them."""

import numpy as np
from PIL import Image

from darkroom.data import sources
from darkroom.data.ingestion.ingest import ingest
from darkroom.data.prepared.packing import pack
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.splitting import assign, kept, pairs
from darkroom.params import PreprocessParams


def draw(label, seed, size=(24, 24), mode="L"):
    """An image that a network can tell: bars across for label a, bars down for b, a diagonal for c."""
    generator = np.random.default_rng((ord(label[0]), seed))
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    position = {"a": rows, "b": columns, "c": rows + columns}[label[0]]
    pixels = 127 + 100 * np.sin(position * 1.2 + generator.uniform(0, 6)) + generator.normal(0, 15, (height, width))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode)


def write_folder(root, labels="ab", count=30, **options):
    """Write <root>/<label>/<number>.png."""
    for label in labels:
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            draw(label, number, **options).save(root / label / f"{number:03d}.png")
    return root


def find(data, size=(28, 28, 1)):
    """What a source holds."""
    return sources.find(data, size)


def ingested(data, folder, params=None):
    """What comes of a source's images, packed into <folder>/images.npy."""
    params = params or PreprocessParams()
    return ingest(find(data, params.size), params, folder / "ledger", folder / "images.npy")


def prepare(data, folder, params=None):
    """Ingest and pack a source's images as the stages do; return the manifest with its splits, and the description."""
    params = params or PreprocessParams()
    read = ingested(data, folder / "ingested", params).manifest
    rows = assign.assign(read.assign(unverified=False), pairs.NO_PAIRS, kept.NOTHING, params)
    assign.require_all_splits(rows)
    return rows, pack(rows, folder / "ingested" / "images.npy", params, Prepared(folder / "prepared"), data=data)
