"""Check a network's values against the data: number of classes and batch size."""

from darkroom.base.errors import InputError
from darkroom.params.network import NetworkParams

SMALL_DATA = 2000
"""With fewer images, ``batch_size: auto`` uses full-batch training."""


def images_per_step(values: NetworkParams, images: int) -> int:
    """Return the batch size as a number of images.

    ``auto`` follows the book (section 4.7.1): the full batch below 2,000 images, else mini-batches of 64.
    """
    match values.batch_size:
        case "full":
            return images
        case "auto":
            return images if images < SMALL_DATA else 64
        case int(size):
            return size
    raise ValueError(f"batch_size {values.batch_size!r}")  # unreachable: BatchSize is validated


def check_classes(network: str, values: NetworkParams, classes: int) -> None:
    """Check that a network can be trained with this number of classes.

    Raises:
        InputError: there is one class, or ``output`` is ``sigmoid`` and there are more than two.
    """
    if classes < 2:  # noqa: PLR2004
        raise InputError(
            f"{network}: the data has one class, but a classifier needs at least two; add images of another class"
        )
    if values.output == "sigmoid" and classes > 2:  # noqa: PLR2004
        raise InputError(f"train.{network}.output: sigmoid supports two classes, the data has {classes}; set softmax")


def check_data(network: str, values: NetworkParams, images: int, classes: int) -> None:
    """Check a network's values against its training data.

    Args:
        network: its name.
        values: the values of ``train.<network>``.
        images: number of training images.
        classes: number of classes.

    Raises:
        InputError: see ``check_classes``, or the batch is larger than the data.
    """
    check_classes(network, values, classes)
    if values.optimizer == "lbfgs":
        return  # each of its steps takes all images
    if (size := images_per_step(values, images)) > images:
        raise InputError(
            f"train.{network}.batch_size: {size} exceeds the {images} training images; "
            f"set {images} or less, full, or auto"
        )
