"""A model without a predecessor must beat always predicting the largest class."""

from darkroom.base import wording
from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison, Finding
from darkroom.promotion.rules import better


def first_model(compared: Comparison, rules: PromoteParams) -> Finding:
    """Test whether a first model is better than always predicting the largest class.

    Args:
        compared: its correct predictions; in the champion's place, those of the largest class.
        rules: the ``promote`` section of params.yaml.
    """
    p, test = better.p_value(compared)
    text = (
        f"largest class: {int(compared.candidate.sum())} of {len(compared.candidate)} correct against "
        f"{int(compared.champion.sum())} for always predicting it, {wording.p_value(p)} ({test}), at most "
        f"{rules.significance:g} needed"
    )
    return Finding("largest class", passed=p <= rules.significance, text=text)
