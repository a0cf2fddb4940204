"""The sections ``tracking``, ``evaluate``, ``promote`` and ``card``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from darkroom.params.section import Fraction, Section, Seed

Untracked = Literal["hash", "content"]
View = Literal["horizontal_flip", "vertical_flip", "quarter_turns", "crops"]
"""See ``inference.views``."""


class TrackingParams(Section):
    """What MLflow runs record of the code."""

    untracked: Untracked = "hash"
    """Of new files, which may hold keys: their names and the hash of their content, or the content itself."""


class EvaluateParams(Section):
    """Human baseline, top-k accuracy, test-time augmentation, prediction sets and unknown images."""

    human_accuracy: Fraction | None = None
    """Human accuracy on such images: shown beside the network's, and the best possible accuracy in the diagnosis."""
    top: Annotated[int, Field(ge=1)] = 5
    """The k of top-k accuracy."""
    test_time_augmentation: tuple[View, ...] = ()
    """Views of each image whose predictions are averaged, in evaluation and in the packaged model."""
    coverage: Annotated[float, Field(ge=0.5, lt=1)] | None = 0.9
    """Share of new images whose label is in the prediction set of the packaged model; null: no sets."""
    unknown_false_alarms: Annotated[float, Field(gt=0, le=0.5)] | None = 0.05
    """Share of images like the test images that the packaged model may call unknown; null: none is."""

    @model_validator(mode="after")
    def _views_differ(self) -> Self:
        views = self.test_time_augmentation
        if len(set(views)) < len(views):
            raise ValueError("test_time_augmentation lists a view twice; list each once")
        if {"horizontal_flip", "vertical_flip", "quarter_turns"} <= set(views):
            raise ValueError(
                "test_time_augmentation: quarter_turns and horizontal_flip contain vertical_flip; remove vertical_flip"
            )
        return self


class PromoteParams(Section):
    """The promotion gate: when a new model replaces the champion."""

    registered_model: Annotated[str, Field(min_length=1, pattern=r"^[\w .-]+$")] = "darkroom"
    candidate: Literal["validation_accuracy", "validation_loss"] = "validation_accuracy"
    """The metric that selects the candidate among the networks of this run."""
    rule: Literal["auto", "better", "not_worse"] = "auto"
    """What the candidate must be compared with the champion; ``auto`` means ``not_worse`` if the training data differ
    from the champion's, else ``better``."""
    minimum_accuracy: Fraction | None = None
    """Least test accuracy of every new model; null disables the check."""
    minimum_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For ``better``: minimum gain in test accuracy; 0 requires any gain."""
    significance: Annotated[float, Field(gt=0, le=1)] = 0.025
    """Significance level of the first decision on a test set, and for lost recall; that of all decisions together is
    twice as large."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """For ``not_worse``: non-inferiority margin of test accuracy, against this champion and those before."""
    maximum_recall_loss: Annotated[float, Field(ge=0, lt=1)] | None = 0.1
    """Largest loss of recall of any class; null disables the check."""
    groups: tuple[str, ...] = ()
    """Columns of one's own (``data/columns.csv``, or of a table); test images with each of their values are a group."""
    maximum_group_loss: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Largest loss of accuracy on any group."""
    maximum_calibration_error: Fraction | None = None
    maximum_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Prediction time of the network for one image, 95th percentile."""
    maximum_size_mb: Annotated[float, Field(gt=0)] | None = None
    """Size of the network's file."""
    maximum_memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Peak memory of the evaluating process."""
    seed: Seed = 0
    """Of the permutation tests of data drift on the model card."""


class CardParams(Section):
    """Statements for the model card that only people can make; null is shown as missing."""

    intended_use: str | None = None
    limitations: str | None = None
    owner: str | None = None
    licence: str | None = None
