"""Checks of augmentation and test-time augmentation against images, batches and price charts."""

from darkroom.base.errors import InputError
from darkroom.params import transforms
from darkroom.params.augmentation import AugmentationParams
from darkroom.params.network import NetworkParams
from darkroom.params.preprocess import PreprocessParams
from darkroom.params.results import View

OF_COLOUR = ("saturation", "hue", "grey")
"""Augmentations without an effect on grey images."""
REFUSED_ON_CHARTS = (
    *("resized_crop", "rotation", "shift", "scale", "shear", "crop", "horizontal_flip", "vertical_flip", "policy"),
    *("hue", "grey", "mixup", "cutmix"),
)
"""Augmentations that change what a price chart means: its geometry, its colours, or which chart it is."""


def check_augmentation(augmentation: AugmentationParams, size: tuple[int, int, int], place: str) -> None:
    """Check that an augmentation has an effect on the images, and that named transforms work on them.

    Args:
        augmentation: the augmentation.
        size: height, width and channels of the images.
        place: where it is set.

    Raises:
        InputError: it does not; the text begins with ``place``.
    """
    if size[2] == 1 and (idle := [name for name in OF_COLOUR if getattr(augmentation, name)]):
        raise InputError(f"{place}: {', '.join(idle)} needs colour images, but preprocess.size[2] is 1; remove it")
    for number, transform in enumerate(augmentation.transforms):
        try:
            transforms.check_on(transform.name, transform.parameters, size)
        except ValueError as error:
            raise InputError(f"{place}.transforms[{number}]: {error}") from None


def check_of_network(values: NetworkParams, preprocess: PreprocessParams, name: str) -> None:
    """Check a network's augmentation against the images and its batches.

    Raises:
        InputError: they do not fit together; the text begins with the parameter's name.
    """
    if values.augmentation is not None:
        check_augmentation(values.augmentation, preprocess.size, f"train.{name}.augmentation")
    if values.augment and (values.augmentation or preprocess.augmentation).mixes and values.batch_size == 1:
        raise InputError(
            f"train.{name}.batch_size: 1 given, but mixup and cutmix mix the images of a batch; set batch_size to 2 "
            "or more"
        )


def check_views(views: tuple[View, ...], size: tuple[int, int, int]) -> None:
    """Check that test-time augmentation fits the images.

    Raises:
        InputError: it does not.
    """
    if "quarter_turns" in views and size[0] != size[1]:
        raise InputError(
            f"evaluate.test_time_augmentation: quarter_turns needs square images, but preprocess.size is "
            f"{size[0]}×{size[1]}; remove it"
        )


def reject_on_charts(augmentation: AugmentationParams, place: str = "preprocess.augmentation") -> None:
    """Reject augmentation that changes the meaning of a price chart: a flipped rise is a fall.

    Raises:
        InputError: such an augmentation is enabled; the text begins with ``place``.
    """
    changing = [name for name in REFUSED_ON_CHARTS if getattr(augmentation, name)]
    changing += [each.name for each in augmentation.transforms if transforms.moves_pixels(each.name)]
    if changing:
        raise InputError(
            f"{place}: {', '.join(changing)} would change the meaning of a price chart; remove it and use "
            "data.price_charts.variants instead"
        )
