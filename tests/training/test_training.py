"""Training at toy scale, with the real Keras."""

import gc
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import albumentations
import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom import training
from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.geometry import MID_GREY
from darkroom.augmentation.streams import stream_seed
from darkroom.base import backend
from darkroom.base.backend import keras, make_reproducible
from darkroom.base.errors import TrainingError
from darkroom.data.prepared.datasets import Split
from darkroom.networks import PARAMS, EarlyStoppingParams, ScheduleParams, inception, inference, load
from darkroom.networks.lenet5 import Params as Lenet5Params
from darkroom.networks.mlp import Params as MlpParams
from darkroom.networks.mnist_cnn import Params as MnistCnnParams
from darkroom.params import AugmentationParams
from darkroom.training import TrainingJob, estimate, interrupted
from darkroom.training.batches import TrainingBatches
from darkroom.training.classifier import Classifier
from support.networks import NETWORKS, description
from support.trainings import NONE, SOME, Killed, fit, job_of, split


@pytest.fixture(scope="module")
def data():
    return split(), split(32, 1000)


@pytest.mark.slow
def test_the_best_weights_are_restored(data):
    # What is learnt is wrong for these validation images, so that an early epoch is the best.
    validation = replace(data[1], classes=1 - data[1].classes)
    trained = fit("mlp", MlpParams(hidden_units=(8,), epochs=5), (data[0], validation))
    losses = [epoch["val_loss"] for epoch in trained.history]
    assert trained.best_epoch == int(np.argmin(losses)) < 4
    probabilities = inference.probabilities(trained.model, validation.images)
    loss = -np.log(probabilities[np.arange(32), validation.classes]).mean()
    assert loss == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.slow
def test_the_best_epoch_is_the_one_whose_weights_are_kept(data):
    # An improvement of less than min_delta does not count, so that the first epoch stays the best.
    values = MlpParams(hidden_units=(8,), epochs=4, early_stopping=EarlyStoppingParams(min_delta=100.0))
    trained = fit("mlp", values, data)
    assert trained.best_epoch == 0
    probabilities = inference.probabilities(trained.model, data[1].images)
    loss = -np.log(probabilities[np.arange(32), data[1].classes]).mean()
    assert loss == pytest.approx(trained.best["val_loss"], rel=1e-4)
    assert min(epoch["val_loss"] for epoch in trained.history) < trained.best["val_loss"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"label_smoothing": 0.5}, {"loss": "mean_squared_error"}, {"l2": 0.1}], ids=lambda of: next(iter(of))
)
def test_the_validation_loss_is_cross_entropy_whatever_is_trained_with(data, settings):
    trained = fit("mlp", MlpParams(hidden_units=(8,), epochs=1, **settings), data)
    probabilities = inference.probabilities(trained.model, data[1].images)
    loss = -np.log(probabilities[np.arange(32), data[1].classes]).mean()
    assert trained.history[0]["val_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.slow
def test_early_stopping_ends_the_run(data):
    values = MlpParams(hidden_units=(8,), epochs=50, learning_rate=1.0, early_stopping=EarlyStoppingParams(patience=2))
    trained = fit("mlp", values, data)
    assert len(trained.history) == trained.best_epoch + 3 < 50


OVERFIT = {
    "mlp": (28, {"learning_rate": 3e-4}),
    "lenet5": (32, {"learning_rate": 2e-3, "optimizer": "rmsprop"}),
    "mnist_cnn": (32, {"optimizer": "sgd", "learning_rate": 0.02, "momentum": 0.9}),
    "cifar_cnn": (32, {"dropout_hidden": 0.0, "dropout_convolutions": 0.0, "learning_rate": 2e-3}),
    # Small batches make more steps, which the moving averages of batch norm need to arrive.
    "cifar_bn_cnn": (32, {"dropout": (0.0,), "learning_rate": 0.02, "batch_size": 4}),
    "alexnet": (67, {"dropout": 0.0, "hidden_units": 256, "learning_rate": 1e-4, "batch_size": 4, "epochs": 20}),
    "inception": (67, {"dropout": 0.0, "batch_norm": "before", "learning_rate": 1e-3, "batch_size": 4}),
    "resnet20": (32, {"learning_rate": 0.02, "batch_size": 4}),
    "resnet50": (32, {"learning_rate": 3e-4, "batch_size": 4}),
    # The averages of batch norm begin at a variance of 1. What is left of it multiplies over 49 and more layers, so
    # that it takes about a thousand steps to vanish; until then, all images get the same answer.
    **{
        f"efficientnet_lite{number}": (
            64,
            {
                "initial_weights": None,
                "trainable": "all",
                "dropout": 0.0,
                "label_smoothing": 0.0,
                "batch_size": 8,
                "epochs": 140,
                "learning_rate": 1e-3,
                "schedule": ScheduleParams(kind="cosine", factor=0.001),
                "early_stopping": EarlyStoppingParams(patience=140),
            },
        )
        for number in range(3)
    },
}
SHALLOW = {"mlp", "lenet5", "mnist_cnn", "cifar_cnn"}
BY_SIZE = [
    name if name in SHALLOW else pytest.param(name, marks=pytest.mark.large)
    for name in NETWORKS
    if name != "logistic_regression"  # it has a test of its own
]


@pytest.mark.slow
@pytest.mark.parametrize("network", BY_SIZE)
def test_every_network_fits_64_images_and_answers_the_same_when_loaded(network, tmp_path):
    size, settings = OVERFIT[network]
    images = split(64, size=size)
    values = PARAMS[network](**{"epochs": 30, "batch_size": 16, "schedule": ScheduleParams(), **settings})
    trained = training.train(job_of(network, values, (images, images), size))
    assert trained.best["val_accuracy"] >= 0.95
    predicted = inference.probabilities(trained.model, images.images)
    assert (predicted.argmax(axis=1) == images.classes).mean() >= 0.95
    trained.save(tmp_path / f"{network}.keras")
    loaded = inference.load(tmp_path / f"{network}.keras")
    assert np.array_equal(inference.probabilities(loaded, images.images), predicted)
    assert len(loaded.outputs) == 1


def steps(network, seed, **settings):
    """The weights after two epochs of small batches, with dropout, variation and a schedule."""
    size = max(PARAMS[network](**settings).smallest_side, 16)
    images = split(24, size=size)
    values = PARAMS[network](epochs=2, batch_size=8, **settings)
    return training.train(job_of(network, values, (images, images), size, seed, SOME)).model.get_weights()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "settings"),
    [
        ("mlp", {"hidden_units": (16,), "dropout": 0.3}),
        ("mnist_cnn", {"dropout": 0.3}),
        ("cifar_cnn", {"filters": (4, 8), "hidden_units": 16}),
        ("cifar_bn_cnn", {"filters": (4, 8), "dropout": (0.2,)}),
        ("lenet5", {}),
        ("resnet20", {"blocks": 1, "width": 4}),
        pytest.param("alexnet", {"hidden_units": 32}, marks=pytest.mark.large),
        pytest.param("inception", {}, marks=pytest.mark.large),
        pytest.param("resnet50", {}, marks=pytest.mark.large),
    ],
)
def test_the_same_seed_gives_identical_weights(network, settings):
    one, same, other = (steps(network, seed, **settings) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


SMALL_CNN = {"epochs": 6, "dropout": 0.3, "batch_size": 16, "filters": (4, 8)}
PLATEAU = ScheduleParams(kind="plateau", factor=0.5, patience=1, growth=1.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "settings", "at"),
    [
        ("mnist_cnn", {**SMALL_CNN, "optimizer": "adam", "schedule": PLATEAU}, 3),
        (
            "mnist_cnn",
            {
                **SMALL_CNN,
                "optimizer": "sgd",
                "momentum": 0.9,
                "schedule": ScheduleParams(kind="one_cycle"),
                "batch_norm": "after",
            },
            1,
        ),
        ("mnist_cnn", {**SMALL_CNN, "learning_rate": 1.0, "early_stopping": EarlyStoppingParams(patience=2)}, 2),
        ("mnist_cnn", {**SMALL_CNN, "precision": "bfloat16", "class_weights": "balanced", "schedule": PLATEAU}, 2),
        # With both side classifiers.
        pytest.param("inception", {"epochs": 3, "batch_size": 8, "schedule": PLATEAU}, 2, marks=pytest.mark.large),
    ],
)
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, network, settings, at):
    values = PARAMS[network](**settings)
    size = max(28, values.smallest_side)
    every = split(64 if network == "mnist_cnn" else 16, size=size)
    # Twice as many of one class, so that balanced weights differ from 1.
    some = np.flatnonzero((every.classes == 0) | (np.arange(len(every.classes)) % 4 == 1))
    data = Split(every.images[some], every.classes[some], every.manifest), split(16, 1000, size)

    def run(*on_epoch, checkpoint=None):
        job = job_of(network, values, data, size, augmentation=SOME)
        return training.train(job, on_epoch=on_epoch, checkpoint=checkpoint, report=said.append)

    def killer(epoch, _):
        if epoch == at:
            raise Killed

    said, told = [], []
    undisturbed = run()
    with pytest.raises(Killed):
        run(killer, checkpoint=tmp_path / "training.npz")
    said.clear()
    resumed = run(lambda epoch, _: told.append(epoch), checkpoint=tmp_path / "training.npz")
    assert told[0] == at
    assert said[0] == f"resuming after epoch {at} of {values.epochs}"
    assert resumed.best_epoch == undisturbed.best_epoch
    for one, other in zip(resumed.history, undisturbed.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    for one, other in zip(resumed.model.get_weights(), undisturbed.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_a_training_that_had_ended_is_not_run_again(data, tmp_path):
    values = MlpParams(hidden_units=(8,), epochs=3)
    checkpoint, told = tmp_path / "training.npz", []

    def run():
        on_epoch = [lambda epoch, _: told.append(epoch)]
        return training.train(job_of("mlp", values, data), on_epoch=on_epoch, checkpoint=checkpoint)

    first, again = run(), run()
    assert told == [0, 1, 2]
    for one, other in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def with_a_flipped_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def without_its_state(path):
    with np.load(path) as file:
        arrays = {name: array for name, array in file.items() if name != "state"}
    np.savez(path, **arrays)


def of_other_variables(path):
    with np.load(path) as file:
        arrays = {name: array[:1] if array.ndim else array for name, array in file.items()}
    np.savez(path, **arrays)


def of_another_version(path):
    with np.load(path) as file:
        np.savez(path, **{**file, "state": np.array('{"next_epoch": 1}')})


SMALL = MlpParams(hidden_units=(8,), epochs=3)


@pytest.fixture(scope="module")
def interrupted_training(data, tmp_path_factory):
    """The checkpoint of a training that was killed in its second epoch, and the weights that it would have reached."""
    checkpoint = tmp_path_factory.mktemp("interrupted") / "training.npz"
    undisturbed = fit("mlp", SMALL, data)
    with pytest.raises(Killed):
        training.train(job_of("mlp", SMALL, data), on_epoch=[lambda epoch, _: kill(epoch, at=1)], checkpoint=checkpoint)
    return checkpoint.read_bytes(), undisturbed.model.get_weights()


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        with_a_flipped_bit,
        without_its_state,
        of_other_variables,
        of_another_version,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 and no more"),
        lambda path: np.savez(path, state=np.array(["a", None], dtype=object)),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_and_training_starts_over(data, tmp_path, interrupted_training, damage):
    content, undisturbed = interrupted_training
    checkpoint, said, told = tmp_path / "training.npz", [], []
    checkpoint.write_bytes(content)
    damage(checkpoint)
    damaged = checkpoint.read_bytes()
    again = training.train(
        job_of("mlp", SMALL, data),
        on_epoch=[lambda epoch, _: told.append(epoch)],
        checkpoint=checkpoint,
        report=said.append,
    )
    assert told == [0, 1, 2]
    assert said[0].startswith("the checkpoint cannot be read (")
    assert said[0].endswith(f"kept as {checkpoint}.damaged, training starts over")
    assert (tmp_path / "training.npz.damaged").read_bytes() == damaged
    for one, other in zip(again.model.get_weights(), undisturbed, strict=True):
        assert np.array_equal(one, other)


def kill(epoch, at):
    if epoch == at:
        raise Killed


@pytest.mark.slow
def test_training_leaves_no_file_in_the_temporary_folder(data, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    training.train(job_of("mlp", MlpParams(hidden_units=(8,), epochs=1), data))
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_interrupted_training_stands_for_all_that_it_depends_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Little code: test_code is about that.
    Path("dvc.yaml").write_text(
        "stages: {train: {deps: [src/darkroom/base/code.py]}, search: {deps: [src/darkroom/base/code.py]}}"
    )
    job = replace(job_of("mlp", MlpParams(), (split(2), split(2))), initial=network_of_one_weight(0.0))

    def name(job, *more):
        return interrupted.state_file("train", job, *more)

    assert name(job) == name(job)
    assert name(job).parent == tmp_path / ".darkroom" / "train"
    others = [
        name(job.with_values({"dropout": 0.1})),
        name(replace(job, description=replace(job.description, digest="other images"))),
        name(replace(job, seed=1)),
        name(replace(job, augmentation=SOME)),
        name(replace(job, strategy="mirrored")),
        name(replace(job, initial=network_of_one_weight(1.0))),
        name(replace(job, initial=None)),
        name(job, ["another device"]),
        interrupted.state_file("search", job),
    ]
    assert len({name(job), *others}) == 10


def network_of_one_weight(weight):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    model.set_weights([np.array([[weight]])])
    return model


def test_a_checkpoint_is_kept_until_the_work_is_done_or_can_only_fail(tmp_path):
    for error, kept in ((KeyboardInterrupt, True), (OSError, True), (TrainingError, False), (None, False)):
        with suppress(KeyboardInterrupt, OSError, TrainingError), interrupted.kept_checkpoint(tmp_path / "mlp") as path:
            path.write_bytes(b"")
            if error:
                raise error
        assert path.exists() == kept
        assert not path.with_suffix(".lock").exists()


@pytest.mark.slow
def test_enough_ends_a_training_in_order(data):
    def enough(epoch, _):
        if epoch == 1:
            raise training.StopTraining

    trained = fit("mlp", MlpParams(hidden_units=(8,), epochs=50), data, on_epoch=[enough])
    assert len(trained.history) == 2


@pytest.mark.slow
@pytest.mark.large
@pytest.mark.parametrize(("network", "batch_size"), [("alexnet", 16), ("inception", 8), ("resnet50", 4)])
def test_a_whole_step_at_the_published_size(network, batch_size):
    module = load(network)
    size, classes = module.PUBLISHED_INPUT, module.PUBLISHED_CLASSES
    pixels = np.random.default_rng(0).integers(0, 256, (batch_size, *size), dtype=np.uint8)
    images = Split(pixels, np.arange(batch_size), pd.DataFrame())
    values = PARAMS[network](epochs=1, batch_size=batch_size, augment=False)
    # With the weights that the training begins with.
    make_reproducible(0)
    before = training.build_model(network, values, description(size, classes)).get_layer("output").get_weights()[0]
    trained = training.train(
        TrainingJob(network, values, description(size, classes), images, images, seed=0, augmentation=NONE)
    )
    assert np.isfinite(trained.history[0]["loss"])
    assert not np.array_equal(trained.model.get_layer("output").get_weights()[0], before)
    print(f"{network}: {backend.peak_memory() / 2**30:.1f} GiB for a step of {batch_size} images")


@pytest.mark.slow
@pytest.mark.large
@pytest.mark.parametrize("weight", [0.3, 0.7])
def test_side_classifiers_help_to_train_and_are_gone_afterwards(tmp_path, monkeypatch, weight):
    # Without anything random, so that the losses of the first step can be computed beside it.
    monkeypatch.setattr(inception, "AUXILIARY_DROPOUT", 0.0)
    size = 65
    images, about = split(8, size=size), description((size, size, 1), 2)
    values = PARAMS["inception"](
        epochs=1, batch_size=8, dropout=0.0, augment=False, auxiliary_weight=weight, learning_rate=1e-4
    )
    make_reproducible(0)
    whole = training.build_model("inception", values, about)
    main, *sides = (
        -np.log(np.asarray(answers)[np.arange(8), images.classes]).mean() for answers in whole(images.images)
    )
    trained = training.train(job_of("inception", values, (images, images), size))
    assert len(sides) == 2
    assert trained.history[0]["loss"] == pytest.approx(main + weight * sum(sides), rel=1e-4)
    probabilities = inference.probabilities(trained.model, images.images)
    alone = -np.log(probabilities[np.arange(8), images.classes]).mean()
    assert trained.history[0]["val_loss"] == pytest.approx(alone, rel=1e-3)
    assert not [layer.name for layer in trained.model.layers if layer.name.startswith("side_")]
    trained.save(tmp_path / "inception.keras")
    assert len(inference.load(tmp_path / "inception.keras").outputs) == 1


@pytest.mark.slow
def test_a_bfloat16_training_makes_a_float32_network(data):
    trained = fit("mnist_cnn", MnistCnnParams(epochs=1, filters=(4, 8), precision="bfloat16"), data)
    assert {layer.compute_dtype for layer in trained.model.layers if layer.name != "image"} == {"float32"}
    assert {weight.dtype for weight in trained.model.weights} == {"float32"}
    probabilities = inference.probabilities(trained.model, data[1].images)
    loss = -np.log(probabilities[np.arange(32), data[1].classes]).mean()
    assert loss == pytest.approx(trained.best["val_loss"], rel=0.02)


def estimated(line):
    """The seconds of an epoch and of all, of a line that was said."""
    times = r"about ([\d.]+) s an epoch, ([\d.]+) s for [\w ]+"
    found = re.fullmatch(rf"{times}, ([\d.]+) GiB of memory \(measured on (an epoch|20 steps)\)", line)
    assert float(found[3]) > 0.1
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("batch_size", [pytest.param(2, marks=pytest.mark.slow), "full"])
def test_where_epochs_are_short_a_whole_one_is_measured(data, batch_size):
    """With all that comes between two epochs, and where an epoch is one step."""
    said = []
    values = MlpParams(hidden_units=(8,), epochs=4, batch_size=batch_size)
    begun = time.perf_counter()
    trained = training.train(
        job_of("mlp", values, data),
        report=said.append,
        on_epoch=[lambda *_: time.sleep(0.2)],
        trials=5,
    )
    seconds = time.perf_counter() - begun
    assert len(trained.history) == 4
    (line,) = said
    assert "for 5 trials of 4, " in line
    assert "(measured on an epoch)" in line
    epoch, total = estimated(line)
    assert 0.2 <= epoch < seconds / 2
    assert total == pytest.approx(5 * 4 * epoch, abs=1.1)  # rounded to .1 an epoch


@pytest.mark.slow
def test_where_epochs_are_long_steps_of_the_first_are_measured(monkeypatch):
    monkeypatch.setattr(estimate, "LONG_EPOCH", 0.0)
    # Of this process alone: what else a busy machine does comes and goes between the steps and the epochs.
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    said, images = [], split(512)
    values = MnistCnnParams(epochs=3, batch_size=16, augment=False)
    trained = training.train(job_of("mnist_cnn", values, (images, images)), report=said.append)
    (line,) = said
    assert "for 3, " in line
    assert "(measured on 20 steps)" in line
    _, total = estimated(line)
    later = 3 * np.mean([epoch["seconds"] for epoch in trained.history[1:]])
    assert later / 3 < total < later * 3


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (61, "61 s"), (600, "10 min"), (8 * 3600, "8.0 h")]
)
def test_durations_as_a_person_writes_them(seconds, text):
    assert training.duration(seconds) == text


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run(data):
    values = MlpParams(hidden_units=(8,), optimizer="sgd", learning_rate=10.0, momentum=0.99, epochs=40, batch_size=8)
    # A deviation near zero blows the inputs up until float32 overflows.
    blown_up = replace(description((28, 28, 1), 2), deviation=(1e-30,))
    with pytest.raises(TrainingError) as caught:
        training.train(TrainingJob("mlp", values, blown_up, *data, seed=0, augmentation=NONE))
    line = str(caught.value)
    assert "mlp: training loss is nan at step" in line or "mlp: training loss is inf at step" in line
    assert "lower train.mlp.learning_rate" in line
    assert "\n" not in line


@pytest.mark.slow
def test_the_schedule_in_force_is_told(data):
    values = MlpParams(
        hidden_units=(4,), epochs=4, learning_rate=0.1, schedule=ScheduleParams(kind="step", factor=0.5, every=2)
    )
    told = []
    fit("mlp", values, data, on_epoch=[lambda epoch, logs: told.append((epoch, logs["learning_rate"]))])
    assert [epoch for epoch, _ in told] == [0, 1, 2, 3]
    np.testing.assert_allclose([rate for _, rate in told], [0.1, 0.1, 0.05, 0.05], rtol=1e-6)


@pytest.mark.slow
def test_a_step_is_traced_once(data, monkeypatch):
    """Which takes most of the time of a short training."""
    traced, compute = [], Classifier.compute_loss

    def counted(*of, training, **more):
        traced.append(training)
        return compute(*of, training=training, **more)

    monkeypatch.setattr(Classifier, "compute_loss", counted)
    fit("mlp", MlpParams(hidden_units=(4,), epochs=2), data)
    assert traced == [True, False]


@pytest.mark.slow
def test_a_training_leaves_no_graph_behind(data):
    def graphs():
        gc.collect()
        return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())

    values = MlpParams(hidden_units=(4,), epochs=1)
    fit("mlp", values, data)
    before = graphs()
    fit("mlp", values, data)
    assert graphs() == before


@pytest.mark.slow
def test_a_progress_line(data, capsys):
    show = training.progress_line("mlp", 2)
    fit("mlp", MlpParams(hidden_units=(4,), epochs=2), data, on_epoch=[show])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("mlp  epoch 1/2  loss ")
    assert "val_accuracy" in lines[0]


@pytest.mark.slow
def test_class_weights_help_the_small_class():
    rows = np.r_[0:60:2, 1:5:2]  # 30 of one class, 2 of the other
    everything = split()
    few = Split(everything.images[rows], everything.classes[rows], everything.manifest)
    recalls = {}
    for rule in ("none", "balanced"):
        values = MlpParams(
            hidden_units=(8,),
            epochs=3,
            optimizer="sgd",
            learning_rate=0.003,
            class_weights=rule,
            batch_size=32,
            schedule=ScheduleParams(),
        )
        model = fit("mlp", values, (few, everything)).model
        small = everything.images[everything.classes == 1]
        recalls[rule] = inference.probabilities(model, small)[:, 1].mean()
    assert recalls["balanced"] > recalls["none"] + 0.05


@pytest.mark.slow
def test_a_saved_network_answers_the_same(data, tmp_path):
    model = fit("lenet5", Lenet5Params(epochs=1), data)
    model.save(tmp_path / "lenet5.keras")
    loaded = inference.load(tmp_path / "lenet5.keras")
    one, other = (inference.probabilities(each, data[1].images) for each in (model.model, loaded))
    assert np.array_equal(one, other)


def test_batches_cover_every_image_once_in_a_new_order_each_epoch():
    training_split = Split(np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1), np.arange(10), pd.DataFrame())
    batches = TrainingBatches(training_split, 10, 4, seed=3)
    orders = []
    for epoch in range(3):
        drawn = [batches.draw(epoch, index) for index in range(len(batches))]
        orders.append([int(image) for images, _ in drawn for image in images.ravel()])
        for images, targets in drawn:
            assert np.array_equal(targets.argmax(axis=1), images.ravel())
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    again = TrainingBatches(training_split, 10, 4, seed=3)
    for first_epoch in range(3):
        streamed = again.stream(first_epoch).take(3 * (3 - first_epoch))
        images = [int(image) for images, _ in streamed for image in images.numpy().ravel()]
        assert images == [image for order in orders[first_epoch:] for image in order]


def test_augmentation_is_seeded_and_changes_each_image():
    images = split(8).images
    before = images.copy()
    augmenter = Augmenter(SOME)
    one, same, other = augmenter(images, 5), augmenter(images, 5), augmenter(images, 6)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.shape == images.shape
    assert one.dtype == np.uint8
    assert all(not np.array_equal(a, b) for a, b in zip(one, images, strict=True))
    assert np.array_equal(images, before)


def test_no_augmentation_changes_nothing():
    images = split(4).images
    assert np.array_equal(Augmenter(NONE)(images, 1), images)


def test_augmentation_keeps_to_its_ranges():
    # A single bright line in the middle: shifts of at most a tenth keep it within a tenth of the frame.
    images = np.zeros((50, 100, 100, 1), dtype=np.uint8)
    images[:, :, 50] = 255
    shifted = Augmenter(AugmentationParams(shift=0.1))(images, 0)
    columns = np.unique(np.argwhere(shifted[..., 0] > 100)[:, 2])
    assert columns.min() >= 39
    assert columns.max() <= 61
    assert len(columns) > 10


class ByRealAmounts(albumentations.Affine):
    """The library's transform, but for the translation, which it cuts to whole pixels."""

    def _get_translate_params(self, image_shape):
        across, down = (self.py_random.uniform(*self.translate_percent[axis]) for axis in "xy")
        return {"x": across * image_shape[1], "y": down * image_shape[0]}


def none_or(*bounds):
    return st.just(0.0) | st.floats(*bounds)


def of_library(params, height, width):
    """The library's transforms for the parameters, with the streams that they correspond to."""
    affine = ByRealAmounts(
        rotate=(-params.rotation, params.rotation),
        translate_percent=(-params.shift, params.shift),
        scale=(1 - params.scale, 1 + params.scale),
        shear=(-params.shear, params.shear),
        interpolation=cv2.INTER_LINEAR,
        border_mode=cv2.BORDER_REPLICATE,
        p=1.0,
    )
    erase = (params.erase, params.erase)
    found = [("affine", affine)] * any((params.rotation, params.shift, params.scale, params.shear))
    if params.crop:
        # The padding draws nothing.
        found.append(("crop", albumentations.Pad(padding=params.crop, border_mode=cv2.BORDER_REFLECT_101, p=1.0)))
        found.append(("crop", albumentations.RandomCrop(height, width, p=1.0)))
    found += [("horizontal_flip", albumentations.HorizontalFlip(p=0.5))] * params.horizontal_flip
    found += [("vertical_flip", albumentations.VerticalFlip(p=0.5))] * params.vertical_flip
    if params.erase:
        hole = {"num_holes_range": (1, 1), "hole_height_range": erase, "hole_width_range": erase, "fill": MID_GREY}
        found.append(("erase", albumentations.CoarseDropout(**hole, p=1.0)))
    return found


@given(
    st.builds(
        AugmentationParams,
        rotation=none_or(1, 180),
        shift=none_or(0.01, 0.5),
        # Larger ones can make an image so thin that rounding shows.
        scale=none_or(0.01, 0.5),
        shear=none_or(1, 30),
        crop=st.integers(0, 64),
        erase=none_or(0.01, 0.99),
        horizontal_flip=st.booleans(),
        vertical_flip=st.booleans(),
    ),
    st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4])),
    st.integers(0, 2**32 - 2),
)
def test_variation_is_that_of_the_library(params, shape, seed):
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    images.setflags(write=False)
    parts = of_library(params, *shape[1:3])
    library, augmenter = albumentations.Compose([part for _, part in parts]), Augmenter(params)
    # The second batch does not begin where the first one ended.
    for one in (seed, seed + 1):
        for stream, part in parts:
            part.set_random_seed(stream_seed(one, stream))
        theirs = np.stack([library(image=image)["image"].reshape(image.shape) for image in images])
        # The sums of a move are rounded otherwise.
        moves = any((params.rotation, params.shift, params.scale, params.shear))
        assert np.abs(augmenter(images, one).astype(int) - theirs).max() <= moves


def test_flips_are_independent_of_each_other():
    images = split(200).images
    flipped = Augmenter(AugmentationParams(horizontal_flip=True, vertical_flip=True))(images, 0)
    for mirrored in (images, images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1]):
        assert 25 < sum(np.array_equal(a, b) for a, b in zip(flipped, mirrored, strict=True)) < 75


def test_flips_mirror():
    images = split(40).images
    flipped = Augmenter(AugmentationParams(horizontal_flip=True))(images, 0)
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, images, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(flipped, images, strict=True)]
    assert all(a or b for a, b in zip(mirrored, same, strict=True))
    assert 5 < sum(same) < 35
