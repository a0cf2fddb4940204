"""What is expected of the images: the rules of params.yaml, and those that were learnt from the first images.

Each rule is an expectation of Great Expectations, as its JSON writes it, with a sentence that says what is meant. One
about single images sends those that break it to quarantine; one about the data as a whole stops the pipeline.
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom.errors import InputError
from darkroom.files import as_json, read_json, replace_text
from darkroom.manifest import labels_of
from darkroom.params import DataParams, ValidateParams

Rule = dict[str, Any]
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
ROOM = 2.0
"""Sizes and class ratios that were not seen at first may differ from those that were by this factor."""
CHANNEL_ROOM = 0.5
"""The mean of all images may move by this share of the standard deviation among them."""
ABOUT = (
    "What was learnt from the first images of this source; new ones are held against it. "
    "Change a rule here, or delete the file to have it learnt anew."
)


def of_image(kind: str, column: str, meaning: str, **numbers: Any) -> Rule:
    """Make a rule that a single image can break."""
    return {"type": kind, "kwargs": {"column": column, **numbers}, "meta": {"of": "image", "meaning": meaning}}


def of_data(kind: str, column: str, meaning: str, **numbers: Any) -> Rule:
    """Make a rule that the images break together."""
    return {"type": kind, "kwargs": {"column": column, **numbers}, "meta": {"of": "data", "meaning": meaning}}


def is_of_images(rule: Rule) -> bool:
    """Say whether single images break a rule."""
    return bool(rule["meta"].get("of") == "image")


def of_params(params: ValidateParams) -> list[Rule]:
    """Translate the section ``validate`` of params.yaml."""
    sides = (
        f"{params.minimum_side} to {params.maximum_side} pixels are accepted; change the images, or "
        "validate.minimum_side and validate.maximum_side"
    )
    side = {"min_value": params.minimum_side, "max_value": params.maximum_side}
    return [
        of_image("expect_column_values_to_be_null", "refusal", "a file must be an image that can be read; repair it"),
        of_image("expect_column_values_to_not_be_null", "label", "every image needs a label"),
        of_image(BETWEEN, "width", sides, **side),
        of_image(BETWEEN, "height", sides, **side),
        of_image(
            IN_SET,
            "mode",
            f"validate.modes accepts {', '.join(params.modes)}; convert the images or extend it",
            value_set=list(params.modes),
        ),
        of_image(
            BETWEEN,
            "pixel_deviation",
            "an image must not be blank; remove it or lower validate.minimum_contrast",
            min_value=params.minimum_contrast,
        ),
        of_image(
            BETWEEN,
            "labels_of_content",
            "the same picture must not carry two labels; keep the right one",
            max_value=1,
        ),
        of_data("expect_column_values_to_be_unique", "name", "every image needs a name of its own"),
        *(_class_set(list(params.labels), "validate.labels") if params.labels else []),
        of_data(
            "expect_column_proportion_of_unique_values_to_be_between",
            "content",
            "too many exact copies; remove them or raise validate.maximum_duplicate_share",
            min_value=1 - params.maximum_duplicate_share,
        ),
        of_data(
            BETWEEN,
            "class_size",
            f"each class needs {params.minimum_images_per_class} images; add some, or lower "
            "validate.minimum_images_per_class",
            min_value=params.minimum_images_per_class,
        ),
        of_data(
            BETWEEN,
            "class_ratio",
            f"the largest class may have {params.maximum_class_ratio:g} times as many images as the smallest; even "
            "them out, or raise validate.maximum_class_ratio",
            max_value=params.maximum_class_ratio,
        ),
        of_data(
            "expect_column_mean_to_be_between",
            "quarantined",
            f"at most a share of {params.maximum_quarantine_share:g} of all files may be left out; repair them, or "
            "raise validate.maximum_quarantine_share",
            max_value=params.maximum_quarantine_share,
        ),
    ]


def _class_set(labels: list[str], where: str) -> list[Rule]:
    known = f"known labels are {', '.join(labels)}; relabel the others, or extend {where}"
    needed = f"each label in {where} needs images; add some, or take the label out"
    return [
        of_data(IN_SET, "label", known, value_set=labels),
        of_data("expect_column_distinct_values_to_contain_set", "label", needed, value_set=labels),
    ]


def learn(manifest: pd.DataFrame, where: str) -> list[Rule]:
    """Propose rules that the images of a manifest keep, and others of their kind will.

    Args:
        manifest: of the images that are used.
        where: the name of the file that will hold the rules, for their words.
    """
    rules = _class_set(labels_of(manifest), where)
    for side in ("width", "height"):
        low, high = int(manifest[side].min() / ROOM), int(manifest[side].max() * ROOM)
        meaning = f"{low} to {high} pixels are like the first images; look at the others, or widen the range in {where}"
        rules.append(of_image(BETWEEN, side, meaning, min_value=max(low, 1), max_value=high))
    for channel in ("red", "green", "blue"):
        middle, room = manifest[channel].mean(), CHANNEL_ROOM * manifest[channel].std(ddof=0)
        rules.append(
            of_data(
                "expect_column_mean_to_be_between",
                channel,
                f"the images together have become darker, brighter or of another colour than the first; look at them, "
                f"or widen the range in {where}",
                min_value=math.floor(10 * (middle - room)) / 10,
                max_value=math.ceil(10 * (middle + room)) / 10,
            )
        )
    sizes = manifest["label"].value_counts()
    ratio = round(ROOM * sizes.max() / sizes.min(), 1)
    meaning = f"the classes are less even than they were at first; add images of the small ones, or widen it in {where}"
    rules.append(of_data(BETWEEN, "class_ratio", meaning, max_value=ratio))
    return rules


def read_learnt(path: Path, data: DataParams) -> list[Rule] | None:
    """Read what was learnt from this source; None where that is still to be done.

    Raises:
        InputError: the file has been changed into something that holds no rules.
    """
    if not path.is_file():
        return None
    held = read_json(path)
    try:
        of_source, rules = held["data"], held["expectations"]
        for rule in rules:
            rule["type"], rule["kwargs"]["column"], rule["meta"]["meaning"]
    except (TypeError, KeyError, IndexError) as error:
        raise InputError(
            f"{path}: {error} is missing; keep its form (data, expectations with type, kwargs and meta), or delete it "
            "to have it learnt anew"
        ) from None
    return list(rules) if of_source == _of(data) else None


def write_learnt(path: Path, data: DataParams, rules: list[Rule]) -> None:
    """Write rules for people to read and change."""
    replace_text(path, as_json({"about": ABOUT, "data": _of(data), "expectations": rules}))


def _of(data: DataParams) -> dict[str, str]:
    return {"source": data.source, "path": data.path}
