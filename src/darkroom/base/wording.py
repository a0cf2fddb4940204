"""Numbers in sentences and tables, as people write them."""

import math

import numpy as np

SMALLEST_P = 1e-4
"""Smaller p-values are written as a bound: their digits mean nothing."""
LIKELY_ACCURACY = 0.9
"""For which precision is stated before anything is trained."""
TINY = 1e-6
LARGE = 1000
"""Numbers from here on are rounded to whole ones, with separators of thousands."""


def p_value(p: float) -> str:
    """Return a p-value: ``p 0.0156`` or ``p < 0.0001``."""
    return f"p {probability(p)}"


def probability(p: float) -> str:
    """Return a p-value for the cell of a table: ``0.0156`` or ``< 0.0001``."""
    return f"< {SMALLEST_P:.4f}" if p < SMALLEST_P else f"{p:.4f}"


def number(value: float) -> str:
    """Return a number to four digits, without an exponent unless it is tiny: ``59,700`` or ``0.00012``."""
    rounded = float(f"{value:.4g}")
    if abs(rounded) >= LARGE:
        return f"{rounded:,.0f}"
    if 0 < abs(rounded) < TINY:
        return f"{rounded:.2g}"
    return np.format_float_positional(rounded, trim="-")


def half_width(images: int, accuracy: float = LIKELY_ACCURACY) -> float:
    """Return half the width of the 95 % interval of an accuracy, by the normal approximation.

    Args:
        images: number of independent test images.
        accuracy: the accuracy.
    """
    return 1.96 * math.sqrt(accuracy * (1 - accuracy) / max(images, 1))


def accuracy_known(images: int, named: str = "test images") -> str:
    """Return how precisely test images can tell an accuracy."""
    likely, even = (100 * half_width(images, accuracy) for accuracy in (LIKELY_ACCURACY, 0.5))
    return (
        f"with {images} {named}, an accuracy of {LIKELY_ACCURACY:g} is known to ± {likely:.0f} points, "
        f"one of 0.5 to ± {even:.0f}"
    )
