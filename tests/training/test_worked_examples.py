"""The worked examples and formulas of the notes, through Darkroom's own networks, optimizers and schedules."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from darkroom import training
from darkroom.augmentation.augmenter import Augmenter
from darkroom.base.backend import keras, make_reproducible, tf
from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Split
from darkroom.networks import (
    PARAMS,
    EarlyStoppingParams,
    ScheduleParams,
    images_per_step,
    layers,
    with_recipe,
)
from darkroom.networks.mlp import Params as MlpParams
from darkroom.params import AugmentationParams, with_values
from darkroom.training.batches import TrainingBatches
from darkroom.training.schedules import Plateau, learning_rate
from support.networks import NETWORKS, build, description
from support.trainings import NONE, fit, split


def random(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


# Activation functions


def test_softmax_of_the_notes():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.probabilities(inputs, 3, MlpParams()))
    model.get_layer("output").set_weights([np.eye(3), np.zeros(3)])
    found = np.asarray(model(np.array([[1.2, 0.9, 0.4]])))[0]
    np.testing.assert_allclose(found, [0.457, 0.338, 0.205], atol=5e-4)
    assert found.sum() == pytest.approx(1)


def slope(function, at):
    at = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return np.asarray(tape.gradient(value, at, unconnected_gradients=tf.UnconnectedGradients.ZERO))


def test_steps_gradient_is_0():
    at = [-2.0, -0.1, 0.1, 2.0]
    np.testing.assert_array_equal(slope(layers.step, at), np.zeros(4))
    assert (slope(keras.ops.sigmoid, at) > 0).all()


@pytest.mark.filterwarnings("ignore:Gradients do not exist:UserWarning")
@pytest.mark.parametrize(("activation", "learns"), [(layers.step, False), ("sigmoid", True)])
def test_what_lies_before_a_step_learns_nothing(activation, learns):
    keras.utils.set_random_seed(0)
    values = MlpParams(optimizer="sgd", learning_rate=1.0)
    inputs = keras.Input((5,))
    hidden = keras.layers.Activation(activation)(keras.layers.Dense(8, name="fc1")(inputs))
    model = keras.Model(inputs, layers.probabilities(hidden, 2, values))
    model.compile(training.optimizer(values), training.loss_function(values))
    before = {name: model.get_layer(name).get_weights()[0] for name in ("fc1", "output")}
    model.train_on_batch(random(16, 5), np.eye(2)[np.arange(16) % 2])
    moved = {name: not np.array_equal(model.get_layer(name).get_weights()[0], before[name]) for name in before}
    assert moved == {"fc1": learns, "output": True}


@pytest.mark.parametrize("network", [name for name in NETWORKS if "activation" in PARAMS[name].model_fields])
def test_step_is_refused_for_training(network):
    with pytest.raises(InputError, match=r"^activation: 'step' given; it should be .* non-zero gradient"):
        with_values(PARAMS[network](), {"activation": "step"})
    with pytest.raises(InputError, match=r"^activation: 'stepp' given") as caught:
        with_values(PARAMS[network](), {"activation": "stepp"})
    assert "'step'" not in str(caught.value)  # not offered either


# Losses


def test_cross_entropy_of_the_notes():
    loss = training.loss_function(MlpParams())
    dog = np.array([[0.0, 1.0, 0.0]])
    far, near = np.array([[0.2, 0.3, 0.5]]), np.array([[0.3, 0.5, 0.2]])
    assert float(loss(dog, far)) == pytest.approx(1.204, abs=5e-4)
    assert float(loss(dog, near)) == pytest.approx(0.693, abs=5e-4)
    both = float(loss(np.r_[dog, dog], np.r_[far, near]))
    assert both == pytest.approx((-np.log(0.3) - np.log(0.5)) / 2, rel=1e-5)  # the mean over the images


def test_mean_squared_error():
    loss = training.loss_function(MlpParams(loss="mean_squared_error"))
    wanted, found = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.7, 0.3], [0.4, 0.6]])
    assert float(loss(wanted, found)) == pytest.approx((0.3**2 + 0.4**2) / 2)


# Gradient descent


@pytest.mark.parametrize(
    ("batch_size", "images", "expected"),
    [
        (1, 5000, 1),
        (32, 5000, 32),
        (1024, 5000, 1024),
        ("full", 5000, 5000),
        ("auto", 1999, 1999),
        ("auto", 2000, 64),
        ("auto", 50_000, 64),
    ],
)
def test_images_in_one_step(batch_size, images, expected):
    assert images_per_step(MlpParams(batch_size=batch_size), images) == expected


@pytest.mark.parametrize(
    ("values", "step"),
    [
        # The longest step that each takes on a slope of .3.
        ({"optimizer": "sgd", "learning_rate": 0.1}, 0.1 * 0.3),
        ({"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9}, 0.01 * 0.3 / (1 - 0.9)),
        ({"optimizer": "adam", "learning_rate": 0.03}, 0.03),
        ({"optimizer": "rmsprop", "learning_rate": 0.03}, 0.03),
    ],
)
def test_one_weight_descends_to_its_minimum(values, step):
    weight, optimizer = keras.Variable(0.0), training.optimizer(MlpParams(**values))
    optimizer.build([weight])

    @tf.function
    def descend():
        with tf.GradientTape() as tape:
            error = keras.ops.abs(weight * 0.3 - 0.8)
        optimizer.apply([tape.gradient(error, weight.value)])
        return error

    errors = [float(descend()) for _ in range(300)]
    assert errors[0] == pytest.approx(0.8)
    arrived = next(number for number, error in enumerate(errors) if error <= 0.3 * step)
    assert (np.diff(errors[: arrived + 1]) < 0).all()
    assert float(weight) == pytest.approx(0.8 / 0.3, abs=1.001 * step)


def by_formula(values, gradients):
    """Where steps along these gradients lead from 0, and each optimizer's rule written out."""
    rate, weight = values.learning_rate, np.zeros_like(gradients[0])
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for number, gradient in enumerate(gradients, start=1):
        match values.optimizer:
            case "sgd":
                first = values.momentum * first - rate * gradient
                weight = weight + (values.momentum * first - rate * gradient if values.nesterov else first)
            case "rmsprop":
                second = values.rho * second + (1 - values.rho) * gradient**2
                first = values.momentum * first + rate * gradient / np.sqrt(second + (values.epsilon or 1e-7))
                weight = weight - first
            case "adam":
                first = values.beta_1 * first + (1 - values.beta_1) * gradient
                second = values.beta_2 * second + (1 - values.beta_2) * gradient**2
                at_this_step = rate * np.sqrt(1 - values.beta_2**number) / (1 - values.beta_1**number)
                weight = weight - at_this_step * first / (np.sqrt(second) + (values.epsilon or 1e-8))
    return weight


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.8},
        {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.8, "nesterov": True},
        {"optimizer": "rmsprop", "learning_rate": 0.01},
        {"optimizer": "rmsprop", "learning_rate": 0.01, "rho": 0.7, "momentum": 0.5, "epsilon": 0.1},
        {"optimizer": "adam", "learning_rate": 0.01},
        {"optimizer": "adam", "learning_rate": 0.01, "beta_1": 0.7, "beta_2": 0.9, "epsilon": 0.1},
    ],
)
def test_update_rules(values, steps):
    values = MlpParams(**values)
    # The last gradient is so small that Adam's ε of 1e-8 shows.
    gradients = [np.array([1.0, -0.2, 1e-7]), np.array([-0.5, -0.3, 2e-7]), np.array([0.1, 0.4, -1e-7])][:steps]
    weight, optimizer = keras.Variable(np.zeros(3)), training.optimizer(values)
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient, tf.float32)], [weight])
    np.testing.assert_allclose(np.asarray(weight), by_formula(values, gradients), rtol=1e-4)


def test_adams_numbers_of_the_notes():
    adam = training.optimizer(MlpParams(optimizer="adam"))
    assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.9, 0.999, 1e-8)
    # At the first step the averages, corrected for their start at 0, are the gradient and its square: the rate is left.
    weight, gradient = keras.Variable(np.array([1.0, 1.0])), np.array([5.0, -0.2])
    adam.apply([tf.constant(gradient, tf.float32)], [weight])
    first_step = 1 - 1e-3 * gradient / (np.sqrt(gradient**2) + 1e-8)
    np.testing.assert_allclose(np.asarray(weight), first_step, rtol=1e-6)


# The network of the notes: 3 inputs, layers of 3, 4 and 1 sigmoid nodes, E = 1/N Σ(ŷ − y)²

INPUTS = (1, 3, 1)
OF_THE_NOTES = {
    "hidden_units": (3, 4),
    "activation": "sigmoid",
    "output": "sigmoid",
    "loss": "mean_squared_error",
}


def images_of_three_pixels():
    pixels = np.random.default_rng(1).integers(0, 256, (12, *INPUTS), dtype=np.uint8)
    return Split(pixels, (pixels[:, 0, 0, 0] > 127).astype(np.int64), pd.DataFrame())


def normalised(images):
    return (images.reshape(-1, 3) - 100.0) / 50


def forward(weights, x):
    """The values of all nodes: ŷ = σ(W³·σ(W²·σ(W¹·x))), with biases."""
    nodes = [x]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        nodes.append(1 / (1 + np.exp(-(nodes[-1] @ kernel + bias))))
    return nodes


def backward(weights, x, y):
    """dE/dW by the chain rule: the upstream gradient times the local one, from the last layer to the first."""
    nodes = forward(weights, x)
    upstream = 2 * (nodes[-1] - y) / len(x)
    gradients = []
    for layer in reversed(range(len(weights) // 2)):
        of_the_sum = upstream * nodes[layer + 1] * (1 - nodes[layer + 1])
        gradients[:0] = [nodes[layer].T @ of_the_sum, of_the_sum.sum(axis=0)]
        upstream = of_the_sum @ weights[2 * layer].T
    return gradients


def error(weights, data):
    return np.mean((forward(weights, normalised(data.images))[-1] - data.classes[:, None]) ** 2)


@pytest.mark.parametrize("biases", [0, 1])
def test_feed_forward_and_back_propagation(biases):
    values = MlpParams(**OF_THE_NOTES)
    model = build("mlp", INPUTS, 2, **OF_THE_NOTES)
    shapes = [weight.shape for weight in model.get_weights()]
    assert shapes == [(3, 3), (3,), (3, 4), (4,), (4, 1), (1,)]
    weights = [random(*shape, seed=7) * (len(shape) == 2 or biases) for shape in shapes]
    model.set_weights(weights)
    data = images_of_three_pixels()
    with tf.GradientTape() as tape:
        found = model(data.images)
        loss = training.loss_function(values)(np.eye(2, dtype=np.float32)[data.classes], found)
    np.testing.assert_allclose(found[:, 1:], forward(weights, normalised(data.images))[-1], rtol=1e-5)
    assert float(loss) == pytest.approx(error(weights, data), rel=1e-5)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    expected = backward(weights, normalised(data.images), data.classes[:, None])
    for of_keras, by_chain_rule in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(of_keras, by_chain_rule, rtol=1e-4, atol=1e-8)


def trained_and_before(**values):
    """That network after a training on all images at once, and its weights before."""
    values = MlpParams(**{"schedule": ScheduleParams(), **OF_THE_NOTES, **values}, batch_size="full", augment=False)
    about, data = description(INPUTS, 2), images_of_three_pixels()
    make_reproducible(3)
    before = training.build_model("mlp", values, about).get_weights()
    trained = training.train(training.TrainingJob("mlp", values, about, data, data, seed=3, augmentation=NONE))
    assert trained.best_epoch == values.epochs - 1
    return trained, before, data


@pytest.mark.slow
def test_momentum_and_schedule_in_a_training():
    schedule = ScheduleParams(kind="step", factor=0.1, every=2)
    trained, weights, data = trained_and_before(
        optimizer="sgd", learning_rate=0.5, momentum=0.8, schedule=schedule, epochs=3
    )
    velocities = [np.zeros_like(weight) for weight in weights]
    for rate in (0.5, 0.5, 0.05):
        gradients = backward(weights, normalised(data.images), data.classes[:, None])
        velocities = [0.8 * v - rate * g for v, g in zip(velocities, gradients, strict=True)]
        weights = [weight + velocity for weight, velocity in zip(weights, velocities, strict=True)]
    for found, expected in zip(trained.model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_l2_takes_its_share_of_every_kernel_but_the_last():
    rate, l2 = 0.5, 0.05
    trained, before, data = trained_and_before(optimizer="sgd", learning_rate=rate, l2=l2, epochs=1)
    gradients = backward(before, normalised(data.images), data.classes[:, None])
    penalised = [True, False, True, False, False, False]
    for found, weight, gradient, extra in zip(trained.model.get_weights(), before, gradients, penalised, strict=True):
        expected = weight - rate * (gradient + 2 * l2 * weight * extra)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    penalty = l2 * sum((weight**2).sum() for weight, extra in zip(before, penalised, strict=True) if extra)
    assert trained.history[0]["loss"] == pytest.approx(error(before, data) + penalty, rel=1e-4)
    # Validation is told neither of the penalty nor of the squared error: its loss is cross-entropy.
    answers = forward(trained.model.get_weights(), normalised(data.images))[-1][:, 0]
    entropy = -np.log(np.where(data.classes, answers, 1 - answers)).mean()
    assert trained.history[0]["val_loss"] == pytest.approx(entropy, rel=1e-4)


def test_weight_decay_takes_its_share_of_every_kernel():
    rate, decay = 0.5, 0.05
    trained, before, data = trained_and_before(optimizer="sgd", learning_rate=rate, weight_decay=decay, epochs=1)
    gradients = backward(before, normalised(data.images), data.classes[:, None])
    for found, weight, gradient in zip(trained.model.get_weights(), before, gradients, strict=True):
        expected = weight - rate * gradient - rate * decay * weight * (weight.ndim > 1)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    # It is no part of the loss, as a penalty would be.
    assert trained.history[0]["loss"] == pytest.approx(error(before, data), rel=1e-4)


@pytest.mark.slow
def test_a_gradient_is_cut_to_a_length():
    rate, longest = 0.5, 0.01
    trained, before, data = trained_and_before(optimizer="sgd", learning_rate=rate, clip_norm=longest, epochs=1)
    gradients = backward(before, normalised(data.images), data.classes[:, None])
    length = float(np.sqrt(sum((gradient**2).sum() for gradient in gradients)))
    assert length > 2 * longest
    for found, weight, gradient in zip(trained.model.get_weights(), before, gradients, strict=True):
        np.testing.assert_allclose(found - weight, -rate * gradient * longest / length, rtol=1e-3, atol=1e-7)


# The learning rate


def course(schedule, start, epochs):
    return [learning_rate(schedule, start, epoch, epochs) for epoch in range(epochs)]


def test_linear_falls_by_a_fixed_amount_every_so_many_epochs():
    schedule = ScheduleParams(kind="linear", factor=0.2, every=3)
    np.testing.assert_allclose(course(schedule, 1.0, 13), np.repeat([1.0, 0.8, 0.6, 0.4, 0.2], [3, 3, 3, 3, 1]))
    every_epoch = course(ScheduleParams(kind="linear", factor=0.5), 1.0, 6)
    np.testing.assert_allclose(np.diff(every_epoch), -0.1)


def test_a_hundredth_every_8_epochs():
    schedule = ScheduleParams(kind="step", factor=0.01, every=8)
    np.testing.assert_allclose(course(schedule, 0.1, 17), np.repeat([1e-1, 1e-3, 1e-5], [8, 8, 1]))


def test_piecewise_as_lenet5_was_trained():
    recipe = with_values(PARAMS["lenet5"](), with_recipe("lenet5", {"recipe": "book"}))
    expected = np.repeat([5e-4, 2e-4, 5e-5, 1e-5], [3, 3, 4, 10])
    np.testing.assert_allclose(course(recipe.schedule, recipe.learning_rate, recipe.epochs), expected)


def test_one_cycle_rises_then_falls():
    schedule = ScheduleParams(kind="one_cycle", warmup=0.4, factor=0.02)
    rates = [learning_rate(schedule, 0.5, time / 10, 10) for time in range(101)]
    assert (rates[0], rates[40], rates[100]) == pytest.approx((0.05, 0.5, 0.01))
    np.testing.assert_allclose(np.diff(rates[:41]), (0.5 - 0.05) / 40)
    np.testing.assert_allclose(np.diff(rates[40:]), (0.01 - 0.5) / 60)


def plateau(losses, **values):
    """The rates that begin at 1."""
    listening, rates = Plateau(ScheduleParams(kind="plateau", **values)), [1.0]
    for loss in losses:
        rates.append(listening.next(rates[-1], loss))
    return rates


def test_plateau_goes_down_without_improvement():
    rates = plateau([5, 4, 4, 4.5, 4, 4.1, 3, 3.5, 3.5, 3.5], factor=0.1, patience=3)
    # After 4, 4.5, 4 for the first time; after 3, an improvement, and 3.5 three times for the second.
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01])


def test_plateau_goes_up_while_it_improves():
    rates = plateau([9, 8, 7, 6, 6, 5, 4], factor=0.5, patience=2, growth=1.5)
    np.testing.assert_allclose(rates, [1, 1, 1.5, 1.5, 1.5**2, 1.5**2, 1.5**2, 1.5**3])
    assert plateau([9, 8, 7, 6, 5], patience=2) == [1.0] * 6  # growth has to be asked for


def rates_of_a_training(data, schedule):
    values = MlpParams(
        hidden_units=(4,), epochs=4, batch_size=8, optimizer="sgd", learning_rate=1e-3, schedule=schedule
    )
    history = fit("mlp", values, data).history
    return [epoch["learning_rate"] for epoch in history], [epoch["val_loss"] for epoch in history]


@pytest.mark.slow
def test_the_rate_of_plateau_is_told():
    images = split(32)
    # What is learnt is wrong for these, so that the first epoch alone is an improvement.
    wrong = replace(images, classes=1 - images.classes)
    schedule = ScheduleParams(kind="plateau", factor=0.25, patience=1, growth=2.0)
    rates, losses = rates_of_a_training((images, wrong), schedule)
    assert (np.diff(losses) > 0).all()
    np.testing.assert_allclose(rates, np.array([1, 2, 0.5, 0.125]) * 1e-3, rtol=1e-6)


@pytest.mark.slow
def test_the_rate_of_one_cycle_is_told():
    images = split(32)  # 4 steps of 8 images
    rates, _ = rates_of_a_training((images, images), ScheduleParams(kind="one_cycle", warmup=0.5, factor=0.1))
    # Of each epoch's last step, at 3, 7, 11 and 15 of 16.
    expected = [1 - 0.9 * abs(step - 8) / 8 for step in (3, 7, 11, 15)]
    np.testing.assert_allclose(rates, np.array(expected) * 1e-3, rtol=1e-6)


def test_early_stopping_of_the_notes():
    stopping = MlpParams().early_stopping
    assert (stopping.monitor, stopping.min_delta, stopping.patience) == ("val_loss", 0, 20)


@pytest.mark.slow
def test_early_stopping_can_watch_the_accuracy():
    # All are right while the loss still falls.
    stopping = EarlyStoppingParams(monitor="val_accuracy", patience=3)
    values = MlpParams(hidden_units=(16,), epochs=50, batch_size=16, learning_rate=3e-3, early_stopping=stopping)
    images = split(32)
    trained = fit("mlp", values, (images, images))
    losses, accuracies = ([epoch[name] for epoch in trained.history] for name in ("val_loss", "val_accuracy"))
    assert trained.best_epoch == int(np.argmax(accuracies)) < int(np.argmin(losses))
    assert len(trained.history) == trained.best_epoch + 4


# Augmentation


def test_rotation_keeps_to_its_angle():
    images = np.zeros((60, 101, 101, 1), dtype=np.uint8)
    images[:, 48:53, 20:81] = 255  # a bar across
    angles = []
    for rotated in Augmenter(AugmentationParams(rotation=15))(images, 0)[..., 0]:
        rows, columns = np.nonzero(rotated > 127)
        angles.append(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0])))
    assert -15.5 < min(angles) < -10
    assert 10 < max(angles) < 15.5


def test_scaling_keeps_to_its_share():
    images = np.zeros((60, 100, 100, 1), dtype=np.uint8)
    images[:, 30:70, 30:70] = 255
    scaled = Augmenter(AugmentationParams(scale=0.2))(images, 0)[..., 0] > 127
    for sides in (scaled.any(axis=1).sum(axis=1), scaled.any(axis=2).sum(axis=1)):
        assert 31 <= sides.min() <= 34
        assert 46 <= sides.max() <= 49


def test_vertical_flips_mirror():
    images = split(40).images
    flipped = Augmenter(AugmentationParams(vertical_flip=True))(images, 0)
    mirrored = [np.array_equal(a, b[::-1]) for a, b in zip(flipped, images, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(flipped, images, strict=True)]
    assert all(a or b for a, b in zip(mirrored, same, strict=True))
    assert 5 < sum(mirrored) < 35


def test_training_images_alone_are_varied():
    images = split(16)
    # So slow that the weights stay what they are.
    values = MlpParams(hidden_units=(4,), epochs=1, batch_size="full", optimizer="sgd", learning_rate=1e-12)
    augmentation = AugmentationParams(rotation=90, shift=0.3)
    trained = fit("mlp", values, (images, images), augmentation=augmentation)
    varied, targets = TrainingBatches(images, 2, 16, seed=0, augment=Augmenter(augmentation)).draw(0, 0)

    def loss(pixels, classes):
        return -np.log(np.asarray(trained.model(pixels))[np.arange(16), classes]).mean()

    assert trained.best["val_loss"] == pytest.approx(loss(images.images, images.classes), rel=1e-5)
    assert trained.best["loss"] == pytest.approx(loss(varied, targets.argmax(axis=1)), rel=1e-5)
    assert trained.best["loss"] != pytest.approx(trained.best["val_loss"], rel=1e-3)


# Batch norm


def normalise(values, gamma, beta):
    """Zero-centre, normalise, scale and shift."""
    return (values - values.mean(axis=0)) / np.sqrt(values.var(axis=0) + 1e-3) * gamma + beta


def hidden_with_batch_norm(order):
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.hidden(inputs, 4, layers.Style("tanh", order), "fc1"), name="hidden")
    kernel, bias, gamma, beta = random(5, 4), random(4, seed=1), random(4, seed=2), random(4, seed=3)
    model.get_layer("fc1").set_weights([kernel, bias])
    model.get_layer("fc1_bn").set_weights([gamma, beta, np.zeros(4), np.ones(4)])
    return model, lambda x: x @ kernel + bias, gamma, beta


@pytest.mark.parametrize("order", ["before", "after"])
def test_batch_norm_by_the_formula(order):
    model, weighted_sum, gamma, beta = hidden_with_batch_norm(order)
    x = 3 * random(16, 5) + 1
    if order == "before":
        normalises = weighted_sum(x)
        expected = np.tanh(normalise(normalises, gamma, beta))
    else:
        normalises = np.tanh(weighted_sum(x))
        expected = normalise(normalises, gamma, beta)
    np.testing.assert_allclose(model(x, training=True), expected, rtol=1e-3, atol=1e-5)
    # Outside of training, moving averages take the place of the batch's own mean and variance.
    _, _, mean, variance = model.get_layer("fc1_bn").get_weights()
    np.testing.assert_allclose(mean, 0.01 * normalises.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(variance, 0.99 + 0.01 * normalises.var(axis=0), rtol=1e-4)
    one = x[:1]
    if order == "after":
        moving = (np.tanh(weighted_sum(one)) - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        np.testing.assert_allclose(model(one, training=False), moving, rtol=1e-4, atol=1e-6)


def test_gamma_and_beta_are_updated_like_weights():
    values = MlpParams(optimizer="sgd", learning_rate=0.5, loss="mean_squared_error")
    model, weighted_sum, gamma, beta = hidden_with_batch_norm("after")
    x, wanted = random(16, 5), random(16, 4)
    model.compile(training.optimizer(values), training.loss_function(values))
    model.train_on_batch(x, wanted)
    centred = normalise(np.tanh(weighted_sum(x)), 1, 0)
    upstream = 2 * (centred * gamma + beta - wanted) / wanted.size
    after = model.get_layer("fc1_bn").get_weights()
    np.testing.assert_allclose(after[0], gamma - 0.5 * (upstream * centred).sum(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after[1], beta - 0.5 * upstream.sum(axis=0), rtol=1e-4, atol=1e-6)


# Pools and convolutions


def test_pools_of_the_networks():
    maps = random(1, 4, 4, 1)
    quarters = maps[0, ..., 0].reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(2, 2, 4)
    largest = build("mnist_cnn").get_layer("pool1")
    np.testing.assert_array_equal(np.asarray(largest(maps))[0, ..., 0], quarters.max(axis=2))
    mean = build("lenet5").get_layer("S2")
    np.testing.assert_allclose(np.asarray(mean(maps))[0, ..., 0], quarters.mean(axis=2), rtol=1e-5)
    for pool in (largest, mean):
        assert pool(np.zeros((1, 28, 28, 6), np.float32)).shape == (1, 14, 14, 6)
        assert pool(np.zeros((1, 14, 14, 6), np.float32)).shape == (1, 7, 7, 6)  # the notes have 10×10
    everywhere = build("resnet20", (32, 32, 3), blocks=1).get_layer("average")
    maps = random(2, 5, 7, 3)
    np.testing.assert_allclose(everywhere(maps), maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("filters", "kernel", "depth", "expected"),
    [
        (32, 3, 1, 320),  # grey
        (32, 3, 3, 896),  # colour
        (64, 3, 32, 18_496),  # a second layer on the first's 32 maps
        (16, 2, 3, 208),
    ],
)
def test_parameters_of_a_convolution(filters, kernel, depth, expected):
    inputs = keras.Input((8, 8, depth))
    model = keras.Model(inputs, layers.convolution(inputs, filters, kernel, layers.Style("relu"), "conv1"))
    assert model.count_params() == filters * kernel**2 * depth + filters == expected


@pytest.mark.parametrize(
    ("strides", "padding", "size"), [(1, "same", (22, 32)), (2, "same", (11, 16)), (1, "valid", (21, 31))]
)
def test_a_convolution_of_16_filters_and_kernel_2(strides, padding, size):
    inputs = keras.Input((22, 32, 3))
    added = layers.bare_convolution(inputs, 16, 2, 0.0, "conv1", strides=strides, padding=padding)
    model = keras.Model(inputs, added)
    assert model.output_shape == (None, *size, 16)
    assert model.count_params() == 16 * 2 * 2 * 3 + 16 == 208


def test_zero_padding():
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, layers.bare_convolution(inputs, 1, 3, 0.0, "conv1"))
    model.get_layer("conv1").set_weights([np.ones((3, 3, 1, 1)), np.zeros(1)])
    # Each pixel counts its neighbours; what lies outside counts 0.
    expected = [[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]]
    np.testing.assert_array_equal(np.asarray(model(np.ones((1, 4, 4, 1))))[0, ..., 0], expected)


# Why not an MLP

SIDE, SQUARE = 12, 3


def squares(corners):
    """A white square on black for each upper left corner."""
    images = np.zeros((len(corners), SIDE, SIDE, 1), dtype=np.uint8)
    for image, (row, column) in zip(images, corners, strict=True):
        image[row : row + SQUARE, column : column + SQUARE] = 255
    return images


def scattered(count, seed):
    """As many white pixels, anywhere."""
    order = np.random.default_rng(seed).random((count, SIDE * SIDE)).argsort(axis=1)
    return (255 * (order < SQUARE**2)).astype(np.uint8).reshape(count, SIDE, SIDE, 1)


@pytest.mark.slow
def test_weights_that_are_shared_know_the_square_elsewhere():
    """Trained on a square in one corner: an MLP has learnt which pixels were white there, a convolution the shape."""
    values = MlpParams(learning_rate=0.03)
    in_the_corner = [(row, column) for row in range(2) for column in range(2)]
    elsewhere = [(row, column) for row in range(10) for column in range(10) if max(row, column) >= 4]
    images = np.concatenate([scattered(96, 0), squares(in_the_corner * 24)])
    targets = np.eye(2)[np.repeat([0, 1], 96)]
    inputs = keras.Input((SIDE, SIDE, 1))

    def mlp(x):
        return layers.hidden(keras.layers.Flatten()(x), 16, layers.Style("relu"), "fc1")

    def shared(x):
        return keras.layers.GlobalMaxPooling2D()(layers.convolution(x, 8, 3, layers.Style("relu"), "conv1"))

    for hidden, recall in ((mlp, 0.0), (shared, 1.0)):
        make_reproducible(0)
        scaled = keras.layers.Rescaling(1 / 255)(inputs)
        model = keras.Model(inputs, layers.probabilities(hidden(scaled), 2, values))
        model.compile(training.optimizer(values), training.loss_function(values))
        for _ in range(100):
            model.train_on_batch(images, targets)

        def called_square(images, model=model):
            return float((np.asarray(model(images))[:, 1] > 0.5).mean())

        assert called_square(squares(in_the_corner)) == 1
        assert called_square(scattered(100, 1)) < 0.05
        assert called_square(squares(elsewhere)) == pytest.approx(recall, abs=0.1)
