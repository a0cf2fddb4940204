"""``darkroom check`` says where settings do not fit the images."""

import numpy as np
import pandas as pd
import pytest

from darkroom.maintenance.advice import advice
from darkroom.params import read_params


def rows(count, width, height, *, red=100.0):
    same = {"width": width, "height": height, "red": red, "green": 100.0, "blue": 100.0}
    labels = np.where(np.arange(count) % 2, "ant", "bee")
    splits = np.array(["train", "train", "train", "validation", "test"])[np.arange(count) % 5]
    columns = {name: np.full(count, value) for name, value in same.items()}
    return pd.DataFrame({**columns, "label": labels, "split": splits, "cluster": np.arange(count)})


@pytest.mark.parametrize(
    ("images", "changes", "words"),
    [
        (rows(1797, 8, 8), {}, []),
        (rows(800, 300, 200, red=140.0), {}, ["no network in models is pretrained", "reduced to 28×28", "in colour"]),
        (rows(800, 300, 200), {"size": (224, 224, 3)}, ["no network in models is pretrained"]),
        (rows(800, 300, 200, red=140.0), {"size": (224, 224, 3), "models": ("efficientnet_lite0",)}, []),
        (
            rows(275, 300, 200),
            {"size": (224, 224, 3), "models": ("efficientnet_lite0",)},
            ["with 55 independent test images, an accuracy of 0.9 is known to ± 8 points, one of 0.5 to ± 13"],
        ),
        (
            rows(100, 300, 200),
            {"size": (224, 224, 3), "models": ("efficientnet_lite0",)},
            [
                "class ant has 50 images, less than the batch_size of efficientnet_lite0",
                "with 20 independent test images",
            ],
        ),
        (
            rows(100, 300, 200),
            {"size": (224, 224, 3), "models": ("logistic_regression",)},
            ["with 20 independent test images"],  # nothing on batches: it takes all images at once
        ),
        (rows(50_000, 96, 96, red=140.0), {"size": (96, 96, 3)}, []),
        (rows(800, 32, 32, red=140.0), {"size": (32, 32, 3)}, []),
        (rows(800, 32, 32, red=140.0), {"size": (32, 32, 1)}, ["in colour"]),
    ],
)
def test_what_does_not_fit_is_said(project, images, changes, words):
    params = read_params()
    size = changes.get("size", params.preprocess.size)
    params = params.model_copy(
        update={
            "preprocess": params.preprocess.model_copy(update={"size": size}),
            "models": changes.get("models", params.models),
        }
    )
    told = list(advice(params, images))
    assert len(told) == len(words)
    assert all(word in line for word, line in zip(words, told, strict=True))
