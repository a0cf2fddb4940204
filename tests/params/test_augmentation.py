"""preprocess.augmentation: what is refused, and with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base.errors import InputError
from darkroom.params import AugmentationParams, read_params
from darkroom.params.augmentation_checks import check_of_network
from darkroom.params.preprocess import PreprocessParams
from darkroom.params.spelling import did_you_mean, suggestion
from support.networks import PARAMS
from support.projects import ROOT, edit_params

KEY = "preprocess.augmentation"


def refusal(path, changes):
    path.write_text((ROOT / "params.yaml").read_text())
    edit_params(path, changes)
    with pytest.raises(InputError) as caught:
        read_params(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("brightnes", 0.2, ["brightnes: unknown key", "did you mean brightness"]),
        ("brightness", 1.5, ["brightness: 1.5 given", "less than or equal to 1"]),
        ("contrast", -0.1, ["contrast: -0.1 given", "greater than or equal to 0"]),
        ("hue", 0.6, ["hue: 0.6 given", "less than or equal to 0.5"]),
        ("grey", 2, ["grey: 2 given"]),
        ("blur", "strong", ["blur: 'strong' given", "number"]),
        ("jpeg", 0, ["jpeg: 0 given", "greater than or equal to 1"]),
        ("jpeg", 50.5, ["jpeg: 50.5 given", "integer"]),
        ("mixup", -1, ["mixup: -1 given"]),
        ("cutmix", True, ["cutmix: True given", "number"]),
        ("resized_crop", {"area": [0.5, 0.2]}, ["resized_crop: area: 0.5 is above 0.2"]),
        ("resized_crop", {"area": [0, 1]}, ["resized_crop.area[0]: 0 given", "greater than 0"]),
        ("resized_crop", {"aspect": [0.75]}, ["resized_crop.aspect[1]: missing"]),
        ("resized_crop", {"share": 0.5}, ["resized_crop.share: unknown key", "area"]),
        ("resized_crop", 0.5, ["resized_crop: 0.5 given"]),
        ("policy", "trivial_augment", ["policy: 'trivial_augment' given"]),
        ("policy", {"name": "auto_augment"}, ["policy.name: 'auto_augment' given", "'rand_augment'"]),
        ("policy", {"name": "trivial_augment", "magnitude": 5}, ["magnitude applies to rand_augment"]),
        ("policy", {"name": "rand_augment", "magnitude": 31}, ["policy.magnitude: 31 given"]),
        ("policy", {"name": "rand_augment", "operations": 0}, ["policy.operations: 0 given"]),
        ("transforms", "GaussNoise", ["transforms: 'GaussNoise' given"]),
        ("transforms", ["GaussNoise"], ["transforms[0]: 'GaussNoise' given"]),
        ("transforms", [{"p": 1.0}], ["transforms[0].name: missing"]),
        ("transforms", [{"name": "InvertImg", "p": "often"}], ["transforms[0].p: 'often' given"]),
        # The shipped images are grey.
        ("saturation", 0.2, [f"{KEY}: saturation needs colour images", "preprocess.size[2] is 1"]),
        ("hue", 0.1, [f"{KEY}: hue needs colour images"]),
        ("grey", 0.5, [f"{KEY}: grey needs colour images"]),
    ],
)
def test_what_is_refused(tmp_path, name, value, words):
    message = refusal(tmp_path / "params.yaml", {f"{KEY}.{name}": value})
    assert all(word in message for word in words), message


def test_the_place_of_a_networks_own_augmentation(tmp_path):
    path = tmp_path / "params.yaml"
    message = refusal(path, {"train.lenet5.augmentation": {"hue": 0.1}})
    assert message.startswith("train.lenet5.augmentation: hue needs colour images")
    choices = {"augmentation": {"choices": [None, {"grey": 0.5}]}}
    message = refusal(path, {"search.lenet5": {"regularisation": choices}})
    assert "tries augmentation" in message
    assert "train.lenet5.augmentation: grey needs colour images" in message


def test_mixing_needs_batches_of_two(tmp_path):
    path = tmp_path / "params.yaml"
    one = {f"{KEY}.mixup": 0.2, "train.lenet5.batch_size": 1}
    assert refusal(path, one).startswith("train.lenet5.batch_size: 1 given, but mixup and cutmix mix")
    mixed = PreprocessParams(augmentation=AugmentationParams(cutmix=1.0))
    values = PARAMS["mlp"]
    check_of_network(values(batch_size=2), mixed, "mlp")
    check_of_network(values(batch_size=1, augment=False), mixed, "mlp")
    check_of_network(values(batch_size=1, augmentation=AugmentationParams()), mixed, "mlp")
    check_of_network(values(batch_size="full"), mixed, "mlp")


def test_everything_is_off_by_default():
    assert not any(AugmentationParams().model_dump().values())
    assert not AugmentationParams().mixes


@given(st.text(max_size=20), st.lists(st.text(max_size=10), min_size=1, max_size=5))
def test_suggestions_are_words_that_are_known(word, known):
    for text in (did_you_mean(word, known), suggestion(word, known).partition("; known here: ")[0]):
        assert text == "" or any(text == f"; did you mean {each}?" for each in known)
    assert did_you_mean(known[0], known).startswith("; did you mean ") or not known[0]
