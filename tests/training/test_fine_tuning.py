"""Fine-tuning after a head: what trains when, from which weights, and that a kill changes nothing."""

import numpy as np
import pandas as pd
import pytest

from darkroom import training
from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Split
from darkroom.networks import PARAMS, EarlyStoppingParams, FineTuningParams, ScheduleParams, inference
from darkroom.params import with_values
from darkroom.training import phases
from support.networks import build, description
from support.trainings import SOME, killed_at

SIZE = (16, 16, 3)


def images(count, seed):
    """Dark images of one class and bright ones of the other, in noise."""
    classes = np.arange(count) % 2
    noise = np.random.default_rng(seed).normal(90 + 40 * classes[:, None, None, None], 60, (count, *SIZE))
    return Split(np.clip(noise, 0, 255).astype(np.uint8), classes, pd.DataFrame())


@pytest.fixture(scope="module")
def data():
    return images(48, 0), images(24, 1)


@pytest.fixture(scope="module")
def source():
    """A network with batch norm, whose statistics are those of other images."""
    model = build("cifar_bn_cnn", SIZE, classes=2, filters=(4, 8), dropout=(0.0,))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta, mean + rng.normal(0, 0.1, mean.shape), variance * 1.2])
    return model


def values(**settings):
    tuning = settings.pop("fine_tuning", {"epochs": 2, "learning_rate": 1e-3, "batch_size": 16})
    common = {"filters": (4, 8), "dropout": (0.3,), "epochs": 3, "batch_size": 16, "weight_decay": 0.0}
    usual = {"initial_weights": "other", "trainable": "head", "augment": False, "optimizer": "adam"}
    return PARAMS["cifar_bn_cnn"](
        **{**common, **usual, "learning_rate": 0.01, "schedule": ScheduleParams(), **settings},
        fine_tuning=FineTuningParams(**tuning),
    )


def job_of(values, data, source):
    about = description(SIZE, 2)
    return training.TrainingJob(
        "cifar_bn_cnn", values, about, *data, seed=0, augmentation=SOME, initial=source, strategy="none"
    )


def fit(values, data, source, *on_epoch, **more):
    return training.train(job_of(values, data, source), on_epoch=on_epoch, **more)


def changed(model, source):
    """The layers with other weights than those of the source."""
    return {
        layer.name
        for layer in model.layers
        if layer.weights
        and not all(map(np.array_equal, layer.get_weights(), source.get_layer(layer.name).get_weights()))
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "trained"),
    [("all", {"conv1", "conv2", "conv3", "conv4", "output"}), ("last 4", {"conv4", "output"})],
)
def test_more_layers_train_after_the_head_and_batch_norm_stays(data, source, layers, trained):
    """The last four layers with weights are conv4, its batch norm and the output (and batch norm of conv3)."""
    tuning = {"epochs": 2, "layers": layers, "learning_rate": 1e-3, "batch_size": 16}
    # What is best does not matter here: the last epoch counts.
    found = fit(values(fine_tuning=tuning), data, source, checkpoint=None)
    assert len(found.history) == 5
    if found.best_epoch >= 3:
        assert changed(found.model, source) == trained
    assert not any(name.endswith("_bn") for name in changed(found.model, source))


@pytest.mark.slow
def test_epochs_are_numbered_on_with_a_rate_of_their_own(data, source):
    told = []
    tuning = {"epochs": 3, "learning_rate": 1e-3, "schedule": ScheduleParams(kind="cosine", factor=0.1)}
    found = fit(values(fine_tuning=tuning), data, source, lambda epoch, reached: told.append((epoch, reached)))
    assert [epoch for epoch, _ in told] == list(range(6))
    rates = [epoch["learning_rate"] for epoch in found.history]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.001, 0.00055, 0.0001])


@pytest.mark.slow
def test_the_best_epoch_of_both_phases_is_kept(data, source):
    # A rate that destroys what the head has learnt.
    worse = fit(values(fine_tuning={"epochs": 2, "learning_rate": 1.0}), data, source)
    head = fit(values(fine_tuning={"epochs": 0}), data, source)
    assert worse.best_epoch < 3
    assert worse.best["val_loss"] == min(epoch["val_loss"] for epoch in worse.history)
    better = fit(values(epochs=1, learning_rate=1e-6), data, source)
    assert better.best_epoch > 0
    for found in (worse, head, better):
        loss = -np.log(inference.probabilities(found.model, data[1].images)[np.arange(24), data[1].classes]).mean()
        assert loss == pytest.approx(found.best["val_loss"], rel=1e-4)


@pytest.mark.slow
def test_fine_tuning_begins_where_the_head_has_stopped(data, source):
    """At a rate of almost nothing, the losses of fine-tuning are the best one of the head, also if it stopped early."""
    stopping = EarlyStoppingParams(patience=1)
    tuning = {"epochs": 1, "learning_rate": 1e-9}
    found = fit(values(epochs=40, learning_rate=0.3, early_stopping=stopping, fine_tuning=tuning), data, source)
    *head, tuned = found.history
    assert len(head) < 40
    assert tuned["val_loss"] == pytest.approx(min(epoch["val_loss"] for epoch in head), rel=1e-3)


@pytest.mark.slow
def test_a_pruned_head_is_not_fine_tuned(data, source):
    def enough(epoch, _):
        if epoch == 1:
            raise training.StopTraining

    assert len(fit(values(), data, source, enough).history) == 2


KILLED_AT = [1, 3, 4]
"""In the head, before the first and before the last epoch of fine-tuning has ended."""
PLAIN, AVERAGED = {}, {"ema": 0.9, "fine_tuning": {"epochs": 2, "layers": "last 4"}}


@pytest.fixture(scope="module", params=[PLAIN, AVERAGED], ids=str)
def whole(request, data, source, tmp_path_factory):
    """Settings, an undisturbed training with them, and the checkpoints that kills leave."""
    checkpoint = tmp_path_factory.mktemp("killed") / "training.npz"

    def run(*on_epoch, checkpoint=None):
        return fit(values(**request.param), data, source, *on_epoch, checkpoint=checkpoint)

    return request.param, run(), killed_at(run, checkpoint, *KILLED_AT)


@pytest.mark.slow
@pytest.mark.parametrize("at", KILLED_AT)
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, data, source, whole, at):
    settings, undisturbed, left = whole
    checkpoint, told, said = tmp_path / "training.npz", [], []
    checkpoint.write_bytes(left[at])
    more = {"checkpoint": checkpoint, "report": said.append}
    resumed = fit(values(**settings), data, source, lambda epoch, _: told.append(epoch), **more)
    assert told == list(range(at, 5))
    # After the last epoch of the head, there is no other one to resume.
    assert f"resuming after epoch {at} of 5" in said
    assert resumed.best_epoch == undisturbed.best_epoch
    for one, other in zip(resumed.history, undisturbed.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert all(map(np.array_equal, resumed.model.get_weights(), undisturbed.model.get_weights()))


@pytest.mark.slow
@pytest.mark.parametrize("whole", [PLAIN], ids=str, indirect=True)
def test_a_checkpoint_of_fine_tuning_that_is_another_trainings_starts_over(tmp_path, data, source, whole):
    settings, undisturbed, left = whole
    checkpoint, said = tmp_path / "training.npz", []
    checkpoint.write_bytes(left[4])
    with np.load(checkpoint) as file:
        np.savez(checkpoint, **{name: array[:1] if array.ndim else array for name, array in file.items()})
    again = fit(values(**settings), data, source, checkpoint=checkpoint, report=said.append)
    assert said[0].startswith("the checkpoint cannot be read (it has other variables than the network)")
    assert all(map(np.array_equal, again.model.get_weights(), undisturbed.model.get_weights()))


@pytest.mark.slow
@pytest.mark.parametrize("whole", [PLAIN], ids=str, indirect=True)
def test_the_same_seed_gives_the_same_weights(data, source, whole):
    settings, undisturbed, _ = whole
    again = fit(values(**settings), data, source)
    assert all(map(np.array_equal, again.model.get_weights(), undisturbed.model.get_weights()))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trainable": "all"}, "fine_tuning trains layers that were frozen before, but trainable is all"),
        ({"trainable": "last 4", "fine_tuning.layers": "last 2"}, "fine_tuning.layers last 2 are fewer than"),
        ({"fine_tuning.layers": "head"}, "fine_tuning.layers: 'head' given"),
        ({"optimizer": "lbfgs", "label_smoothing": 0.0}, "lbfgs cannot fine-tune"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings, words):
    with pytest.raises(InputError, match=words) as caught:
        with_values(values(), settings)
    assert "\n" not in str(caught.value)


def test_a_phase_has_the_parameters_of_its_own():
    both = values(fine_tuning={"epochs": 2, "learning_rate": 1e-5, "layers": "last 4", "batch_size": 8})
    assert phases.count(both) == 2
    head, tuning = phases.phase(both, 0, 0), phases.phase(both, 1, 2)
    assert (head.values, head.end, head.all_epochs) == (both, 3, 5)
    assert (tuning.first, tuning.end) == (2, 4)
    assert (tuning.values.learning_rate, tuning.values.trainable, tuning.values.batch_size) == (1e-5, "last 4", 8)
    assert tuning.values.augment
    assert not head.values.augment
    assert both.augments
    assert phases.count(with_values(both, {"fine_tuning.epochs": 0})) == 1
    assert both.shortened(1).all_epochs == 2
    assert both.shortened(9).all_epochs == 5
