"""Which model goes into production: a pure decision on numbers. ``tracking.py`` carries it out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from darkroom.params import PromoteParams


@dataclass(frozen=True)
class Contender:
    """A model with the numbers that speak for it."""

    network: str
    run_id: str
    test_accuracy: float
    """On the current test images."""
    test_images: int
    validation_accuracy: float | None = None
    """None for a champion: the validation images that chose it need not be the current ones."""
    validation_loss: float | None = None


@dataclass(frozen=True)
class Decision:
    """What happens to the alias ``champion``, and why."""

    outcome: Literal["promote", "keep"]
    reason: str
    candidate: Contender
    champion: Contender | None

    def champion_after(self, *, withheld: bool) -> str | None:
        """Return the run whose model is the champion once the decision is carried out, or withheld; None for none."""
        before = self.champion.run_id if self.champion else None
        return self.candidate.run_id if self.outcome == "promote" and not withheld else before

    def as_json(self, withheld: str | None = None) -> dict[str, Any]:
        """Return the decision for a report.

        Args:
            withheld: why it is not carried out; None if it is.
        """
        after = {"withheld": withheld, "champion_run_id": self.champion_after(withheld=withheld is not None)}
        return {"outcome": self.outcome, "reason": self.reason, **after, **asdict(self)}


def best_candidate(contenders: Sequence[Contender], rules: PromoteParams) -> Contender:
    """Pick the candidate on validation data; the test images have no say in it."""

    def rank(contender: Contender) -> tuple[float, float]:
        accuracy, loss = contender.validation_accuracy, contender.validation_loss
        if accuracy is None or loss is None:
            raise ValueError(f"{contender.network} has no validation metrics")
        return (accuracy, -loss) if rules.candidate == "validation_accuracy" else (-loss, accuracy)

    return max(contenders, key=rank)


def decide(candidate: Contender, champion: Contender | None, rules: PromoteParams) -> Decision:
    """Decide whether the candidate takes the champion's place.

    Args:
        candidate: the best network of this run.
        champion: the model in production, on the same test images; None if there is none.
        rules: the ``promote`` section of params.yaml.
    """
    if champion is None:
        return Decision("promote", f"{candidate.network} is the first model", candidate, None)
    if champion.run_id == candidate.run_id:
        return Decision("keep", f"{candidate.network} is the champion already", candidate, champion)
    if champion.test_images != candidate.test_images:
        raise ValueError("candidate and champion must answer the same test images")
    # In images, so that no rounding decides.
    images = candidate.test_images
    gained = round((candidate.test_accuracy - champion.test_accuracy) * images)
    needed = max(1, rules.minimum_gain * images)
    outcome: Literal["promote", "keep"] = "promote" if gained >= needed else "keep"
    reason = (
        f"{candidate.network} {candidate.test_accuracy:.4f} against the champion's {champion.test_accuracy:.4f} "
        f"on the same {images} test images: {gained:+d} right answers, at least {needed:+g} needed"
    )
    return Decision(outcome, reason, candidate, champion)
