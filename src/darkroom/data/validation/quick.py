"""Check the rules that Darkroom writes itself without Great Expectations, whose import takes seconds.

``darkroom check`` reports with it what the stage ``validate`` would refuse. Rules of other kinds, which a user may add,
are left to the stage.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from darkroom.data.validation.findings import NONE_MISSING, SHOWN, Finding
from darkroom.data.validation.rules import Rule

Kwargs = dict[str, Any]
KNOWN = {"column", "min_value", "max_value", "value_set"}
"""Arguments of expectations that are understood here."""


def findings(_: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[Finding]:
    """Check a frame against the rules of known kinds; return the outcomes in their order."""
    return [
        check(frame, rule) for rule in rules
        if rule["type"] in _KINDS and rule["kwargs"].keys() <= KNOWN and rule["kwargs"]["column"] in frame
    ]  # fmt: skip


def _finding(rule: Rule, *, success: bool, observed: str, offending: tuple[str, ...] = ()) -> Finding:
    meta = rule["meta"]
    column = rule["kwargs"]["column"]
    return Finding(rule["type"], column, meta.get("of", "data"), success, observed, offending, meta["meaning"])


def _of_values(frame: pd.DataFrame, rule: Rule, wrong: "pd.Series[bool]", count: int) -> Finding:
    """Make the finding of a rule about each value.

    Args:
        frame: the images.
        rule: the rule.
        wrong: the images that break it.
        count: number of images with a value.
    """
    column = rule["kwargs"]["column"]
    offenders = frame[wrong]
    values = sorted({f"{value:g}" if isinstance(value, float) else str(value) for value in offenders[column].head(20)})
    observed = f"{len(offenders)} of {count} images" + (f" have {', '.join(values[:SHOWN])}" if values else "")
    key = "label" if column.startswith("class_") else "name"
    names = tuple(dict.fromkeys(offenders[key].dropna()))
    return _finding(rule, success=not len(offenders), observed=observed, offending=names)


def _null(frame: pd.DataFrame, rule: Rule) -> Finding:
    return _of_values(frame, rule, frame[rule["kwargs"]["column"]].notna(), len(frame))


def _not_null(frame: pd.DataFrame, rule: Rule) -> Finding:
    return _of_values(frame, rule, frame[rule["kwargs"]["column"]].isna(), len(frame))


def _between(frame: pd.DataFrame, rule: Rule) -> Finding:
    values = frame[rule["kwargs"]["column"]]
    return _of_values(frame, rule, values.notna() & ~_inside(values, rule["kwargs"]), int(values.notna().sum()))


def _in_set(frame: pd.DataFrame, rule: Rule) -> Finding:
    values = frame[rule["kwargs"]["column"]]
    wrong = values.notna() & ~values.isin(rule["kwargs"]["value_set"])
    return _of_values(frame, rule, wrong, int(values.notna().sum()))


def _unique(frame: pd.DataFrame, rule: Rule) -> Finding:
    values = frame[rule["kwargs"]["column"]]
    return _of_values(frame, rule, values.notna() & values.duplicated(keep=False), int(values.notna().sum()))


def _contains(frame: pd.DataFrame, rule: Rule) -> Finding:
    there = set(frame[rule["kwargs"]["column"]].dropna())
    missing = sorted(value for value in rule["kwargs"]["value_set"] if value not in there)
    observed = f"no image of {', '.join(map(str, missing))}" if missing else NONE_MISSING
    return _finding(rule, success=not missing, observed=observed)


def _mean(frame: pd.DataFrame, rule: Rule) -> Finding:
    return _of_number(rule, float(frame[rule["kwargs"]["column"]].astype("float64").mean()))


def _unique_share(frame: pd.DataFrame, rule: Rule) -> Finding:
    values = frame[rule["kwargs"]["column"]].dropna()
    return _of_number(rule, values.nunique() / len(values) if len(values) else float("nan"))


def _of_number(rule: Rule, number: float) -> Finding:
    """Make the finding of a rule about one number; NaN, of no image at all, breaks none."""
    success = bool(np.isnan(number)) or bool(_inside(pd.Series([number]), rule["kwargs"])[0])
    return _finding(rule, success=success, observed=f"{number:.4g} found")


def _inside(values: "pd.Series[Any]", limits: Kwargs) -> "pd.Series[bool]":
    low, high = limits.get("min_value"), limits.get("max_value")
    inside = pd.Series(data=True, index=values.index)
    if low is not None:
        inside &= values >= low
    if high is not None:
        inside &= values <= high
    return inside


_KINDS: dict[str, Callable[[pd.DataFrame, Rule], Finding]] = {
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_be_unique": _unique,
    "expect_column_distinct_values_to_contain_set": _contains,
    "expect_column_mean_to_be_between": _mean,
    "expect_column_proportion_of_unique_values_to_be_between": _unique_share,
}


def check(frame: pd.DataFrame, rule: Rule) -> Finding:
    """Check one rule of a known kind."""
    return _KINDS[rule["type"]](frame, rule)
