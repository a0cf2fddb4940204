"""Expectations about the images: those of params.yaml, and those learnt from the first images.

A rule is an expectation in the JSON form of Great Expectations, with a message. Images that break a rule about single
images are quarantined; a broken rule about the data as a whole stops the pipeline.
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.files import as_json, is_there, read_json, replace_text
from darkroom.data.formats.manifest import labels_of
from darkroom.params import DataParams, ValidateParams

Rule = dict[str, Any]
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
TOLERANCE = 2.0
"""Tolerance of learnt sizes and class ratios, as a factor."""
CHANNEL_TOLERANCE = 0.5
"""Tolerance of learnt channel means, as a multiple of the standard deviation over images."""
ABOUT = (
    "Expectations learnt from the first images of this source; later images are checked against them. "
    "Edit a rule here, or delete the file to learn them again."
)


def image_rule(kind: str, column: str, meaning: str, **numbers: Any) -> Rule:
    """Make a rule about single images."""
    return {"type": kind, "kwargs": {"column": column, **numbers}, "meta": {"of": "image", "meaning": meaning}}


def data_rule(kind: str, column: str, meaning: str, **numbers: Any) -> Rule:
    """Make a rule about the data as a whole."""
    return {"type": kind, "kwargs": {"column": column, **numbers}, "meta": {"of": "data", "meaning": meaning}}


def is_image_rule(rule: Rule) -> bool:
    """Return whether a rule is about single images."""
    return bool(rule["meta"].get("of") == "image")


def from_params(params: ValidateParams) -> list[Rule]:
    """Make the rules of the section ``validate`` of params.yaml."""
    return [*_image_rules(params), *_data_rules(params)]


def _image_rules(params: ValidateParams) -> list[Rule]:
    """Make the rules about single images."""
    sides = (
        f"{params.minimum_side} to {params.maximum_side} pixels are accepted; change the images, or "
        "validate.minimum_side and validate.maximum_side"
    )
    side = {"min_value": params.minimum_side, "max_value": params.maximum_side}
    return [
        image_rule(
            "expect_column_values_to_be_null", "refusal", "the file must be a readable image; repair or remove it"
        ),
        image_rule("expect_column_values_to_not_be_null", "label", "every image needs a label"),
        image_rule(BETWEEN, "width", sides, **side),
        image_rule(BETWEEN, "height", sides, **side),
        image_rule(
            IN_SET,
            "mode",
            f"validate.modes accepts {', '.join(params.modes)}; convert the images, or extend validate.modes",
            value_set=list(params.modes),
        ),
        image_rule(
            BETWEEN,
            "pixel_deviation",
            "an image must not be blank; remove it or lower validate.minimum_contrast",
            min_value=params.minimum_contrast,
        ),
        image_rule(
            BETWEEN,
            "labels_of_content",
            "the same picture must not have two labels; keep the correct one",
            max_value=1,
        ),
    ]


def _data_rules(params: ValidateParams) -> list[Rule]:
    """Make the rules about the data as a whole."""
    return [
        data_rule("expect_column_values_to_be_unique", "name", "image names must be unique"),
        *(_class_set(list(params.labels), "validate.labels") if params.labels else []),
        data_rule(
            "expect_column_proportion_of_unique_values_to_be_between",
            "content",
            f"at most a share of {params.maximum_duplicate_share:g} of the images may be exact copies; remove them, or "
            "raise validate.maximum_duplicate_share",
            min_value=1 - params.maximum_duplicate_share,
        ),
        data_rule(
            BETWEEN,
            "class_size",
            f"each class needs {params.minimum_images_per_class} images; add some, or lower "
            "validate.minimum_images_per_class",
            min_value=params.minimum_images_per_class,
        ),
        data_rule(
            BETWEEN,
            "class_ratio",
            f"the largest class may have {params.maximum_class_ratio:g} times as many images as the smallest; balance "
            "the classes, or raise validate.maximum_class_ratio",
            max_value=params.maximum_class_ratio,
        ),
        data_rule(
            "expect_column_mean_to_be_between",
            "quarantined",
            f"at most a share of {params.maximum_quarantine_share:g} of all files may be quarantined; repair them, or "
            "raise validate.maximum_quarantine_share",
            max_value=params.maximum_quarantine_share,
        ),
    ]


def _class_set(labels: list[str], where: str) -> list[Rule]:
    known = (
        f"known labels are {', '.join(labels)}; relabel the others, or, if a class is new or renamed, change {where}"
    )
    needed = f"each known label needs images; add some, or, if it was renamed or removed, change {where}"
    return [
        data_rule(IN_SET, "label", known, value_set=labels),
        data_rule("expect_column_distinct_values_to_contain_set", "label", needed, value_set=labels),
    ]


def learn(manifest: pd.DataFrame, where: str) -> list[Rule]:
    """Learn rules that the images of a manifest satisfy, with tolerance for similar images.

    Args:
        manifest: manifest of the images in use.
        where: path of the rules file, named in the messages.
    """
    rules = _class_set(labels_of(manifest), f"both lists of labels in {where}")
    for side in ("width", "height"):
        low, high = int(manifest[side].min() / TOLERANCE), int(manifest[side].max() * TOLERANCE)
        meaning = f"the first images suggest {low} to {high} pixels; check these images, or widen the range in {where}"
        rules.append(image_rule(BETWEEN, side, meaning, min_value=max(low, 1), max_value=high))
    for channel in ("red", "green", "blue"):
        mean, tolerance = manifest[channel].mean(), CHANNEL_TOLERANCE * manifest[channel].std(ddof=0)
        lowest, highest = math.floor(10 * (mean - tolerance)) / 10, math.ceil(10 * (mean + tolerance)) / 10
        meaning = (
            f"the first images suggest a mean of {lowest:g} to {highest:g}, of 255; check these images, or widen the "
            f"range in {where}"
        )
        of_mean = "expect_column_mean_to_be_between"
        rules.append(data_rule(of_mean, channel, meaning, min_value=lowest, max_value=highest))
    sizes = manifest["label"].value_counts()
    ratio = round(TOLERANCE * sizes.max() / sizes.min(), 1)
    meaning = (
        f"the first images suggest a largest class of at most {ratio:g} times the smallest; add images of the small "
        f"classes, or raise the limit in {where}"
    )
    rules.append(data_rule(BETWEEN, "class_ratio", meaning, max_value=ratio))
    return rules


def read_learnt(path: Path, data: DataParams) -> list[Rule] | None:
    """Read the rules learnt from this source; None if there are none yet.

    Raises:
        InputError: the file does not have the form that ``write_learnt`` writes.
    """
    if not is_there(path):
        return None
    content = read_json(path)
    try:
        of_source, rules = content["data"], content["expectations"]
        for rule in rules:
            rule["type"], rule["kwargs"]["column"], rule["meta"]["meaning"]
    except (TypeError, KeyError, IndexError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else "it has another form"
        raise InputError(
            f"{path}: {what}; expected data, and expectations with type, kwargs and meta; restore it, or "
            "delete the file to learn the expectations again"
        ) from None
    return list(rules) if of_source == _of(data) else None


def write_learnt(path: Path, data: DataParams, rules: list[Rule]) -> None:
    """Write learnt rules to an editable JSON file."""
    replace_text(path, as_json({"about": ABOUT, "data": _of(data), "expectations": rules}))


def _of(data: DataParams) -> dict[str, str]:
    return {"source": data.source, "path": data.path}
