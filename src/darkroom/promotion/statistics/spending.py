"""The level of each decision, so that all decisions together have an error rate."""

ALL_DECISIONS = 2
"""All decisions together err at most at this multiple of the first one's level."""


def level(first: float, number: float) -> float:
    """Return the level of a decision: ``first`` for the first one, and all of them sum to twice that.

    The levels are 1, 1/3, 1/6, 1/10, … times the first: 2 / (k (k + 1)), which sum to 2. By Bonferroni's inequality,
    the probability of any false rejection is at most their sum: J. Tian, A. Ramdas, Online control of the familywise
    error rate, 2021, "Alpha-Spending".

    Args:
        first: level of the first decision.
        number: of the decision, from 1; between whole numbers if the test images are partly new.
    """
    return 2 * first / (number * (number + 1))


def spent(first: float, decisions: int) -> float:
    """Return the sum of the levels of the first decisions."""
    return ALL_DECISIONS * first * decisions / (decisions + 1)
