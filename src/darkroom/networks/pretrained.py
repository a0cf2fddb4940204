"""When a pretrained network is the better choice, and what it costs."""

NETWORK = "efficientnet_lite0"
"""The pretrained network to begin with: its weights come with the environment."""
SIDE = 224
"""Pixels; the size of the images that it was trained on."""
SMALL_SIDE = 64
"""Pixels; networks that are trained from scratch suit images up to this size, unless there are very many."""
MANY = 20_000
"""Images from which on training from scratch is an alternative."""
SECONDS_PER_IMAGE = 0.05
"""Processor time of the whole pipeline for an image of ``SIDE`` if the last layer is trained: a fifth of it to compute
the features (0.01 s on an AMD EPYC), the rest to read, compare and evaluate; a cautious estimate."""
START = 90
"""Seconds that the pipeline takes for a handful of images, most of them to start its stages; with any network."""
CORES = 2
"""Processor cores for which ``minutes`` holds."""


def is_better(shorter: float, images: int) -> bool:
    """Return whether a pretrained network is better than one that is trained from scratch.

    Args:
        shorter: median of the images' shorter sides, in pixels, before they are resized.
        images: number of images.
    """
    return shorter > SMALL_SIDE and images < MANY


def minutes(images: int, side: int = SIDE) -> int:
    """Return about how many minutes the pipeline takes on ``CORES`` cores, rounded up.

    Args:
        images: number of images of all splits.
        side: height and width in pixels of the resized images.
    """
    return int(images * SECONDS_PER_IMAGE * (side / SIDE) ** 2 / CORES // 60) + 1 + START // 60
