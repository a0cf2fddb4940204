"""Moving averages of the weights: what is validated and saved, and that a kill changes nothing."""

import numpy as np
import pytest

from darkroom import training
from darkroom.networks import PARAMS, ScheduleParams, inference
from darkroom.networks.mlp import Params as MlpParams
from darkroom.training import callbacks
from support.trainings import SOME, fit, job_of, killed_at, split

OPTIMIZERS = [
    {"optimizer": "sgd", "learning_rate": 0.05},
    {"optimizer": "adam"},
    {"optimizer": "muon", "learning_rate": 0.01},
    {"optimizer": "rmsprop"},
]


@pytest.fixture(scope="module")
def data():
    return split(), split(32, 1000)


def of(**settings):
    return MlpParams(hidden_units=(8,), batch_size=16, epochs=1, schedule=ScheduleParams(), **settings)


@pytest.mark.slow
@pytest.mark.parametrize("settings", OPTIMIZERS, ids=lambda of: of["optimizer"])
def test_the_average_is_what_is_validated_and_saved(data, settings):
    """The weights after each of four steps are those of a training without averages."""
    decay = 0.6
    averaged = fit("mlp", of(ema=decay, **settings), data)
    trajectory = weights_after_steps(data, settings)
    assert len(trajectory) == 4
    expected = trajectory[0]
    for weights in trajectory[1:]:
        expected = [decay * before + (1 - decay) * now for before, now in zip(expected, weights, strict=True)]
    for one, other in zip(averaged.model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    predicted = inference.probabilities(averaged.model, data[1].images)
    loss = -np.log(predicted[np.arange(32), data[1].classes]).mean()
    assert loss == pytest.approx(averaged.best["val_loss"], rel=1e-4)


def weights_after_steps(data, settings):
    """The weights after each step, without averages."""
    seen, check = [], callbacks.FiniteLoss.on_train_batch_end

    def look(self, batch, logs):
        check(self, batch, logs)
        seen.append(self.model.get_weights())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.FiniteLoss, "on_train_batch_end", look)
        fit("mlp", of(**settings), data)
    return seen


@pytest.mark.slow
def test_training_goes_on_with_the_weights_themselves(data):
    """Averages change what is validated, not what is trained."""
    plain, averaged = (fit("mlp", of(ema=ema).model_copy(update={"epochs": 3}), data) for ema in (0.0, 0.9))
    for one, other in zip(plain.history, averaged.history, strict=True):
        assert one["loss"] == other["loss"]
        assert one["val_loss"] != other["val_loss"]


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, data):
    values = PARAMS["mlp"](hidden_units=(8,), dropout=0.3, batch_size=16, epochs=3, ema=0.9)

    def run(*on_epoch, checkpoint=None):
        return training.train(job_of("mlp", values, data, augmentation=SOME), on_epoch=on_epoch, checkpoint=checkpoint)

    undisturbed, checkpoint = run(), tmp_path / "training.npz"
    for content in killed_at(run, checkpoint, 1, 2).values():
        checkpoint.write_bytes(content)
        resumed = run(checkpoint=checkpoint)
        for one, other in zip(resumed.history, undisturbed.history, strict=True):
            assert {**one, "seconds": 0} == {**other, "seconds": 0}
        assert all(map(np.array_equal, resumed.model.get_weights(), undisturbed.model.get_weights()))
