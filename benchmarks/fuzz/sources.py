"""What the families of data sources share: small images, and one way through a source and its ingestion."""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.fuzz.core import Tally
from darkroom.data import sources
from darkroom.data.ingestion.ingest import ingest
from darkroom.params import DataParams, PreprocessParams

PARAMS = PreprocessParams(size=(8, 8, 1))


def image(seed: int) -> bytes:
    """Return a small PNG file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def ingest_all(data: DataParams, folder: Path) -> Tally:
    """Find and ingest what a source holds.

    Raises:
        DarkroomError: the source is refused.
    """
    found = sources.find(data, PARAMS.size)
    ledger = folder / "ledger"
    ingested = ingest(found, PARAMS, ledger, folder / "images.npy")
    shutil.rmtree(ledger)
    return Tally(len(found.samples) + len(found.left_out), len(ingested.manifest), len(ingested.quarantine))
