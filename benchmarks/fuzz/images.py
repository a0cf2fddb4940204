"""Mutated image files through ingest, and the decoding of predict, serve, drift and explain.

All must use or refuse the same files, and make the same pixels of those that they use. The network is left out.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.fuzz import image_files
from benchmarks.fuzz.core import Input, Tally
from benchmarks.fuzz.mutations import mutate
from darkroom.base.errors import ImageError
from darkroom.data.formats.samples import File, Sample
from darkroom.data.ingestion.decoding import describe
from darkroom.data.ingestion.ingest import ingest
from darkroom.data.prepared.datasets import Description
from darkroom.data.sources import Found
from darkroom.drift import arrivals
from darkroom.inference import classifier
from darkroom.params import PreprocessParams
from darkroom.serving.explain import PackagedNetwork

Pixels = npt.NDArray[np.uint8]
TOGETHER = 50
"""Files that are ingested together, as all of ingestion takes long for one."""
DECLARED = (0, 1, 65_535, 65_536, 8_900, 20_000, 2**31 - 1)
"""Widths and heights that headers may declare."""
CASES: tuple[tuple[tuple[int, int, Literal[1, 3]], Literal["bicubic", "nearest"], Literal["stretch", "pad"]], ...] = (
    ((28, 28, 1), "bicubic", "stretch"),
    ((24, 32, 3), "bicubic", "pad"),
    ((16, 16, 3), "nearest", "stretch"),
)
"""Size, interpolation and aspect of ``preprocess``."""


def family(folder: Path) -> "Images":
    """Return the family; ``folder`` is for its files."""
    return Images(folder)


class Images:
    """Image files of all formats."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound = image_files.files()
        self._readers = [_Readers(folder / str(number), *case) for number, case in enumerate(CASES)]

    def make(self, generator: np.random.Generator) -> Input:
        """Mutate a file, or declare another size in its header."""
        ending, content = self._sound[generator.integers(len(self._sound))]
        if ending == ".png" and generator.random() < 0.1:  # noqa: PLR2004
            size = [int(DECLARED[generator.integers(len(DECLARED))]) for _ in range(2)]
            content = content[:16] + b"".join(side.to_bytes(4, "big") for side in size) + content[24:]
        else:
            content = mutate(content, generator, image_files.WORDS.get(ending, ()))
        if generator.random() < 0.8:  # noqa: PLR2004
            content = image_files.with_checksums(content)
        return Input(f"{generator.integers(len(CASES))}{ending}", content)

    def attempt(self, given: Input) -> Tally:
        """Read a file as ingest, predict, serve, drift and explain do."""
        readers = self._readers[int(given.name[0])]
        pixels = _pixels_or_none(readers.described, given.content)
        for reader in (readers.predicted, readers.served, readers.compared, readers.explained):
            other = _pixels_or_none(reader, given.content)
            assert (pixels is None) == (other is None), f"described and {reader.__name__} disagree"  # noqa: S101
            if pixels is not None and other is not None:
                assert np.array_equal(pixels, other), f"described and {reader.__name__} differ"  # noqa: S101
        readers.ingested(given, pixels)
        return Tally(1, int(pixels is not None), int(pixels is None))


def _pixels_or_none(reader: Callable[[bytes], Pixels], content: bytes) -> Pixels | None:
    try:
        return reader(content)
    except ImageError as error:
        if "\n" in str(error):
            raise AssertionError("more than one line") from error
        return None


class _Readers:
    """All ways to read an image, with equal settings; all but ``ingested`` raise ImageError or return pixels."""

    def __init__(
        self,
        folder: Path,
        size: tuple[int, int, Literal[1, 3]],
        interpolation: Literal["bicubic", "nearest"],
        aspect: Literal["stretch", "pad"],
    ) -> None:
        folder.mkdir()
        self._folder = folder
        self._expected: dict[str, Pixels | None] = {}
        self._params = PreprocessParams(size=size, interpolation=interpolation, aspect=aspect)
        described: dict[str, Any] = {"size": size, "interpolation": interpolation, "aspect": aspect}
        self._description = Description(
            ("a", "b"), **described, mean=(), deviation=(), source="folder", counts={}, training_counts={}, digest=""
        )
        self._network = _Network()
        described["labels"] = ["a", "b"]
        self._classifier = classifier.Classifier(self._network, described)
        network: Any = self._network
        self._packaged = PackagedNetwork(network, described, classifier)

    def described(self, content: bytes) -> Pixels:
        described, pixels = describe(content, self._params)
        if pixels is None:
            raise ImageError(str(described.refusal))
        return pixels

    def ingested(self, given: Input, pixels: Pixels | None) -> None:
        """Remember the file, and what is expected of it; ingest files when there are ``TOGETHER``."""
        name = f"{len(self._expected)}{Path(given.name).suffix}"
        (self._folder / name).write_bytes(given.content)
        self._expected[name] = pixels
        if len(self._expected) < TOGETHER:
            return
        expected, self._expected = self._expected, {}
        paths = {name: self._folder / name for name in expected}
        samples = [Sample(name, "a", File(str(path), path.stat().st_ino)) for name, path in paths.items()]
        result = ingest(Found(samples, []), self._params, self._folder / "ledger", self._folder / "pixels.npy")
        used = {name: pixels for name, pixels in expected.items() if pixels is not None}
        unused = [name for name, pixels in expected.items() if pixels is None]
        assert list(result.manifest["name"]) == [*used], f"ingest uses other files than {[*used]}"  # noqa: S101
        assert list(result.quarantine["name"]) == unused, f"ingest leaves out others than {unused}"  # noqa: S101
        for (name, pixels_of_it), found in zip(used.items(), np.load(self._folder / "pixels.npy"), strict=True):
            assert np.array_equal(found, pixels_of_it), f"ingest has other pixels of {name}"  # noqa: S101

    def predicted(self, content: bytes) -> Pixels:
        self._classifier.predict([content])
        return self._network.last

    def served(self, content: bytes) -> Pixels:
        self._classifier.predict([base64.b64encode(content).decode()])
        return self._network.last

    def compared(self, content: bytes) -> Pixels:
        images, unreadable = arrivals.read([Sample("given", "", _InMemory(content))], self._description)
        if unreadable:
            raise ImageError(str(unreadable[0]))
        return images[0].pixels

    def explained(self, content: bytes) -> Pixels:
        return self._packaged.pixels(content)


class _InMemory:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self) -> bytes:
        return self._content


class _Network:
    """Remembers the pixels of the last image instead of classifying it."""

    last: Pixels

    def predict_on_batch(self, batch: Pixels) -> npt.NDArray[np.float32]:
        self.last = batch[0]
        return np.full((len(batch), 2), 0.5, dtype=np.float32)
