"""Slices of the test images by size, brightness, contrast and the columns of the manifest."""

import numpy as np
import pandas as pd

from darkroom.evaluation.scored import accuracy_intervals
from darkroom.evaluation.scores import Predictions
from darkroom.evaluation.slices import SLICE_COLUMNS, Slice, find_slices, slices_table


def manifest(images, **columns):
    number = np.arange(images)
    return pd.DataFrame(
        {
            "name": [f"{each}.png" for each in number],
            "label": "a",
            "group": number.astype(str),
            "width": 10,
            "height": 10,
            "pixel_mean": 100.0,
            "pixel_deviation": 5.0,
            **columns,
        }
    )


def found(table):
    return {(one.of, one.value): np.flatnonzero(one.members).tolist() for one in find_slices(table)}


def test_thirds_of_numbers():
    # The thirds of 0, 1, ..., 6 are 2 and 4, which belong to the lower slice.
    assert found(manifest(7, pixel_mean=np.arange(7.0), width=[2, 1, 4, 3, 6, 8, 5], height=[2, 6, 1, 3, 1, 1, 2])) == {
        # 4, 6, 4, 9, 6, 8 and 10 pixels.
        ("pixels", "up to 6"): [0, 1, 2, 4],
        ("pixels", "6 to 8"): [5],
        ("pixels", "above 8"): [3, 6],
        ("brightness", "up to 2"): [0, 1, 2],
        ("brightness", "2 to 4"): [3, 4],
        ("brightness", "above 4"): [5, 6],
    }
    # Of two values, one slice is empty; constants yield none.
    assert found(manifest(6, pixel_deviation=[1.0, 1, 1, 1, 1, 3])) == {
        ("contrast", "up to 1"): [0, 1, 2, 3, 4],
        ("contrast", "above 1"): [5],
    }
    assert found(manifest(3)) == {}


def test_the_values_of_other_columns():
    table = manifest(4, mode=["L", "RGB", "L", ""], frames=[1, 1, 1, 2], format="PNG")
    assert found(table) == {
        ("frames", "1"): [0, 1, 2],
        ("frames", "2"): [3],
        ("mode", "none"): [3],
        ("mode", "L"): [0, 2],
        ("mode", "RGB"): [1],
    }
    assert len(found(manifest(40, kind=np.arange(40) % 20))) == 20
    assert found(manifest(42, kind=[f"k{number % 21}" for number in range(42)])) == {}


def test_thirds_of_a_column_of_many_numbers():
    ages = [str(number) for number in range(30)]
    assert found(manifest(33, age=[*ages, "none", "", "none"])) == {
        ("age", "up to 9.667"): list(range(10)),
        ("age", "9.667 to 19.33"): list(range(10, 20)),
        ("age", "above 19.33"): list(range(20, 30)),
        ("age", "none"): [30, 31, 32],
    }
    assert found(manifest(30, age=[*ages[:29], "old"])) == {}
    assert found(manifest(30, age=[*ages[:29], "inf"])) == {}


def test_the_accuracy_on_slices():
    labels = np.arange(12) % 2
    predictions = Predictions(labels, np.eye(2, dtype=np.float32)[np.where(np.arange(12) < 3, 1 - labels, labels)])
    parts = [Slice("mode", "L", np.arange(12) < 8), Slice("mode", "RGB", np.arange(12) >= 8)]
    table = slices_table(predictions, parts, np.arange(12))
    assert table.columns.tolist() == list(SLICE_COLUMNS)
    assert table[["of", "value", "images", "accuracy"]].to_numpy().tolist() == [
        ["mode", "L", 8, 0.625],
        ["mode", "RGB", 4, 1.0],
    ]
    members = np.stack([one.members for one in parts], axis=1)
    expected = accuracy_intervals(predictions.right, members, np.arange(12))
    np.testing.assert_allclose(table[["low", "high"]].to_numpy(dtype=float), expected)
    assert np.isfinite(expected[0]).all()
    assert np.isnan(expected[1]).all()
    none = slices_table(predictions, [], np.arange(12))
    assert (len(none), none.columns.tolist()) == (0, list(SLICE_COLUMNS))
