"""Test-time augmentation: the views, and that evaluation and the packaged model average the same ones."""

import itertools
import json
import typing
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.evaluation.cost import cost
from darkroom.inference.classifier import Classifier
from darkroom.inference.views import BLOCK, VIEWS, mean_probabilities, views
from darkroom.networks import inference
from darkroom.params import EvaluateParams, read_params
from darkroom.params.augmentation_checks import check_views
from darkroom.params.results import View
from support.networks import build
from support.projects import ROOT, edit_params
from support.trainings import split

COUNTS = {"horizontal_flip": 2, "vertical_flip": 2, "quarter_turns": 4, "crops": 5}
OF_VIEWS = st.lists(st.sampled_from(list(VIEWS)), unique=True, max_size=3)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_the_parameters_know_all_views():
    assert set(typing.get_args(View)) == set(VIEWS) == set(COUNTS)


@given(OF_VIEWS, st.sampled_from([1, 3]), st.integers(1, 20))
def test_views_are_the_image_and_all_combinations(names, channels, side):
    images = noise(3, side, side, channels)
    found = list(views(images, names))
    assert len(found) == np.prod([COUNTS[name] for name in names], dtype=int)
    assert np.array_equal(found[0], images)
    assert all((view.shape, view.dtype) == (images.shape, np.uint8) for view in found)


def test_flips_and_turns_are_the_eight_symmetries_of_a_square():
    image = noise(1, 9, 9, 1)
    expected = {
        turned.tobytes()
        for side in (image, image[:, :, ::-1])
        for turned in (np.rot90(side, turns, axes=(1, 2)) for turns in range(4))
    }
    assert {view.tobytes() for view in views(image, ["quarter_turns", "horizontal_flip"])} == expected
    flipped = list(views(image, ["horizontal_flip", "vertical_flip"]))
    assert np.array_equal(flipped[1], image[:, ::-1])
    assert np.array_equal(flipped[2], image[:, :, ::-1])


def test_crops_are_the_corners_enlarged():
    image = np.zeros((1, 64, 32, 3), np.uint8)
    image[:, :, :, 0], image[:, :, :, 1] = 3 * np.arange(64)[:, None], 7 * np.arange(32)
    whole, *corners = views(image, ["crops"])
    assert np.array_equal(whole, image)
    for (bottom, right), corner in zip(itertools.product([0, 1], repeat=2), corners, strict=True):
        top, left = 8 * bottom, 4 * right
        part = Image.fromarray(image[0, top : top + 56, left : left + 28])
        assert np.array_equal(corner[0], np.asarray(part.resize((32, 64), Image.Resampling.BILINEAR)))


def test_the_mean_is_over_views_and_blocks():
    images = noise(BLOCK + 3, 2, 2, 1)

    def corner(view):
        return view[:, :1, 0, 0].astype(np.float32)

    found = mean_probabilities(corner, images, ["horizontal_flip", "vertical_flip"])
    assert found.dtype == np.float32
    assert found[:, 0] == pytest.approx(images.mean(axis=(1, 2, 3)), abs=1e-4)
    assert np.array_equal(mean_probabilities(corner, images, []), corner(images))


@pytest.fixture(scope="module")
def network():
    """Random weights large enough that views differ."""
    model = build("lenet5", (28, 28, 1), 2)
    generator = np.random.default_rng(0)
    model.set_weights([weight + generator.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("names", [[], ["horizontal_flip"], ["crops", "horizontal_flip"], ["quarter_turns"]])
def test_evaluation_and_the_packaged_classifier_agree(network, names):
    images = split(40).images
    described = {"labels": ["a", "b"], "size": [28, 28, 1], "interpolation": "bicubic", "aspect": "stretch"}
    # As JSON writes and reads it.
    described = json.loads(json.dumps({**described, **({"test_time_augmentation": names} if names else {})}))
    evaluated = mean_probabilities(partial(inference.probabilities, network), images, names)
    served = Classifier(network, described)
    assert served.probabilities(list(images)) == pytest.approx(evaluated, abs=1e-5)
    (one,) = served.predict(images[0])
    assert list(one["probabilities"].values()) == pytest.approx(evaluated[0], abs=1e-5)
    plain = Classifier(network, {**described, "test_time_augmentation": []}).probabilities(list(images))
    assert bool(np.abs(plain - evaluated).max() > 1e-3) == bool(names)


class Counted(keras.Model):
    """A network that counts its predictions."""

    predictions = 0

    def predict_on_batch(self, x):
        self.predictions += 1
        return super().predict_on_batch(x)


def test_the_latency_counts_all_views(network, tmp_path):
    (tmp_path / "network.keras").write_bytes(b"")
    plain, averaged = (Counted(network.inputs, network.outputs) for _ in range(2))
    cost(plain, tmp_path / "network.keras", split(4))
    cost(averaged, tmp_path / "network.keras", split(4), ("horizontal_flip", "crops"))
    assert averaged.predictions == 10 * plain.predictions > 0


def test_views_that_fit_nothing_are_refused(tmp_path):
    path = tmp_path / "params.yaml"

    def refusal(views, **changes):
        path.write_text((ROOT / "params.yaml").read_text())
        edit_params(path, {"evaluate.test_time_augmentation": views, **changes})
        with pytest.raises(InputError) as caught:
            read_params(path)
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{path}: ")

    assert "'flip' given" in refusal(["flip"])
    assert refusal(["crops", "crops"]).startswith("evaluate: test_time_augmentation lists a view twice")
    assert "remove vertical_flip" in refusal(["horizontal_flip", "vertical_flip", "quarter_turns"])
    oblong = {"preprocess.size": [28, 40, 1]}
    assert refusal(["quarter_turns"], **oblong).startswith(
        "evaluate.test_time_augmentation: quarter_turns needs square"
    )
    check_views(("horizontal_flip", "crops"), (28, 40, 1))
    assert EvaluateParams(test_time_augmentation=("quarter_turns", "horizontal_flip")).top == 5
