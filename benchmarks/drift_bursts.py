"""False alarms of `darkroom drift` on bursts, and its power on changed colours and turned images; without a network.

    python -m benchmarks.drift_bursts {bursts,changes} {cifar10,fashion_mnist} [SAMPLES]

Requires the data sets (see benchmarks/published.py). Samples (default 300, with seeds 0, 1, …) of unseen images are
compared with 1,000 of 10,000 known ones. ``bursts``: pictures in several versions; samples with an alarm at level 0.05
over all tests, if images are permuted, and if the families that drift finds are; and the share of the pairs of versions
that it finds. ``changes``: samples with an alarm at level 0.01, and the tests that raised it. Prints Markdown.
"""

import argparse
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from benchmarks import published
from benchmarks.recipes import machine
from darkroom.drift import families, permutation
from darkroom.drift.blocks import singles
from darkroom.drift.measures import image_statistics
from darkroom.drift.samples import Sample
from darkroom.inference.images import Pixels

if TYPE_CHECKING:
    from darkroom.base.types import Numbers

LEVEL, LEVEL_OF_CHANGES = 0.05, 0.01
MARGIN = 2  # fewer permutations: p-values are coarser, and as valid
KNOWN, POOL = 1000, 10_000
Change = Callable[[Pixels, np.random.Generator], Pixels]


def recompressed(image: Pixels, generator: np.random.Generator) -> Pixels:
    """Change brightness and contrast by up to 15 %, and save as JPEG."""
    values = image.astype(np.float32) * generator.uniform(0.85, 1.15) + generator.uniform(-15, 15)
    content = io.BytesIO()
    squeezed = np.clip(values, 0, 255).astype(np.uint8).squeeze()
    Image.fromarray(squeezed).save(content, "JPEG", quality=int(generator.integers(60, 95)))
    return np.asarray(Image.open(content)).reshape(image.shape)


def next_frame(image: Pixels, generator: np.random.Generator) -> Pixels:
    """Shift by up to 1 pixel, change the brightness by up to 3 %, and add noise, as in the next frame of a video."""
    shift = np.array([[1, 0, generator.uniform(-1, 1)], [0, 1, generator.uniform(-1, 1)]])
    size = image.shape[1], image.shape[0]
    moved = cv2.warpAffine(image.astype(np.float32), shift, size, borderMode=cv2.BORDER_REPLICATE).reshape(image.shape)
    noisy = moved * generator.uniform(0.97, 1.03) + generator.normal(0, 3, image.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


BURSTS: dict[str, tuple[tuple[int, ...], Change]] = {
    "200 single images": ((1,) * 200, recompressed),
    "100 bursts of two, recompressed": ((2,) * 100, recompressed),
    "100 bursts of two frames": ((2,) * 100, next_frame),
    "40 bursts of ten, recompressed": ((10,) * 40, recompressed),
    "a burst of 100 among 100 single images, recompressed": ((100, *(1,) * 100), recompressed),
}
CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "red and blue swapped": lambda images: images[..., ::-1],
    "green raised by 10": lambda images: np.clip(images + np.array([0, 10, 0]), 0, 255).astype(np.uint8),
    "turned by 90°": lambda images: np.rot90(images, 1, (1, 2)),
    "upside down": lambda images: np.rot90(images, 2, (1, 2)),
}


def measured(images: Pixels, labels: np.ndarray) -> Sample:
    """Measure images."""
    return Sample(image_statistics(images), labels)


def bursts(images: Pixels, labels: np.ndarray, samples: int) -> None:
    """Print the table of false alarms."""
    permutation.MARGIN = MARGIN
    print(f"| new images | permuting images | permuting families | pairs found, of {samples} samples |")
    print("| --- | --- | --- | --- |")
    pools: dict[Change, tuple[Pixels, dict[str, Numbers]]] = {}
    for name, (sizes, alter) in BURSTS.items():
        if alter not in pools:
            # The known images are altered like the new ones: otherwise, the alteration would be drift.
            altered = np.stack([alter(image, np.random.default_rng(row)) for row, image in enumerate(images[:POOL])])
            pools[alter] = altered, image_statistics(altered)
        alarms, found, pairs = Counter[str](), 0, 0
        for seed in range(samples):
            generator = np.random.default_rng(seed)
            known = generator.choice(POOL, KNOWN, replace=False)
            pixels, measures = pools[alter]
            training = Sample({name: of_all[known] for name, of_all in measures.items()}, labels[known])
            burst = np.repeat(np.arange(len(sizes)), sizes)
            rows = (POOL + generator.choice(len(images) - POOL, len(sizes), replace=False))[burst]
            new = np.stack([alter(images[row], generator) for row in rows])
            single, blocks = measured(new, labels[rows]), families.find(new, pixels[known], singles(KNOWN), seed)
            for kind, of_new in {"images": single, "families": replace(single, families=blocks)}.items():
                alarms[kind] += any(one.drift for one in permutation.compare(training, of_new, LEVEL, seed))
            together = burst[:, None] == burst
            found += int((together & (blocks[:, None] == blocks)).sum()) - len(burst)
            pairs += int(together.sum()) - len(burst)
        shares = " | ".join(f"{alarms[kind] / samples:.1%}" for kind in ("images", "families"))
        print(f"| {name} | {shares} | {f'{found / pairs:.1%}' if pairs else '–'} |", flush=True)


def changes(images: Pixels, labels: np.ndarray, samples: int) -> None:
    """Print the table of power."""
    print("| new images | per sample | samples with an alarm | tests that raised it |\n| --- | --- | --- | --- |")
    measures = image_statistics(images[:POOL])
    for name, change in CHANGES.items():
        if images.shape[3] == 1 and not name.startswith(("turned", "upside")):
            continue
        for size in (100, 500):
            by_test, alarms = Counter[str](), 0
            for seed in range(samples):
                generator = np.random.default_rng(seed)
                known = generator.choice(POOL, KNOWN, replace=False)
                rows = POOL + generator.choice(len(images) - POOL, size, replace=False)
                training = Sample({name: of_all[known] for name, of_all in measures.items()}, labels[known])
                new = measured(change(images[rows]), labels[rows])
                drifted = [one.test for one in permutation.compare(training, new, LEVEL_OF_CHANGES, seed) if one.drift]
                by_test.update(drifted)
                alarms += bool(drifted)
            raised = ", ".join(f"{test} {count}" for test, count in by_test.most_common())
            print(f"| {name} | {size} | {alarms} of {samples} | {raised or '–'} |", flush=True)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("bursts", "changes"))
    parser.add_argument("data", choices=("cifar10", "fashion_mnist"))
    parser.add_argument("samples", type=int, nargs="?", default=300)
    chosen = parser.parse_args()
    _, train, _, _ = published.load(chosen.data)
    print(f"{chosen.data}, {machine()}\n")
    measure = bursts if chosen.what == "bursts" else changes
    # The images of CIFAR-10 are sorted by class.
    order = np.random.default_rng(0).permutation(len(train.classes))
    measure(train.images[order], train.classes[order].astype(str), chosen.samples)


if __name__ == "__main__":
    main()
