"""The sample of training images that a model is packaged with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base.backend import keras
from darkroom.networks import inference, penultimate, reference
from darkroom.networks.reference import Reference, balanced_sample
from darkroom.reporting import results
from support.networks import NETWORKS, build
from support.trainings import split

LIGHT = ("mlp", "lenet5", "mnist_cnn", "cifar_cnn")
OTHERS = sorted({*NETWORKS} - {*LIGHT, "alexnet", "inception"})


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(1, 100), st.integers(0, 9))
def test_a_sample_is_balanced(classes, most, seed):
    classes = np.array(classes)
    rows = balanced_sample(classes, most, seed)
    assert len(rows) == min(most, len(classes))
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(rows, balanced_sample(classes, most, seed))
    kept, there = (np.bincount(each, minlength=5) for each in (classes[rows], classes))
    # No class has fewer than another one, unless all of its images are in the sample.
    assert all(kept[number] == there[number] or kept[number] >= kept.max() - 1 for number in range(5))


def test_another_seed_chooses_other_images():
    classes = np.arange(1000) % 4
    assert not np.array_equal(balanced_sample(classes, 100, 0), balanced_sample(classes, 100, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "lenet5", "mnist_cnn"])
def test_it_has_the_inputs_of_the_last_layer(name):
    model, images = build(name, classes=2), split(40)
    results_of_it, found = reference.of_training(model, images, 0, 2000)
    assert results_of_it == inference.results_on(model, images, 2000)
    assert found.layer == "output"
    assert np.array_equal(found.classes, images.classes)
    inputs = keras.Model(model.input, model.get_layer("output").input).predict(images.images, verbose=0)
    unit = inputs / np.linalg.norm(inputs, axis=1, keepdims=True)
    assert found.features.dtype == np.float16
    assert found.features == pytest.approx(unit, abs=1e-3)


@pytest.mark.slow
def test_results_and_sample_may_be_of_different_images(monkeypatch):
    monkeypatch.setattr(reference, "ROWS", 11)
    monkeypatch.setattr(reference, "CHUNK", 7)
    model, images = build("mlp", classes=2), split(60)
    results_of_it, found = reference.of_training(model, images, 3, 10)
    assert results_of_it == inference.results_on(model, images, 10)
    rows = balanced_sample(images.classes, 11, 3)
    monkeypatch.undo()
    _, everything = reference.of_training(model, images, 0, 60)
    assert found.features.astype(float) == pytest.approx(everything.features[rows].astype(float), abs=1e-3)
    assert np.array_equal(found.classes, images.classes[rows])


def test_wide_features_have_fewer_rows(monkeypatch):
    monkeypatch.setattr(reference, "BYTES", 20 * 2 * 512)
    _, found = reference.of_training(build("mlp", classes=2), split(60), 0, 2000)
    assert found.features.shape == (20, 512)


@pytest.mark.parametrize("name", [*LIGHT, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_every_documented_network_has_features(name):
    size = (32, 32, 3)
    values = (
        {"initial_weights": None, "trainable": "all"} if name in {"efficientnet_lite0", "logistic_regression"} else {}
    )
    if name == "logistic_regression":
        values["optimizer"] = "adam"
    model = build(name, size, 3, **values)
    model = keras.Model(model.input, model.outputs[0])
    layer = penultimate.feature_layer(model)
    both = penultimate.with_features(model, layer)
    images = np.random.default_rng(0).integers(0, 256, (2, *size), dtype=np.uint8)
    found = inference.probabilities(both, images)
    # Called once: without the graph that predict makes.
    assert found[:, :3] == pytest.approx(np.asarray(model(images, training=False)), abs=1e-6)
    assert found.shape[1] > 3


def model_of(*layers):
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def test_after_a_last_convolution_come_averaged_maps():
    convolution = keras.layers.Conv2D(2, 1)
    model = model_of(convolution, keras.layers.GlobalAveragePooling2D(), keras.layers.Softmax(name="last"))
    assert penultimate.feature_layer(model) == "last"
    assert penultimate.with_features(model, "last").outputs[1].shape == (None, 2)


def test_a_network_without_a_flat_layer_has_no_features():
    model = model_of(keras.layers.Conv2D(2, 8, activation="softmax"), keras.layers.GlobalAveragePooling2D())
    assert penultimate.feature_layer(model) is None
    _, found = reference.of_training(model, split(12, size=8), 0, 2000)
    assert (found.features.shape, found.layer) == ((0, 0), "")


def test_of_a_sigmoid_the_inputs_of_its_unit_count():
    model = build("mlp", classes=2, output="sigmoid")
    both = penultimate.with_features(model, penultimate.feature_layer(model))
    assert both.outputs[1].shape[1] == 512


def test_bfloat16_features_are_read(tmp_path):
    model, images = build("mlp", classes=2, precision="bfloat16"), split(20)
    _, found = reference.of_training(model, images, 0, 2000)
    assert found.features.dtype == np.float16
    assert np.isfinite(found.features).all()
    assert np.linalg.norm(found.features.astype(float), axis=1) == pytest.approx(1, abs=1e-2)


def test_a_file_is_the_same_each_time_and_read_again(tmp_path):
    _, found = reference.of_training(build("mlp", classes=2), split(20), 0, 2000)
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    found.save(one)
    found.save(other)
    assert one.read_bytes() == other.read_bytes()
    read = Reference.read(one)
    assert np.array_equal(read.features, found.features)
    assert np.array_equal(read.classes, found.classes)
    assert read.layer == found.layer
    assert reference.ENDING == results.REFERENCE


def test_whether_all_layers_but_the_last_are_frozen():
    def network(trainable):
        made = [keras.layers.Dense(3, trainable=free) for free in trainable]
        return keras.Sequential([keras.Input((4,)), *made, keras.layers.Softmax()])

    assert penultimate.only_last_trains(network([False, False, True]))
    assert not penultimate.only_last_trains(network([False, True, True]))
    assert not penultimate.only_last_trains(network([False, False]))
    # Nothing was frozen.
    assert not penultimate.only_last_trains(network([True]))
