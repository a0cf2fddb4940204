"""Choose settings that fit images, each with its reason."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from darkroom.base import wording
from darkroom.configuring.looking import GIVEN, Look
from darkroom.networks import pretrained
from darkroom.params import DataParams

BASELINE = "logistic_regression"
"""Listed with the pretrained network; the better one on the validation images becomes the candidate."""
PRETRAINED_STEP = 32
"""The pretrained network halves its input five times."""
SMALLEST_PRETRAINED = 96
FULL_SIDE = 160
"""Shorter side from which images are resized to ``pretrained.SIDE``; smaller ones would cost time without detail."""
FEW_IMAGES = 20
"""Smallest class that params.yaml accepts by default."""
SMALL_DATA = 1000
RATIO = 20
"""Largest class divided by smallest that params.yaml accepts by default."""
TEST_SHARE = 0.2
LARGEST_BATCH = 64
"""Images per step with enough data; the default of ``batch_size``."""
LEAST_BATCH = 8
"""Smaller batches are chosen only where a class has fewer images."""
MOST_STEPS = 500
"""Steps per epoch; where the smallest class is tiny among many images, batches are larger than it."""
EPOCHS = 36
"""Of a network that is trained from scratch: its default of 30, and those of the search."""
NANOSECONDS = {"mnist_cnn": 300, "cifar_bn_cnn": 1800}
"""Processor time for one pixel position of one training image in an epoch, with augmentation; on an AMD EPYC."""


class Setting(NamedTuple):
    """A value in params.yaml."""

    key: str
    """Dotted: ``preprocess.size``."""
    value: Any
    reason: str


def network(look: Look) -> str:
    """Return the network that fits the images."""
    if look.shorter > pretrained.SMALL_SIDE:
        return pretrained.NETWORK
    return "mnist_cnn" if look.is_grey else "cifar_bn_cnn"


def choose(look: Look) -> Iterator[Setting]:
    """Yield the settings for images."""
    classes = f"{look.images} images in {len(look.counts)} classes"
    if look.unreadable:
        classes += f"; {look.unreadable} of {look.looked_at} that were looked at cannot be decoded"
    yield Setting("data.source", look.data.source, classes)
    yield Setting("data.path", look.data.path, _balance(look))
    for key in GIVEN:
        if (value := getattr(look.data, key)) != DataParams.model_fields[key].default:
            yield Setting(f"data.{key}", value, "as given")
    yield from _limits(look)
    yield from _size(look)
    yield from _training(look)


def _balance(look: Look) -> str:
    known = wording.accuracy_known(max(round(look.images * TEST_SHARE), 1))
    least, most = look.smallest_class, look.largest_class
    of_each = wording.counted(least, "image") if least == most else f"{least} to {most} images"
    return f"{of_each} per class; {known}"


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
    side = _side(look)
    if network(look) == pretrained.NETWORK:
        colour = "; grey images are converted, the network expects colour" if look.is_grey else ""
        yield Setting("preprocess.size", [side, side, 3], f"{sides}{colour}")
        return
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


def _side(look: Look) -> int:
    """Return the height and width to which images are resized, in pixels."""
    if network(look) != pretrained.NETWORK:
        return max(look.longer, 8)
    enough = max(SMALLEST_PRETRAINED, math.ceil(look.shorter / PRETRAINED_STEP) * PRETRAINED_STEP)
    return pretrained.SIDE if look.shorter >= FULL_SIDE else enough


def _training(look: Look) -> Iterator[Setting]:
    chosen = network(look)
    reasons = {
        pretrained.NETWORK: "pretrained on ImageNet, the best choice for photographs, beside a baseline",
        "mnist_cnn": "the most accurate documented network for small grey images",
        "cifar_bn_cnn": "the most accurate documented network for small colour images",
    }
    takes = f"the pipeline takes about {minutes(look)} min on {pretrained.CORES} processor cores"
    is_pretrained = chosen == pretrained.NETWORK
    yield Setting("models", [chosen, *([BASELINE] if is_pretrained else [])], f"{reasons[chosen]}; {takes}")
    if is_pretrained:
        yield Setting(f"search.{chosen}", {}, "nothing to search: only the last layer trains")
        yield Setting(f"search.{BASELINE}", {}, "it has nothing to search")
    else:
        yield Setting(f"search.{chosen}", None, "the search space of the network's file")
    values = dict(_values(look))
    yield Setting(f"train.{chosen}", values, _why_values(values, look))
    if is_pretrained:
        of_baseline = {name: value for name, value in values.items() if name == "class_weights"}
        yield Setting(f"train.{BASELINE}", of_baseline, "the baseline, on the same features: seconds of training")


def _why_values(values: Mapping[str, Any], look: Look) -> str:
    """Return why the training has other values than the defaults of the network's file."""
    reasons = []
    if "batch_size" in values:
        steps = math.ceil(_training_images(look) / values["batch_size"])
        reasons.append(f"small batches, so that an epoch has {wording.counted(steps, 'step')}")
    if "class_weights" in values:
        reasons.append("class weights make up for the small classes")
    return "; ".join(reasons) or "the defaults of the network's file"


def _training_images(look: Look) -> int:
    return round(look.images * (1 - 2 * TEST_SHARE))


def minutes(look: Look) -> int:
    """Return about how many minutes the pipeline takes on ``pretrained.CORES`` cores, rounded up."""
    chosen, side = network(look), _side(look)
    if chosen == pretrained.NETWORK:
        return pretrained.minutes(look.images, side)
    seconds = (
        pretrained.START + _training_images(look) * side**2 * EPOCHS * NANOSECONDS[chosen] * 1e-9 / pretrained.CORES
    )
    return math.ceil(seconds / 60)


def _values(look: Look) -> Iterator[tuple[str, Any]]:
    training = _training_images(look)
    batch = LARGEST_BATCH
    if training < SMALL_DATA:
        # At least 16 steps per epoch, with batches of at least 8 images.
        batch = min(batch, max(LEAST_BATCH, _power_of_two(training / 16)))
    batch = max(min(batch, _power_of_two(look.smallest_class)), min(batch, 2 * _power_of_two(training / MOST_STEPS)))
    if batch != LARGEST_BATCH:
        yield "batch_size", batch
    if look.largest_class > RATIO * look.smallest_class:
        yield "class_weights", "balanced"


def _power_of_two(most: float) -> int:
    """Return the largest power of two up to a number, at least 1."""
    return int(2 ** math.floor(math.log2(max(most, 1))))
