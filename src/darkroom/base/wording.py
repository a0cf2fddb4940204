"""Numbers in sentences and tables, as people write them."""

import math
import re

import numpy as np

SMALLEST_P = 1e-4
"""Smaller p-values are written as a bound: their digits mean nothing."""
LIKELY_ACCURACY = 0.9
"""For which precision is stated before anything is trained."""
RUN = re.compile(r"\b[0-9a-f]{32}\b")
"""A run's id, as MLflow makes it."""
SHORT = 8
"""Digits of a run's id that a page shows."""
SCORES = {
    "f1": "F-score",
    "macro_f1": "macro F-score",
    "top_k_accuracy": "top-k accuracy",
    "log_loss": "log loss (0 is best)",
    "brier": "Brier score (0 is best)",
    "calibration_error": "calibration error (0 is best)",
    "roc_auc": "area under the ROC curve",
}
"""Scores whose name does not say what they are."""
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
    tested = counted(images, named.removesuffix("s"))
    known = f"an accuracy of {LIKELY_ACCURACY:g} is known to ± {likely:.0f} points, one of 0.5 to ± {even:.0f}"
    return f"with {tested}, {known}"


def short_runs(text: str) -> str:
    """Return a text for reading, in which ids of runs have their first eight digits only."""
    return RUN.sub(lambda found: found.group()[:SHORT], text)


def percent(share: float) -> str:
    """Return a share with three digits: ``99.2 %``; all and nothing without a point."""
    # 1 - 0.7125 is a little less than 0.2875, and in single precision a little more.
    exact = round(100 * share, 4)
    return f"{exact:.0f} %" if exact in {0, 100} else f"{exact:.1f} %"


def score_name(score: str) -> str:
    """Return the name of a score in words: ``macro_f1`` is ``macro F-score``."""
    return SCORES.get(score, score.replace("_", " "))


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 pair``, ``1,200 pairs``; ``many`` is needed where an s does not do."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def minutes(seconds: float) -> str:
    """Return a duration: ``40 s``, ``2.5 min`` or ``90 min``."""
    if seconds < 60:  # noqa: PLR2004
        return f"{number(float(f'{seconds:.2g}'))} s"
    return f"{number(float(f'{seconds / 60:.2g}'))} min"


def result(
    network: str, accuracy: float, interval: tuple[float, float] | None, images: int, baseline: float | None
) -> str:
    """Return the result of a network in one sentence.

    Args:
        network: its name.
        accuracy: share of the test images that it names correctly.
        interval: 95 % interval of the accuracy; None if there are too few test images for one.
        images: number of test images.
        baseline: accuracy of always naming the largest class; None if it was not recorded.
    """
    known = (
        "too few to tell how precisely" if interval is None else f"95 % interval {' to '.join(map(percent, interval))}"
    )
    guess = "" if baseline is None else f"; always naming the largest class is right on {percent(baseline)}"
    return f"{network} is right on {percent(accuracy)} of {images:,} test images ({known}){guess}."
