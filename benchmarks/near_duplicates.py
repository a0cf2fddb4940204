"""Search for near-duplicates in a published data set: processor time compared with decoding, and results.

    python -m benchmarks.near_duplicates {cifar10,fashion_mnist} [--picture PATH] [--runs N]

Prints two tables in Markdown: the pairs found, and the share of planted copies found by kind of change (seed 0; see
benchmarks/planted.py). The picture shows 50 random test images (seed 0) with a near-duplicate among the official
training images, each next to one of its duplicates, to judge precision by eye. Requires the data sets; see
benchmarks/published.py.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks import published
from benchmarks.planted import plant
from benchmarks.recipes import machine
from darkroom.data import sources
from darkroom.data.formats.samples import content_hash
from darkroom.data.ingestion import reading
from darkroom.data.splitting import near_duplicates
from darkroom.data.splitting.pairs import Pairs
from darkroom.data.splitting.relations import connected
from darkroom.inference.images import Pixels
from darkroom.params import DataParams, PreprocessParams

SHOWN = 50
COLUMNS = 5
ENLARGED = 96  # pixels


def main(data: str, picture: Path | None, runs: int) -> None:
    """Measure time, print the tables and draw the picture."""
    _, train, validation, test = published.load(data)
    images = np.concatenate([train.images, validation.images, test.images])
    first_test = len(images) - len(test.images)
    sha256 = [content_hash(image) for image in images]
    # Alternate, so that other load on the machine affects both.
    decode, search = [], []
    for _ in range(runs):
        if data == "cifar10":
            begun = processor_seconds()
            decode_all(published.folder() / "cifar10-images.zip")
            decode.append(processor_seconds() - begun)
        begun = processor_seconds()
        result = found(images, sha256)
        search.append(processor_seconds() - begun)
    pairs = result.pairs
    across = leaking(pairs, first_test)
    family = connected(len(images), pairs.first, pairs.second)
    leaked = int(np.isin(family[first_test:], family[:first_test]).sum())
    sizes = np.bincount(family)
    rows = {
        "images": f"{len(images):,}",
        "equal pixels": f"{len(images) - len(set(sha256)):,} images",
        "pairs": f"{len(pairs.first):,}",
        "unverified": f"{result.unverified.sum():,} images",
        "groups": f"{(sizes > 1).sum():,} of two or more, the largest of {sizes.max():,}",
        "test images with a near-duplicate in training": f"{leaked:,} of {len(test.images):,}",
        "processor seconds of the search": spread(search),
    }
    if decode:
        rows |= {
            "processor seconds of decoding, as ingestion does": spread(decode),
            "search / decoding": spread([one / other for one, other in zip(search, decode, strict=True)]),
        }
    print(f"| {data} | {machine()['processor']}, {os.cpu_count()} cores |\n| --- | --- |")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    recall(images)
    if picture:
        draw(images, pairs, across, picture)


def found(images: Pixels, sha256: list[str]) -> near_duplicates.Found:
    """Search for near-duplicates."""
    return near_duplicates.search(near_duplicates.thumbnails(images), sha256)


def recall(images: Pixels) -> None:
    """Plant changed copies among all images; print the share of them in the family of their original."""
    planted = plant(images)
    everything = np.concatenate([images, planted.images])
    names = [content_hash(image) for image in everything]
    result = near_duplicates.search(near_duplicates.thumbnails(everything), names)
    family = connected(len(everything), result.pairs.first, result.pairs.second)
    is_found = family[planted.original] == family[len(images) :]
    print(f"\n| change, among {len(everything):,} images | found | unverified |\n| --- | --- | --- |")
    for number, name in enumerate(planted.names):
        chosen = planted.kind == number
        print(f"| {name} | {is_found[chosen].mean():.1%} | {result.unverified[len(images) :][chosen].sum()} |")


def leaking(pairs: Pairs, first_test: int) -> np.ndarray:
    """Return which pairs consist of a training and a test image; test images come last."""
    return (pairs.first < first_test) & (pairs.second >= first_test)


def decode_all(archive: Path) -> None:
    """Decode all images of an archive like ingestion, in processes on all cores."""
    params = PreprocessParams(size=(32, 32, 3))
    found = sources.find(DataParams(source="archive", path=str(archive)), params.size).samples
    for _ in reading.read_all(found, range(len(found)), frozenset(), params):
        pass


def processor_seconds() -> float:
    """Return the processor time of this process, and of those that it and its children have started."""
    here = psutil.Process()
    time.sleep(0.5)  # the parent of workers that have just ended waits for them, then their time counts as its own
    return sum(sum(process.cpu_times()[:4]) for process in (here, *here.children(recursive=True)))


def spread(values: list[float]) -> str:
    """Format median and range."""
    return f"{statistics.median(values):.2f} (median of {len(values)}; {min(values):.2f} to {max(values):.2f})"


def draw(images: Pixels, pairs: Pairs, across: np.ndarray, path: Path) -> None:
    """Draw numbered test images next to a duplicate, with their similarity."""
    generator = np.random.default_rng(0)
    leaked = np.unique(pairs.second[across])
    chosen = generator.choice(leaked, min(SHOWN, len(leaked)), replace=False)
    cells = []
    for number, row in enumerate(chosen, start=1):
        pair = generator.choice(np.flatnonzero(across & (pairs.second == row)))
        both = [
            cv2.resize(images[place], (ENLARGED, ENLARGED), interpolation=cv2.INTER_NEAREST).reshape(
                ENLARGED, ENLARGED, -1
            )
            for place in (row, pairs.first[pair])
        ]
        cell = np.full((ENLARGED + 22, 2 * ENLARGED + 12, images.shape[3]), 255, np.uint8)
        cell[:ENLARGED, : 2 * ENLARGED] = np.concatenate(both, axis=1)
        cv2.putText(
            cell,
            f"{number}: {pairs.similarity[pair]:.2f}",
            (2, ENLARGED + 15),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            (0, 0, 0),
            1,
            cv2.LINE_AA,
        )
        cells.append(cell)
    while len(cells) % COLUMNS:
        cells.append(np.full_like(cells[0], 255))
    sheet = np.concatenate(
        [np.concatenate(cells[start : start + COLUMNS], axis=1) for start in range(0, len(cells), COLUMNS)]
    )
    cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["cifar10", "fashion_mnist"])
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    main(**vars(parser.parse_args()))
