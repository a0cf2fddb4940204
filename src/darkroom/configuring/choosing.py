"""Choose settings that fit images, each with its reason."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from darkroom.configuring.looking import Look

SMALL_SIDE = 64
"""Pixels. Networks for small images are trained from chance up to this size; larger images need a pretrained one."""
PRETRAINED_SIDE = 224
"""Pixels; the size of the images that the pretrained network was trained on."""
PRETRAINED_STEP = 32
"""The pretrained network halves its input five times."""
SMALLEST_PRETRAINED = 96
FULL_SIDE = 160
"""Shorter side from which images are resized to ``PRETRAINED_SIDE``; smaller ones would cost time without detail."""
FEW_IMAGES = 20
"""Smallest class that params.yaml accepts by default."""
SMALL_DATA = 1000
RATIO = 20
"""Largest class divided by smallest that params.yaml accepts by default."""
TEST_SHARE = 0.2


class Setting(NamedTuple):
    """A value in params.yaml."""

    key: str
    """Dotted: ``preprocess.size``."""
    value: Any
    reason: str


def network(look: Look) -> str:
    """Return the network that fits the images."""
    if look.shorter > SMALL_SIDE:
        return "efficientnet_lite0"
    return "mnist_cnn" if look.is_grey else "cifar_bn_cnn"


def choose(look: Look) -> Iterator[Setting]:
    """Yield the settings for images."""
    classes = f"{look.images} images in {len(look.counts)} classes"
    if look.unreadable:
        classes += f"; {look.unreadable} of {look.looked_at} that were looked at cannot be decoded"
    yield Setting("data.source", look.data.source, classes)
    yield Setting("data.path", look.data.path, _balance(look))
    yield from _limits(look)
    yield from _size(look)
    yield from _training(look)


def _balance(look: Look) -> str:
    return f"{look.smallest_class} to {look.largest_class} images per class"


def _limits(look: Look) -> Iterator[Setting]:
    """Yield limits of validation that these images would not meet."""
    if look.smallest_class < FEW_IMAGES:
        reason = f"the smallest class has {look.smallest_class}; collect more, a few dozen per class at least"
        yield Setting("validate.minimum_images_per_class", look.smallest_class, reason)
    ratio = look.largest_class / look.smallest_class
    if ratio > RATIO:
        yield Setting("validate.maximum_class_ratio", math.ceil(ratio), "as in these images; class weights balance it")


def _size(look: Look) -> Iterator[Setting]:
    sides = f"the median image is {look.longer}×{look.shorter} pixels"
    if network(look) == "efficientnet_lite0":
        enough = max(SMALLEST_PRETRAINED, math.ceil(look.shorter / PRETRAINED_STEP) * PRETRAINED_STEP)
        side = PRETRAINED_SIDE if look.shorter >= FULL_SIDE else enough
        colour = "; grey images are converted, the network expects colour" if look.is_grey else ""
        yield Setting("preprocess.size", [side, side, 3], f"{sides}{colour}")
        return
    side = max(look.longer, 8)
    colour = "all images are grey" if look.is_grey else "colour"
    yield Setting("preprocess.size", [side, side, 1 if look.is_grey else 3], f"{sides}; {colour}")
    may_flip = not look.is_grey
    flips = (
        "a mirrored photograph shows the same class"
        if may_flip
        else "a mirrored character is another one; set true if your images may be mirrored"
    )
    yield Setting("preprocess.augmentation.horizontal_flip", may_flip, flips)
    if may_flip:
        yield Setting("preprocess.augmentation.rotation", 0, "small images lose detail by interpolation")


def _training(look: Look) -> Iterator[Setting]:
    chosen = network(look)
    pretrained = chosen == "efficientnet_lite0"
    reasons = {
        "efficientnet_lite0": "pretrained on ImageNet, the best choice for photographs",
        "mnist_cnn": "the most accurate documented network for small grey images",
        "cifar_bn_cnn": "the most accurate documented network for small colour images",
    }
    yield Setting("models", [chosen], reasons[chosen])
    if pretrained:
        why = "nothing to search: only the last layer trains"
        yield Setting(f"search.{chosen}", {}, why)
    else:
        yield Setting(f"search.{chosen}", None, "the search space of the network's file")
    yield Setting(f"train.{chosen}", dict(_values(look)), _expectation(look))


def _values(look: Look) -> Iterator[tuple[str, Any]]:
    training = round(look.images * (1 - 2 * TEST_SHARE))
    if training < SMALL_DATA:
        # At least 16 steps per epoch, with batches of at least 8 images.
        yield "batch_size", int(min(64, max(8, 2 ** math.floor(math.log2(max(training / 16, 8))))))
    if look.largest_class > RATIO * look.smallest_class:
        yield "class_weights", "balanced"


def _expectation(look: Look) -> str:
    """Return how precisely the accuracy will be known: half the width of the 95 % interval at an accuracy of .9."""
    test = max(round(look.images * TEST_SHARE), 1)
    half = 196 * math.sqrt(0.9 * 0.1 / test)
    return f"with {test} test images, an accuracy of 0.9 is known to ± {half:.0f} points"
