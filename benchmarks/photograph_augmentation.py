"""Cost of each part of augmentation on photographs, compared with Keras' layers and albumentations.

    python -m benchmarks.photograph_augmentation [ROUNDS]

Batches of 64 pieces, 224×224, of the two photographs that scikit-learn ships. Keras' layers run in tf.data, as in
its documentation; albumentations image by image, as Darkroom runs its transforms. The three take turns (see turns.py).
Prints, in Markdown, images per second of processor time of Darkroom and, for the others, median and quartiles of time
and processor time relative to Darkroom's. OpenCV works in one thread; TensorFlow uses all cores, so that processor time
is what to compare.
"""

import statistics
import sys
from collections.abc import Callable, Mapping

import numpy as np
from sklearn.datasets import load_sample_images

from benchmarks import turns
from benchmarks.turns import Cost, Way, now, ratios, since
from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.mixing import Mixer
from darkroom.base.backend import keras, tf
from darkroom.base.types import Pixels
from darkroom.data.prepared.targets import one_hot
from darkroom.params import AugmentationParams
from darkroom.params.augmentation import NamedTransform, PolicyParams, ResizedCropParams

SIDE, BATCH, BATCHES = 224, 64, 2
TARGETS = one_hot(np.arange(BATCH) % 5, 5)


def named(name: str, **parameters: object) -> AugmentationParams:
    """Return one of albumentations' transforms, applied to each image."""
    return AugmentationParams(transforms=(NamedTransform.model_validate({"name": name, "p": 1.0, **parameters}),))


PARTS: Mapping[str, tuple[AugmentationParams, Callable[[], keras.layers.Layer] | None, AugmentationParams | None]] = {
    "resized crop": (
        AugmentationParams(resized_crop=ResizedCropParams()),
        None,
        named("RandomResizedCrop", size=(SIDE, SIDE), scale=(0.35, 1.0)),
    ),
    "rotation, shift, scale": (
        AugmentationParams(rotation=10, shift=0.08, scale=0.1),
        lambda: keras.Sequential(
            [
                keras.layers.RandomRotation(10 / 360, fill_mode="nearest"),
                keras.layers.RandomTranslation(0.08, 0.08, fill_mode="nearest"),
                keras.layers.RandomZoom(0.1, fill_mode="nearest"),
            ]
        ),
        named("Affine", rotate=(-10, 10), translate_percent=(-0.08, 0.08), scale=(0.9, 1.1), border_mode=1),
    ),
    "brightness, contrast, saturation, hue": (
        AugmentationParams(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05),
        lambda: keras.layers.RandomColorJitter((0, 255), 0.2, 0.2, 0.2, 0.05),
        named("ColorJitter", brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.05, 0.05)),
    ),
    "grey": (AugmentationParams(grey=1.0), lambda: keras.layers.RandomGrayscale(1.0), named("ToGray")),
    "blur": (
        AugmentationParams(blur=2.0),
        lambda: keras.layers.RandomGaussianBlur(1.0, 13, 1.0),
        named("GaussianBlur", blur_limit=0, sigma_limit=(0, 2.0)),
    ),
    "JPEG": (AugmentationParams(jpeg=40), None, named("ImageCompression", quality_range=(40, 100))),
    "erase": (
        AugmentationParams(erase=0.3),
        lambda: keras.layers.RandomErasing(1.0, (0.09, 0.09), 127),
        named("CoarseDropout", num_holes_range=(1, 1), hole_height_range=(0.3, 0.3), hole_width_range=(0.3, 0.3)),
    ),
    "RandAugment": (
        AugmentationParams(policy=PolicyParams(name="rand_augment")),
        lambda: keras.layers.RandAugment((0, 255), 2, 0.3),
        None,
    ),
    "TrivialAugment": (AugmentationParams(policy=PolicyParams(name="trivial_augment")), None, None),
    "MixUp": (AugmentationParams(mixup=0.2), lambda: keras.layers.MixUp(0.2), None),
    "CutMix": (AugmentationParams(cutmix=1.0), lambda: keras.layers.CutMix(1.0), None),
}
"""What is measured, with the same in Keras and albumentations, as far as they have it."""


def main() -> None:
    """Measure each part and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    images = pieces()
    print("| part | images per processor second | Keras, time | CPU time | albumentations, time | processor time |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (params, layer, library) in PARTS.items():
        ways = {"ours": ours(params, images)}
        if layer is not None:
            ways["Keras"] = with_layer(layer(), images)
        if library is not None:
            ways["albumentations"] = ours(library, images)
        costs = turns.runs(ways, rounds)
        others = [ratios(costs[way], costs["ours"]) if way in costs else "– | –" for way in ("Keras", "albumentations")]
        speed = BATCH * BATCHES / statistics.median(cost.processor for cost in costs["ours"])
        print(f"| {name} | {speed:,.0f} | {' | '.join(others)} |", flush=True)


def pieces() -> Pixels:
    """Return random pieces of two photographs."""
    generator = np.random.default_rng(0)
    photographs = load_sample_images().images
    cut = []
    for number in range(BATCH):
        photograph = photographs[number % len(photographs)]
        top, left = (int(generator.integers(0, side - SIDE)) for side in photograph.shape[:2])
        cut.append(photograph[top : top + SIDE, left : left + SIDE])
    return np.stack(cut)


def ours(params: AugmentationParams, images: Pixels) -> Way:
    """Darkroom's augmentation, as in training but without prefetching."""
    augmenter, mixer = Augmenter(params), Mixer(params) if params.mixes else None

    def run() -> Cost:
        begun = now()
        for seed in range(BATCHES):
            varied = augmenter(images, seed)
            if mixer is not None:
                mixer(varied, TARGETS, None, seed)
        return since(begun)

    return run


def with_layer(layer: keras.layers.Layer, images: Pixels) -> Way:
    """A layer of Keras in tf.data, which may use all cores."""
    mixes = isinstance(layer, keras.layers.MixUp | keras.layers.CutMix)
    batches = tf.data.Dataset.from_tensors({"images": images.astype(np.float32), "labels": TARGETS}).repeat(BATCHES)

    def apply(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return layer(batch)["images"] if mixes else layer(batch["images"], training=True)

    varied = batches.map(apply, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def run() -> Cost:
        begun = now()
        for _ in varied:
            pass
        return since(begun)

    return run


if __name__ == "__main__":
    main()
