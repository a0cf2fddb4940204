"""Transforms of albumentations by name: which are accepted, what is refused and with which words."""

import inspect
import json
import math
import subprocess
import sys

import albumentations
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from darkroom.augmentation.augmenter import Augmenter
from darkroom.base.errors import InputError
from darkroom.params import AugmentationParams, bounded, read_params, transforms, with_values
from darkroom.params.augmentation_checks import check_augmentation
from support.networks import PARAMS
from support.projects import ROOT, edit_params, environment

SIDE = 32
SQUARE = {"height": SIDE, "width": SIDE}
NEEDED = {
    "AtLeastOneBBoxRandomCrop": SQUARE,
    "CenterCrop": SQUARE,
    "Crop": {"x_max": SIDE, "y_max": SIDE},
    "CropAndPad": {"px": 3},
    "CropNonEmptyMaskIfExists": SQUARE,
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 5},
    "LongestMaxSize": {"max_size": SIDE},
    "PadIfNeeded": {"min_height": 8, "min_width": 8},
    "RandomCrop": SQUARE,
    "RandomResizedCrop": {"size": [SIDE, SIDE]},
    "RandomSizedBBoxSafeCrop": SQUARE,
    "RandomSizedCrop": {"min_max_height": [9, 30], "size": [SIDE, SIDE]},
    "Resize": SQUARE,
    "SmallestMaxSize": {"max_size": SIDE},
    "TextImage": {"font_path": "font.ttf"},
    "TimeMasking": {"time_mask_param": 8},
    "XYMasking": {"num_masks_x": 1, "num_masks_y": 1, "mask_x_length": 3, "mask_y_length": 3},
}
"""Parameters without which a transform does not exist, changes the size or does nothing."""
NOT_FOR_TRAINING = {
    "change the size": {"RandomCropFromBorders", "RandomScale"},
    "change the type": {"FromFloat", "Normalize", "ToFloat"},
    "want grey images": {"ToRGB"},
    "need masks or boxes": {
        *("BBoxSafeRandomCrop", "ConstrainedCoarseDropout", "CropNonEmptyMaskIfExists", "MaskDropout"),
        *("RandomCropNearBBox", "RandomSizedBBoxSafeCrop"),
    },
    "need other images or texts": {
        *("FDA", "HistogramMatching", "Mosaic", "OverlayElements", "PixelDistributionAdaptation", "TextImage"),
    },
}


def augmentation(*named):
    """As it comes from params.yaml, through JSON."""
    return AugmentationParams.model_validate_json(json.dumps({"transforms": named}))


def refusal_of(name, size=(SIDE, SIDE, 3)):
    """Why a transform with its default parameters is refused, or None."""
    try:
        transforms.check_on(name, NEEDED.get(name, {}), size)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.slow
def test_every_transform_works_or_is_refused():
    """And those that work are seeded, and leave the images that they are given as they are."""
    refusals = {name: refusal for name in transforms.names() if (refusal := refusal_of(name))}
    assert set(refusals) == set().union(*NOT_FOR_TRAINING.values())
    assert [text for text in refusals.values() if "\n" in text or len(text) > 400] == []
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    before = images.copy()
    for name in set(transforms.names()) - set(refusals):
        augmenter = Augmenter(augmentation({"name": name, "p": 1.0, **NEEDED.get(name, {})}))
        one, other, again = augmenter(images, 5), augmenter(images, 6), augmenter(images, 5)
        assert one.shape == other.shape == images.shape, name
        assert one.dtype == np.uint8, name
        assert np.array_equal(one, again), name
        assert np.array_equal(images, before), name


def test_parameters_reach_the_library():
    images = np.full((400, 8, 8, 3), 100, dtype=np.uint8)
    noisy = Augmenter(augmentation({"name": "GaussNoise", "std_range": [0.1, 0.1], "p": 0.25}))(images, 1).astype(int)
    changed = (noisy != 100).any(axis=(1, 2, 3))
    assert changed.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 400))
    assert noisy[changed].std() == pytest.approx(25.5, rel=0.05)


@given(st.integers(0, 2**32 - 1))
def test_transforms_of_one_name_draw_on_their_own(seed):
    images = np.full((1, 16, 16, 3), 100, dtype=np.uint8)
    noise = {"name": "GaussNoise", "std_range": [0.1, 0.1], "p": 1.0}
    once, twice = (Augmenter(augmentation(*[noise] * count))(images, seed).astype(int) - 100 for count in (1, 2))
    # The second is not the first again, and does not depend on what lies between.
    assert abs(np.corrcoef(once.ravel(), (twice - once).ravel())[0, 1]) < 0.2
    between = Augmenter(augmentation(noise, {"name": "InvertImg", "p": 0.0}, noise))(images, seed)
    assert np.array_equal(between.astype(int) - 100, twice)


REFUSED = {
    "no such transform": ({"name": "GausNoise"}, ["no transform 'GausNoise'", "did you mean GaussNoise?"]),
    "other case": ({"name": "gaussnoise"}, ["did you mean GaussNoise?"]),
    "a base class": ({"name": "ImageOnlyTransform"}, ["no transform 'ImageOnlyTransform'"]),
    "a composition": ({"name": "OneOf"}, ["no transform 'OneOf'"]),
    "no name": ({"p": 0.5}, ["name", "Field required"]),
    "unknown parameter": (
        {"name": "GaussNoise", "var_limit": [10, 50]},
        ["GaussNoise has no parameter 'var_limit'", "known here: ", "std_range"],
    ),
    "misspelt parameter": ({"name": "GaussNoise", "std_rang": [0, 1]}, ["did you mean std_range?"]),
    "value out of range": (
        {"name": "GaussNoise", "std_range": [0.1, 1.5]},
        ["GaussNoise: std_range: [0.1, 1.5] given;"],
    ),
    "value of another type": ({"name": "GaussNoise", "std_range": "much"}, ["GaussNoise: std_range: 'much' given;"]),
    "decreasing range": ({"name": "GaussNoise", "std_range": [0.5, 0.1]}, ["GaussNoise: std_range"]),
    "probability above 1": ({"name": "HorizontalFlip", "p": 1.5}, ["less than or equal to 1"]),
    "a missing parameter": ({"name": "RandomCrop"}, ["RandomCrop: height: missing; add it"]),
    "needs a mask": ({"name": "MaskDropout"}, ["MaskDropout needs mask beside the image"]),
    "needs other images": ({"name": "Mosaic"}, ["Mosaic needs mosaic_metadata beside the image"]),
    "a function": ({"name": "Lambda"}, ["no transform 'Lambda'"]),
    "for volumes": ({"name": "CoarseDropout3D"}, ["no transform 'CoarseDropout3D'"]),
}


@pytest.mark.parametrize(("named", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(named, words):
    with pytest.raises(ValidationError) as caught:
        augmentation(named)
    (finding,) = caught.value.errors()
    assert "\n" not in finding["msg"]
    assert all(word in f"{finding['loc']} {finding['msg']}" for word in words), finding["msg"]


ON_IMAGES = {
    "another size": ({"name": "Resize", "height": 16, "width": 16}, (28, 28, 3), "from 28×28×3 to 16×16×3"),
    "a random size": ({"name": "RandomScale", "p": 0.1}, (28, 28, 3), "changes the size"),
    "a crop larger than the image": ({"name": "RandomCrop", "height": 64, "width": 64}, (28, 28, 3), "fails on images"),
    "a quarter turn of an oblong": (
        {"name": "RandomRotate90"},
        (28, 20, 3),
        "changes the size from 28×20×3 to 20×28×3",
    ),
    "needs boxes": ({"name": "BBoxSafeRandomCrop"}, (28, 28, 3), "BBoxSafeRandomCrop needs bboxes beside the image"),
    "another type": ({"name": "ToFloat"}, (28, 28, 3), "of float32"),
    "colour for grey images": ({"name": "RandomFog"}, (28, 28, 1), "RandomFog fails on images of 28×28×1"),
    "another number of channels": ({"name": "ToRGB"}, (28, 28, 1), "ToRGB turns 28×28×1 values of uint8 into 28×28×3"),
}


@pytest.mark.parametrize(("named", "size", "words"), ON_IMAGES.values(), ids=ON_IMAGES)
def test_what_is_refused_on_images(named, size, words):
    params = augmentation({"name": "InvertImg"}, named)
    with pytest.raises(InputError, match=r"^train\.mlp\.augmentation\.transforms\[1\]: ") as caught:
        check_augmentation(params, size, "train.mlp.augmentation")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


ENDLESS = {
    "a kernel of a million pixels": {"name": "GaussianBlur", "blur_limit": [1000001, 1000001]},
    "a million fields": {"name": "RandomGridShuffle", "grid": [1000, 1000]},
    "many holes": {"name": "CoarseDropout", "num_holes_range": [10**8, 10**8]},
}


@pytest.mark.slow
@pytest.mark.parametrize("named", ENDLESS.values(), ids=ENDLESS)
def test_small_input_that_is_endless_work_is_refused(monkeypatch, named):
    assert bounded.SECONDS == 10
    # Most of it are imports, which end sooner here.
    monkeypatch.setattr(bounded, "SECONDS", 5)
    with pytest.raises(InputError, match=f"{named['name']} needs more than 5 s or 4 GB for 8 images of 28×28×3"):
        check_augmentation(augmentation(named), (28, 28, 3), "train.mlp.augmentation")


@pytest.mark.slow
def test_large_numbers_that_are_usual_or_harmless_are_accepted():
    check_augmentation(augmentation({"name": "PlanckianJitter", "temperature_limit": [3000, 15000]}), (28, 28, 3), "")
    check_augmentation(augmentation({"name": "Rotate", "limit": [-720, 720]}), (28, 28, 3), "")
    size = {"name": "RandomCrop", "height": 300, "width": 300}
    check_augmentation(augmentation(size), (300, 300, 3), "")


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["GaussNoise", "Affine", "CoarseDropout", "ElasticTransform", "ColorJitter"]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.sampled_from([lambda bad: bad, lambda bad: [bad, 1.0], lambda bad: {"x": [0.5, bad]}]),
    st.data(),
)
def test_numbers_that_are_none_are_refused_wherever_they_stand(name, bad, place, data):
    parameters = sorted(inspect.signature(getattr(albumentations, name)).parameters.keys() - {"strict", "p"})
    key = data.draw(st.sampled_from(parameters))
    with pytest.raises(ValidationError, match="numbers must be finite"):
        augmentation({"name": name, key: place(bad)})


def test_sizes_that_stay_are_accepted():
    crop = {"name": "RandomResizedCrop", "size": [28, 20]}
    check_augmentation(augmentation(crop, {"name": "HorizontalFlip"}), (28, 20, 1), "")
    check_augmentation(augmentation({"name": "RandomRotate90"}), (28, 28, 1), "")


def test_params_yaml_names_the_place(tmp_path):
    path = tmp_path / "params.yaml"

    def refusal(changes):
        path.write_text((ROOT / "params.yaml").read_text())
        edit_params(path, changes)
        with pytest.raises(InputError) as caught:
            read_params(path)
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{path}: ")

    key = "preprocess.augmentation.transforms"
    noise = {"name": "GaussNoise", "std_range": [0.1, 0.2]}
    assert refusal({key: [noise, {"name": "Blurr"}]}).startswith(f"{key}[1]: albumentations has no transform 'Blurr'")
    assert refusal({key: [noise | {"std_range": [0.1, 3]}]}).startswith(f"{key}[0]: GaussNoise: std_range: [0.1, 3]")
    assert refusal({key: [{"name": "Resize", "height": 9, "width": 9}]}).startswith(
        f"{key}[0]: Resize changes the size"
    )
    assert refusal({"train.lenet5.augmentation": {"transforms": [{"name": "MaskDropout"}]}}).startswith(
        "train.lenet5.augmentation.transforms[0]: MaskDropout needs mask"
    )
    choices = {"augmentation": {"choices": [None, {"transforms": [{"name": "Transpose"}, {"name": "Nois"}]}]}}
    assert "search.lenet5.regularisation.augmentation.transforms[1]: albumentations has" in refusal(
        {"search.lenet5": {"regularisation": choices}}
    )
    path.write_text((ROOT / "params.yaml").read_text())
    edit_params(path, {key: [noise]})
    (read,) = read_params(path).preprocess.augmentation.transforms
    assert (read.name, read.parameters) == ("GaussNoise", {"std_range": [0.1, 0.2]})


def test_named_transforms_travel_through_json_and_searches():
    values = PARAMS["mlp"]()
    chosen = {"transforms": [{"name": "GaussNoise", "std_range": [0.1, 0.2], "p": 0.3}]}
    changed = with_values(values, {"augmentation": chosen})
    again = type(changed).model_validate_json(changed.model_dump_json(exclude_unset=True))
    assert again == changed
    assert again.augmentation.transforms[0].parameters == {"std_range": [0.1, 0.2], "p": 0.3}
    with pytest.raises(InputError, match="no transform 'None'"):
        with_values(values, {"augmentation": {"transforms": [{"name": "None"}]}})


ALONE = """
import socket, sys
from darkroom.base import environment
environment.prepare()
def refuse(*_, **__): raise SystemExit("network")
socket.socket.connect = socket.getaddrinfo = refuse
from darkroom.params import read_params
for path in sys.argv[1:]:
    read_params(path)
    print(*sorted({"albumentations", "cv2", "tensorflow", "mlflow"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_the_library_is_imported_only_if_it_is_named_and_asks_nobody(tmp_path):
    named = tmp_path / "params.yaml"
    named.write_text((ROOT / "params.yaml").read_text())
    edit_params(named, {"preprocess.augmentation.transforms": [{"name": "GaussNoise"}]})
    command = [sys.executable, "-c", ALONE, str(ROOT / "params.yaml"), str(named)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("\nalbumentations cv2\n", "")
