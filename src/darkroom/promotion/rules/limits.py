"""Limits for every new model, with or without a champion."""

from collections.abc import Iterator

from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Contender, Finding


def floor(candidate: Contender, rules: PromoteParams) -> Iterator[Finding]:
    """Check the candidate's test accuracy against ``minimum_accuracy``."""
    if rules.minimum_accuracy is None:
        return
    if candidate.test_accuracy is None:
        yield Finding("minimum_accuracy", passed=False, text="minimum_accuracy: the accuracy is not known")
        return
    text = f"minimum_accuracy: {candidate.test_accuracy:.4f}, at least {rules.minimum_accuracy:g} needed"
    yield Finding("minimum_accuracy", passed=candidate.test_accuracy >= rules.minimum_accuracy, text=text)


def limits(candidate: Contender, rules: PromoteParams) -> Iterator[Finding]:
    """Check the candidate's calibration error, latency, size and memory against their limits."""
    for name, value, most, unit in (
        ("calibration error", candidate.calibration_error, rules.maximum_calibration_error, ""),
        ("latency", candidate.latency_ms, rules.maximum_latency_ms, " ms for one image (95th percentile)"),
        ("size", candidate.size_mb, rules.maximum_size_mb, " MB"),
        ("memory", candidate.memory_mb, rules.maximum_memory_mb, " MB"),
    ):
        if most is None:
            continue
        if value is None:
            yield Finding(name, passed=False, text=f"{name}: not measured; run dvc repro --force evaluate")
        else:
            text = f"{name}: {value:.4g}{unit}, at most {most:g} allowed"
            yield Finding(name, passed=value <= most, text=text)
