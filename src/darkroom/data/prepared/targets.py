"""One-hot targets, class weights and batch seeds."""

import numpy as np

from darkroom.base.types import Floats, Integers


def one_hot(classes: Integers, count: int) -> Floats:
    """Encode class numbers of shape (n,) as float32 of shape (n, count)."""
    return np.eye(count, dtype=np.float32)[classes]


def balanced_weights(classes: Integers, count: int) -> Floats:
    """Return class weights, inversely proportional to frequency, that average to 1 over the images."""
    sizes = np.bincount(classes, minlength=count)
    return (len(classes) / (count * np.maximum(sizes, 1))).astype(np.float32)


def batch_seed(*numbers: int) -> int:
    """Derive a batch's seed from seed, epoch and batch index."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
