"""``darkroom check`` says where settings do not fit the images."""

import numpy as np
import pandas as pd
import pytest

from darkroom.maintenance.advice import advice
from darkroom.params import read_params


def rows(count, width, height, *, red=100.0):
    same = {"width": width, "height": height, "red": red, "green": 100.0, "blue": 100.0}
    return pd.DataFrame({name: np.full(count, value) for name, value in same.items()})


@pytest.mark.parametrize(
    ("images", "changes", "words"),
    [
        (rows(1797, 8, 8), {}, []),
        (rows(400, 300, 200, red=140.0), {}, ["no network in models is pretrained", "reduced to 28×28", "in colour"]),
        (rows(400, 300, 200), {"size": (224, 224, 3)}, ["no network in models is pretrained"]),
        (rows(400, 300, 200, red=140.0), {"size": (224, 224, 3), "models": ("efficientnet_lite0",)}, []),
        (rows(50_000, 96, 96, red=140.0), {"size": (96, 96, 3)}, []),
        (rows(400, 32, 32, red=140.0), {"size": (32, 32, 3)}, []),
        (rows(400, 32, 32, red=140.0), {"size": (32, 32, 1)}, ["in colour"]),
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
