"""Transfer learning: where weights come from, what of them is kept, and that it is worth it."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from darkroom import training
from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.networks import PARAMS, EarlyStoppingParams, ScheduleParams, inference, resnet50
from darkroom.params import AugmentationParams, with_values
from darkroom.training import frozen, initial_weights
from support.networks import COLOUR, GREY, build, description, save_as_published

NONE = AugmentationParams()


def digits(chosen, each, start=0):
    """So many scans of each of these digits, at 28×28."""
    images, classes = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(classes == number)[start : start + each] for number in chosen])
    pixels = np.kron(images[rows].reshape(-1, 8, 8) * 15.9, np.ones((3, 3))).astype(np.uint8)
    pixels = np.pad(pixels, ((0, 0), (2, 2), (2, 2)))[..., None]
    return Split(pixels, np.searchsorted(chosen, classes[rows]), pd.DataFrame())


def fit(network, values, data, initial=None, seed=0, augmentation=NONE, **more):
    mean, deviation = channel_statistics(data[0].images)
    of_data = description(data[0].images.shape[1:], int(data[0].classes.max()) + 1)
    of_data = type(of_data)(**{**vars(of_data), "mean": mean, "deviation": deviation})
    job = training.TrainingJob(network, values, of_data, *data, seed=seed, augmentation=augmentation, initial=initial)
    return training.train(job, **more)


def accuracy(model, split):
    return float(np.mean(inference.probabilities(model, split.images).argmax(axis=1) == split.classes))


def weights_of(model, name):
    return model.get_layer(name).get_weights()


@pytest.fixture(scope="module")
def learnt():
    """A network that tells 0 to 4 apart."""
    values = PARAMS["mnist_cnn"](epochs=6, filters=(8, 16), hidden_units=32)
    return fit("mnist_cnn", values, (digits(range(5), 100), digits(range(5), 40, 100))).model


def kept(trainable, **values):
    settings = {"filters": (8, 16), "hidden_units": 32, "epochs": 2, "batch_size": 16, **values}
    return PARAMS["mnist_cnn"](initial_weights="of another", trainable=trainable, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize(
    ("trainable", "learning"),
    [
        ("last 2", {"fc1", "output"}),
        ("head", {"output"}),
        ("all", {"conv1", "conv2", "fc1", "output"}),
    ],
)
def test_what_is_left_as_it_is(learnt, trainable, learning, augment):
    data = (digits(range(5, 10), 20), digits(range(5, 10), 20, 100))
    model = fit("mnist_cnn", kept(trainable, augment=augment), data, learnt).model
    for name in ("conv1", "conv2", "fc1"):
        same = all(map(np.array_equal, weights_of(model, name), weights_of(learnt, name)))
        assert same == (name not in learning), name


@pytest.mark.slow
def test_the_scaling_that_the_weights_expect_comes_with_them(learnt, tmp_path):
    data = (digits(range(5, 10), 20), digits(range(5, 10), 20, 100))
    # Darker images have statistics of their own, which the weights have never seen.
    darker = [Split(split.images // 3, split.classes, split.manifest) for split in data]
    trained = fit("mnist_cnn", kept("head"), darker, learnt)
    assert initial_weights.normalisation(trained.model, 1) == initial_weights.normalisation(learnt, 1)
    trained.save(tmp_path / "network.keras")
    saved = inference.load(tmp_path / "network.keras")
    assert initial_weights.normalisation(saved, 1) == initial_weights.normalisation(learnt, 1)
    np.testing.assert_array_equal(
        inference.probabilities(saved, data[1].images), inference.probabilities(trained.model, data[1].images)
    )


def cut_digits():
    return digits(range(5, 10), 20), digits(range(5, 10), 20, 100)


def random_colours(network):
    """The end of a network with dropout within the part that is left as it is."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 16, 16, 3), dtype=np.uint8)
    data = Split(pixels, np.arange(48) % 2, pd.DataFrame())
    return (data, data), build(network, (16, 16, 3), filters=(4, 8), dropout=(0.0,))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "trainable", "settings"),
    [
        ("mnist_cnn", "head", {}),
        ("mnist_cnn", "last 2", {}),
        ("cifar_bn_cnn", "head", {"filters": (4, 8), "dropout": (0.4, 0.4)}),
        ("cifar_bn_cnn", "last 2", {"filters": (4, 8), "dropout": (0.4, 0.4)}),
    ],
)
def test_features_that_are_computed_once_train_to_the_same_weights(learnt, monkeypatch, network, trainable, settings):
    if network == "mnist_cnn":
        data, source, values = cut_digits(), learnt, kept(trainable, augment=False)
    else:
        data, source = random_colours(network)
        common = {"epochs": 2, "batch_size": 16, "initial_weights": "other", "trainable": trainable, "augment": False}
        values = PARAMS[network](**common, **settings)
    once = fit(network, values, data, source)
    monkeypatch.setattr(frozen, "cut", lambda model: model.input)
    each_time = fit(network, values, data, source)
    for one, other in zip(once.model.get_weights(), each_time.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    for one, other in zip(once.history, each_time.history, strict=True):
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=1e-4)
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)


@pytest.mark.slow
def test_features_are_kept_from_one_training_to_the_next(learnt, monkeypatch):
    asked, functions = [], inference.with_constant_weights
    monkeypatch.setattr(inference, "with_constant_weights", lambda part: asked.append(part) or functions(part))
    kept_features = training.Features()
    values = kept("head", augment=False)

    def trained(values, source=learnt):
        model = fit("mnist_cnn", values, cut_digits(), source, features=kept_features).model
        return model.get_weights(), len(asked)

    once, computed = trained(values)
    again, computed_again = trained(values)
    assert computed == computed_again == 1  # one graph for training and validation images
    assert all(map(np.array_equal, once, again))
    # Another rate leaves the features as they are; a longer end, or other weights, do not.
    assert trained(with_values(values, {"learning_rate": 0.1}))[1] == 1
    assert trained(with_values(values, {"trainable": "last 2"}))[1] == 2
    other = keras.models.clone_model(learnt)
    assert trained(values, other)[1] == 3
    assert trained(values, other)[1] == 3


@pytest.mark.slow
def test_features_that_need_too_much_memory_are_computed_in_each_step(learnt, monkeypatch):
    values, data = kept("head", augment=False), cut_digits()
    once = fit("mnist_cnn", values, data, learnt)
    # 200 images with 32 numbers of 4 bytes.
    monkeypatch.setattr(frozen, "FEATURE_MEMORY", 200 * 32 * 4 - 1)
    monkeypatch.setattr(training.Features, "of", lambda *_: pytest.fail("computed"))
    each_time = fit("mnist_cnn", values, data, learnt)
    assert once.best["val_loss"] == pytest.approx(each_time.best["val_loss"], abs=1e-4)
    monkeypatch.setattr(frozen, "FEATURE_MEMORY", 200 * 32 * 4)
    with pytest.raises(pytest.fail.Exception, match="computed"):
        fit("mnist_cnn", values, data, learnt)


@pytest.mark.slow
def test_dropout_before_the_head_drops_also_where_features_are_computed_once(learnt):
    one, other = (
        fit("mnist_cnn", kept("head", augment=False, dropout=rate), cut_digits(), learnt) for rate in (0, 0.5)
    )
    assert one.history[0]["loss"] < other.history[0]["loss"]


@pytest.mark.slow
def test_the_head_of_googlenet_is_that_of_the_served_network():
    size = (65, 65, 1)
    source = build("inception", size, auxiliary=False)
    values = PARAMS["inception"](initial_weights="other", trainable="head")
    model = training.build_model("inception", values, description(size, 2), source)
    assert [layer.name for layer in model.layers if layer.trainable_weights] == ["output"]
    assert len(model.outputs) == 1
    whole = training.build_model("inception", with_values(values, {"trainable": "all"}), description(size, 2), source)
    assert len(whole.outputs) == 3
    with pytest.raises(InputError, match="last 59 given, but inception has only 58 layers with weights"):
        training.build_model("inception", with_values(values, {"trainable": "last 59"}), description(size, 2), source)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "trainable", "shape"),
    [
        ("mnist_cnn", "head", (64,)),
        ("mnist_cnn", "last 2", (7, 7, 64)),
        ("mnist_cnn", "last 4", None),
        ("mnist_cnn", "all", None),
        ("mnist_cnn", "last 3", (14, 14, 32)),
        ("resnet20", "head", (64,)),
        # Within a residual block the shortcut goes around, so the cut is before the block.
        ("resnet20", "last 2", (8, 8, 64)),
        ("cifar_bn_cnn", "last 3", (8, 8, 128)),
    ],
)
def test_where_a_network_is_cut(network, trainable, shape):
    model = build(network, COLOUR if network != "mnist_cnn" else GREY)
    frozen.freeze(model, trainable)
    at = frozen.cut(model)
    assert (at is model.input) if shape is None else tuple(at.shape[1:]) == shape
    learning = [layer for layer in model.layers if layer.trainable_weights]
    assert len(learning) == {"head": 1, "last 2": 2, "last 3": 3, "last 4": 4, "all": 4}[trainable]


@pytest.mark.slow
def test_batch_norm_that_is_left_as_it_is_keeps_its_statistics():
    source = build("resnet20", (16, 16, 1), blocks=1, width=4)
    values = PARAMS["resnet20"](
        blocks=1, width=4, epochs=2, batch_size=16, initial_weights="other", trainable="head", augment=True
    )
    pixels = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 1), dtype=np.uint8)
    data = Split(pixels, np.arange(32) % 2, pd.DataFrame())
    model = fit("resnet20", values, (data, data), source).model
    for one, other in zip(weights_of(model, "conv1_bn"), weights_of(source, "conv1_bn"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_what_does_not_fit_is_refused(learnt, tmp_path):
    data = (digits(range(5), 20), digits(range(5), 20, 100))
    for settings, words in (
        ({"hidden_units": 16}, "layer fc1 has weights of .* but mnist_cnn as configured needs"),
        ({"filters": (8, 16, 16)}, "no layer conv3"),
        ({"filters": (8,)}, "have a layer conv2, which mnist_cnn lacks as configured; set train.mnist_cnn as for"),
        ({"trainable": "last 9"}, "mnist_cnn has only 4 layers with weights"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            fit("mnist_cnn", kept(**{"trainable": "head", **settings}), data, learnt)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"expect images of 1 channels, but preprocess.size\[2\] is 3"):
        initial_weights.normalisation(learnt, 3)
    with pytest.raises(InputError, match="does not exist"):
        initial_weights.read(tmp_path / "nowhere.keras")
    (tmp_path / "text.keras").write_text("no network")
    with pytest.raises(InputError, match="is not a network that can be loaded"):
        initial_weights.read(tmp_path / "text.keras")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "before", "now", "missing"),
    [
        ("mlp", {"batch_norm": "after"}, {}, "fc1_bn"),
        ("resnet20", {"blocks": 2, "width": 4}, {"blocks": 1, "width": 4}, "conv2_2_1"),
    ],
)
def test_a_network_takes_all_weights_or_none(network, before, now, missing):
    size = (16, 16, 1)
    source, target = build(network, size, **before), build(network, size, **now)
    with pytest.raises(
        InputError, match=f"^initial_weights: the weights have a layer {missing}, which {network} lacks"
    ):
        initial_weights.transfer(source, target)


@pytest.mark.slow
def test_the_head_is_kept_where_the_classes_are_as_many(learnt):
    data = (digits(range(5), 20), digits(range(5), 20, 100))
    values = kept("all", learning_rate=1e-9, epochs=1)
    model = fit("mnist_cnn", values, data, learnt).model
    assert accuracy(model, data[1]) == accuracy(learnt, data[1]) > 0.9


@pytest.mark.slow
@pytest.mark.large
def test_the_weights_that_keras_publishes_are_read_with_their_scaling(tmp_path):
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    published = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3))
    expected = published.predict(keras.applications.resnet50.preprocess_input(images.astype(np.float32)), verbose=0)
    save_as_published(published, tmp_path / "resnet50.h5")
    ours = resnet50.imagenet(tmp_path / "resnet50.h5", (64, 64, 3))
    np.testing.assert_allclose(ours.predict(images, verbose=0), expected, atol=1e-5)


def placed(chosen, each, start, seed):
    """So many scans of each of these digits at 16×16, anywhere in a frame of 28×28."""
    frames = digits(chosen, each, start)
    small = frames.images[:, 2:26:3, 2:26:3].repeat(2, axis=1).repeat(2, axis=2)
    images, corners = np.zeros_like(frames.images), np.random.default_rng(seed).integers(0, 13, (len(small), 2))
    for image, digit, (row, column) in zip(images, small, corners, strict=True):
        image[row : row + 16, column : column + 16] = digit
    return replace(frames, images=images)


@pytest.mark.slow
def test_transfer_beats_training_from_scratch_at_equal_time():
    """Where a digit may be is learnt from many images of 0 to 4; ten each of 5 to 9 do not suffice to learn it anew."""

    def trained(data, seed=0, source=None, seconds=None, augmentation=NONE, **settings):
        # Of this process alone: on a busy machine the same seconds of the clock are not the same work.
        begun = time.process_time()

        def stop(*_):
            if seconds is not None and time.process_time() - begun > seconds:
                raise training.StopTraining

        # Of the recipe, nothing that makes up for few images: what is compared is the weights to begin with.
        common = {
            "filters": (16, 32, 32),
            "dropout": 0.0,
            "weight_decay": 0.0,
            "label_smoothing": 0.0,
            "early_stopping": EarlyStoppingParams(patience=100_000),
        }
        values = PARAMS["mnist_cnn"](**common, **settings)
        model = fit("mnist_cnn", values, data, source, seed, augmentation, on_epoch=[stop]).model
        return model, time.process_time() - begun

    first, second = range(5), range(5, 10)
    many = placed(first, 130, 0, 0), placed(first, 40, 130, 1)
    source, _ = trained(many, epochs=15, batch_size=32, augmentation=AugmentationParams(shift=0.2))
    assert accuracy(source, many[1]) > 0.9
    few, test = (placed(second, 10, 0, 2), placed(second, 14, 80, 3)), placed(second, 80, 94, 4)
    short = {"batch_size": 16, "schedule": ScheduleParams(), "augment": False}
    transferred, scratch = [], []
    for seed in range(3):
        kept_part = {"initial_weights": "of 0 to 4", "trainable": "last 2"}
        model, seconds = trained(few, seed, source, epochs=40, **short, **kept_part)
        transferred.append(accuracy(model, test))
        model, spent = trained(few, seed, seconds=seconds, epochs=100_000, **short)
        assert spent >= seconds
        scratch.append(accuracy(model, test))
    print(f"transfer {transferred}, from scratch {scratch}, in the same time each")
    assert np.mean(transferred) > np.mean(scratch) + 0.1
    assert min(transferred) > max(scratch)
