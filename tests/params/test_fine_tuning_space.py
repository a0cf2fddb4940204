"""Search spaces over the parts of ``fine_tuning``."""

import pytest

from darkroom.base.errors import InputError
from darkroom.params import read_params, with_values

TUNED = {"initial_weights": "imagenet", "trainable": "head", "fine_tuning": {"epochs": 4, "layers": "last 9"}}


def searched(project, group):
    project.params(
        models=["efficientnet_lite0"],
        preprocess__size=[32, 32, 3],
        train__efficientnet_lite0=TUNED,
        search__efficientnet_lite0=group,
        search__budget={"epochs": 5},
        search__epochs=2,
    )
    return read_params()


def test_parts_of_fine_tuning_are_searched(project):
    rate = {"fine_tuning.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}
    layers = {"fine_tuning.layers": {"choices": ["all", "last 33"]}}
    params = searched(project, {"learning": rate, "architecture": layers})
    assert set(params.space("efficientnet_lite0").ranges()) == {"fine_tuning.learning_rate", "fine_tuning.layers"}
    tried = {"fine_tuning.learning_rate": 2e-4, "fine_tuning.layers": "last 33"}
    values = with_values(params.network("efficientnet_lite0"), tried)
    assert (values.fine_tuning.learning_rate, values.fine_tuning.layers, values.fine_tuning.epochs) == (
        *(2e-4, "last 33", 4),
    )


@pytest.mark.parametrize(
    ("name", "choices", "words"),
    [
        ("fine_tuning.epochs", [0, 4], "fine_tuning.epochs cannot be searched; remove it and set search.epochs"),
        ("fine_tuning", [{"epochs": 1}], "fine_tuning cannot be searched as a whole; search its parts"),
        ("fine_tuning.layers", ["head"], "'head' given"),
        ("fine_tuning.rate", [0.1], "efficientnet_lite0 has no such parameter"),
    ],
)
def test_what_cannot_be_searched(project, name, choices, words):
    with pytest.raises(InputError, match=words):
        searched(project, {"learning": {name: {"choices": choices}}})


def test_a_trial_takes_the_epochs_of_both_phases(project):
    rate = {"fine_tuning.learning_rate": {"low": 1e-5, "high": 1e-3}}
    assert searched(project, {"learning": rate}).network("efficientnet_lite0").shortened(2).all_epochs == 4
    project.params(search__budget={"epochs": 3})
    with pytest.raises(InputError, match=r"search\.budget\.epochs is 3, but one trial .* may take 4"):
        read_params()
