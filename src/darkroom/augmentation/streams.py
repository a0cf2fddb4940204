"""Streams of random numbers: each part of augmentation has its own."""

import zlib
from typing import Literal, get_args

import numpy as np

Stream = Literal[
    "affine",
    "crop",
    "horizontal_flip",
    "vertical_flip",
    "erase",
    "resized_crop",
    "policy",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "grey",
    "blur",
    "jpeg",
    "mix",
]
STREAMS: tuple[Stream, ...] = get_args(Stream)
"""A part's place identifies its stream; append new ones."""
NAMED = 1000
"""First number of the streams of albumentations' transforms, which their names complete."""


def stream_seed(seed: int, name: Stream) -> int:
    """Return the seed of a part's stream: it depends on nothing but the batch's seed and the part."""
    return _spawned(seed, STREAMS.index(name))


def named_seed(seed: int, name: str, occurrence: int) -> int:
    """Return the seed of a named transform's stream.

    Args:
        seed: the batch's seed.
        name: the transform's name.
        occurrence: number of transforms of the same name before it.
    """
    return _spawned(seed, NAMED, zlib.crc32(name.encode()), occurrence)


def _spawned(seed: int, *key: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0])
