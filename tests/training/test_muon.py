"""Muon against what it is said to do: kernels of convolutions take orthogonal steps, all else those of AdamW."""

import numpy as np
import pytest

from darkroom.base.backend import keras
from darkroom.networks import PARAMS
from darkroom.training import optimizer
from darkroom.training.muon import Muon

RATE = 0.01


def stepped(shape, name, gradient, maker=Muon, **options):
    """What one step changes of a variable that begins at one."""
    variable = keras.Variable(np.ones(shape, dtype=np.float32), name=name)
    made = maker(learning_rate=RATE, **options)
    made.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return np.asarray(variable) - 1


@pytest.mark.parametrize("shape", [(3, 3, 16, 32), (3, 3, 2, 64), (1, 1, 64, 8)])
def test_the_step_of_a_kernel_is_orthogonal_and_of_the_same_size_whatever_the_gradient(shape):
    gradient = np.random.default_rng(0).normal(0, 1e-3, shape).astype(np.float32)
    step = stepped(shape, "kernel", gradient, weight_decay=None)
    singular = np.linalg.svd(step.reshape(-1, shape[-1]), compute_uv=False)
    # Five iterations bring each singular value near 1; then .2 times the root of the longer side (Liu et al. 2025).
    rows, columns = np.prod(shape[:-1]), shape[-1]
    scale = RATE * 0.2 * np.sqrt(max(rows, columns))
    assert (singular > 0.6 * scale).all()
    assert (singular < 1.3 * scale).all()
    assert np.sum(step * gradient) < 0
    np.testing.assert_allclose(step, stepped(shape, "kernel", 100 * gradient, weight_decay=None), atol=1e-5)


def test_a_kernel_steps_as_the_matrix_that_it_is():
    gradient = np.random.default_rng(1).normal(size=(3, 3, 4, 8)).astype(np.float32)
    kernel = stepped((3, 3, 4, 8), "kernel", gradient)
    matrix = stepped((36, 8), "kernel", gradient.reshape(36, 8))
    np.testing.assert_allclose(kernel.reshape(36, 8), matrix, atol=1e-7)


@pytest.mark.parametrize(("shape", "name"), [((8,), "bias"), ((20, 10), "output")])
def test_biases_and_the_classifier_step_as_with_adamw(shape, name):
    gradient = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    ours = stepped(shape, name, gradient, exclude_layers=["output"], adam_weight_decay=0.1)
    np.testing.assert_allclose(
        ours, stepped(shape, name, gradient, keras.optimizers.AdamW, weight_decay=0.1), atol=1e-6
    )


def test_params_choose_it():
    values = PARAMS["cifar_bn_cnn"].model_validate_json('{"weight_decay": 0.2, "learning_rate": 0.02}')
    made = optimizer(values)
    assert isinstance(made, Muon)
    assert (made.weight_decay, made.adam_weight_decay, made.momentum, made.nesterov) == (0.2, 0.2, 0.95, True)
    assert float(made.learning_rate) == pytest.approx(0.02)
    plain = PARAMS["lenet5"].model_validate_json('{"optimizer": "muon"}')
    assert (optimizer(plain).momentum, optimizer(plain).weight_decay) == (0.95, None)
