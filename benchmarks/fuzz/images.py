"""Mutated image files through the decoding of ingest, predict and serve."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.fuzz.core import Input, Tally
from benchmarks.fuzz.mutations import mutate
from darkroom.data.ingestion.decoding import describe
from darkroom.params import PreprocessParams


def family(folder: Path) -> "Images":  # noqa: ARG001 - others need it
    """Return the family; ``folder`` is for its files."""
    return Images()


class Images:
    """Image files of all formats."""

    def __init__(self) -> None:
        buffer = io.BytesIO()
        Image.fromarray(np.zeros((20, 30, 3), dtype=np.uint8)).save(buffer, "PNG")
        self._seed = buffer.getvalue()

    def make(self, generator: np.random.Generator) -> Input:
        """Mutate a file."""
        return Input("image.png", mutate(self._seed, generator))

    def attempt(self, given: Input) -> Tally:
        """Decode it."""
        content, _ = describe(given.content, PreprocessParams(size=(28, 28, 3)))
        return Tally(1, int(content.refusal is None), int(content.refusal is not None))
