"""The named recipes: what is in force when one of them is chosen."""

import json

import pytest

from darkroom.networks import PARAMS, with_recipe
from darkroom.params.recipes import recipes
from darkroom.training.schedules import learning_rate
from support.networks import NETWORKS


def in_force(network, **section):
    return PARAMS[network].model_validate_json(json.dumps(with_recipe(network, section)))


NOTHING_ELSE = {
    "momentum": 0.0,
    "nesterov": False,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "class_weights": "none",
}
BOOK = {
    "mnist_cnn": {"optimizer": "rmsprop", "learning_rate": 1e-3, "batch_size": 32, "epochs": 12, "l2": 0.0},
    "cifar_cnn": {"optimizer": "rmsprop", "learning_rate": 1e-3, "batch_size": 32, "epochs": 100, "l2": 0.0},
    "cifar_bn_cnn": {"optimizer": "rmsprop", "learning_rate": 3e-4, "batch_size": 64, "epochs": 125, "l2": 1e-4},
    "lenet5": {"optimizer": "adam", "learning_rate": 5e-4, "batch_size": 32, "epochs": 20, "l2": 0.0},
    "resnet20": {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 32, "epochs": 200, "l2": 1e-4},
}
DROPOUT = {
    "mnist_cnn": {"dropout": 0.0},
    "cifar_cnn": {"dropout_convolutions": 0.3, "dropout_hidden": 0.4},
    "cifar_bn_cnn": {"dropout": (0.2, 0.3, 0.4)},
    "lenet5": {},
    "resnet20": {},
}


@pytest.mark.parametrize("network", BOOK)
def test_the_books_recipe_is_the_books_and_nothing_of_our_own_comes_with_it(network):
    values = in_force(network, recipe="book")
    expected = {**NOTHING_ELSE, **BOOK[network], **DROPOUT[network]}
    assert {name: getattr(values, name) for name in expected} == expected


def test_the_book_varies_the_images_of_two_networks():
    varied = {network: in_force(network, recipe="book").augmentation for network in BOOK}
    assert {network for network, of in varied.items() if of} == {"cifar_bn_cnn", "resnet20"}
    assert (varied["cifar_bn_cnn"].rotation, varied["cifar_bn_cnn"].shift) == (15, 0.1)
    assert all(of.shift == 0.1 and of.horizontal_flip and not of.crop for of in varied.values() if of)
    assert not any(in_force(network, recipe="book").augment for network in ("mnist_cnn", "cifar_cnn", "lenet5"))


def test_the_residual_networks_steps_are_the_books():
    values = in_force("resnet20", recipe="book")
    rates = [learning_rate(values.schedule, values.learning_rate, epoch, values.epochs) for epoch in range(200)]
    for first, last, rate in [(0, 80, 1e-3), (81, 120, 1e-4), (121, 160, 1e-5), (161, 180, 1e-6), (181, 199, 5e-7)]:
        assert rates[first : last + 1] == pytest.approx([rate] * (last + 1 - first))


@pytest.mark.parametrize("network", [name for name in NETWORKS if recipes(name)])
def test_the_book_trains_for_all_of_its_epochs(network):
    values = in_force(network, recipe="book")
    assert values.early_stopping.patience >= values.epochs


@pytest.mark.parametrize("network", NETWORKS)
def test_a_networks_defaults_stay_with_its_own_optimizer(network):
    values = in_force(network, optimizer="rmsprop")
    assert (values.momentum, values.rho, values.epsilon, values.weight_decay) == (0.0, 0.9, None, 0.0)
    assert in_force(network, optimizer="rmsprop", momentum=0.5).momentum == 0.5
    assert in_force(network, optimizer="adam").beta_1 == 0.9
