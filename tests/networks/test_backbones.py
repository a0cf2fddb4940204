"""Networks of ``keras.applications``: their sizes, and their published weights from Keras's cache.

The weights cannot be downloaded in tests. Files of the same form, with random weights, stand in their place; each has
its own digest.
"""

import dataclasses
import hashlib
import inspect
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.evaluation import grad_cam
from darkroom.experiments import anatomy
from darkroom.networks import PARAMS, inference, load
from darkroom.networks.published_file import PublishedFile
from darkroom.training import build_model, frozen, initial_weights
from support.networks import BACKBONES, build, description, save_as_published

# Each builds a network of hundreds of layers.
pytestmark = pytest.mark.slow
LIGHT = "mobilenet_v3_small"
SLOW = {"mobilenet_v3_large", "efficientnet_v2_b0"}
BY_SIZE = [
    *(LIGHT, *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(SLOW))),
    *(
        pytest.param(name, marks=[pytest.mark.slow, pytest.mark.large])
        for name in BACKBONES
        if name not in {LIGHT, *SLOW}
    ),
]
SIDE = 64
NOWHERE = "https://nowhere.invalid/models"


def preprocessed(backbone, images):
    """The images as Keras itself prepares them."""
    module = inspect.getmodule(inspect.unwrap(getattr(keras.applications, backbone.application)))
    if "include_preprocessing" in backbone.options:
        return images.astype(np.float32)
    return module.preprocess_input(images.astype(np.float32))


def published(name, folder):
    """Keras's own network with random weights, as its file; return it and the network's description of that file."""
    keras.utils.set_random_seed(0)
    backbone = load(name).BACKBONE
    options = {
        **backbone.options,
        **({"include_preprocessing": True} if "include_preprocessing" in backbone.options else {}),
    }
    theirs = getattr(keras.applications, backbone.application)(weights=None, **options)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta + 0.1, mean + 0.05, variance * 1.5])
    file = folder / "models" / backbone.weights.path.name
    file.parent.mkdir(parents=True)
    save_as_published(theirs, file)
    digest = hashlib.md5(file.read_bytes()).hexdigest()
    return theirs, dataclasses.replace(backbone, digest=digest)


@pytest.fixture(scope="module", params=BY_SIZE)
def pretrained(request, tmp_path_factory):
    """A network of Keras, its description and file here, and what becomes of them at Keras's own size."""
    theirs, backbone = published(request.param, folder := tmp_path_factory.mktemp("keras"))
    size = (*(side or 224 for side in theirs.input_shape[1:3]), 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(folder))
        return SimpleNamespace(
            name=request.param,
            theirs=theirs,
            backbone=backbone,
            file=backbone.imagenet_file(),
            ours=backbone.imagenet(size=size),
        )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keras's cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_nine_networks():
    assert set(BACKBONES) == {
        *("mobilenet_v3_small", "mobilenet_v3_large", "convnext_tiny", "resnet50_v2", "vgg16"),
        *(f"efficientnet_v2_b{number}" for number in range(4)),
    }


@pytest.mark.parametrize("network", BY_SIZE)
def test_totals(network):
    file = load(network)
    model = build(network, file.PUBLISHED_INPUT, file.PUBLISHED_CLASSES)
    layers = anatomy.layers(model)
    counted = [sum(layer[what] for layer in layers) for what in ("parameters", "multiply-adds")]
    assert counted == [file.PUBLISHED_PARAMETERS, file.PUBLISHED_MULTIPLY_ADDS]
    assert f"{file.PUBLISHED_PARAMETERS:,} parameters" in file.__doc__


@pytest.mark.parametrize("network", BACKBONES)
def test_address_and_digest_are_those_of_keras(network):
    backbone = load(network).BACKBONE
    made = inspect.unwrap(getattr(keras.applications, backbone.application))
    modules = [sys.modules[made.__module__], keras.src.applications.resnet]
    sources = "".join(inspect.getsource(module) for module in modules)
    assert backbone.digest in sources
    # Keras composes some names of files.
    assert backbone.file.partition("/")[0] in sources
    assert PARAMS[network]().initial_weights == "imagenet"


def test_the_published_weights_give_what_keras_computes(pretrained):
    theirs, ours = pretrained.theirs, pretrained.ours
    images = np.random.default_rng(0).integers(0, 256, (1, *ours.input_shape[1:]), dtype=np.uint8)
    # Called once each: without the graph that predict makes.
    expected = np.asarray(theirs(preprocessed(pretrained.backbone, images), training=False))
    if pretrained.backbone.classifier is None:  # the file has no classifier: its maps are averaged
        found = keras.Model(ours.input, ours.get_layer("average").output)(images, training=False)
        expected = expected.mean(axis=(1, 2))
    else:
        found = ours(images, training=False)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-5)


def test_it_trains_is_saved_and_is_explained(pretrained, tmp_path):
    size = (SIDE, SIDE, 3)
    model = build_model(pretrained.name, PARAMS[pretrained.name](), description(size, 3), pretrained.ours)
    assert {layer.name for layer in model.layers if layer.trainable_weights} == {"output"}
    assert model.get_layer("output").units == 3
    assert initial_weights.normalisation(model, 3)[0] == pytest.approx(pretrained.backbone.scaling.scale)
    images = np.random.default_rng(1).integers(0, 256, (2, *size), dtype=np.uint8)
    # All but dropout and the last layer is computed once.
    assert math.prod(frozen.cut(model).shape[1:]) == model.get_layer("output").input.shape[-1]
    features = keras.Model(model.input, frozen.cut(model))
    assert features(images).shape[0] == 2
    model.save(tmp_path / "network.keras")
    saved = inference.load(tmp_path / "network.keras")
    np.testing.assert_array_equal(inference.probabilities(saved, images), inference.probabilities(model, images))
    assert grad_cam.lack_of_maps(saved) is None
    heat = grad_cam.heat_maps(saved, images, [0, 1])
    assert heat.shape == (2, SIDE, SIDE)
    assert np.isfinite(heat).all()


@pytest.mark.parametrize("network", BY_SIZE)
@pytest.mark.parametrize("size", [(70, 83, 3), (83, 70, 1)])
def test_any_input_from_scratch(network, size):
    model = build(network, size, 4, initial_weights=None, trainable="all", l2=0.01)
    assert model.input_shape == (None, *size)
    assert model.output_shape == (None, 4)
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel_regularizer")]
    assert all(layer.kernel_regularizer for layer in kernels[:-1])
    assert kernels[-1].kernel_regularizer is None
    assert len(model.losses) >= len(kernels) - 1


def test_a_smaller_image_is_refused():
    values = PARAMS[LIGHT]()
    assert values.smallest_side == 32
    build(LIGHT, (32, 32, 3))
    with pytest.raises(InputError, match=rf"^networks/{LIGHT}.py, line \d+: .*at least 32x32"):
        build(LIGHT, (32, 31, 3))


def test_weights_that_are_missing_damaged_or_anothers(cache):
    file = PublishedFile(f"{NOWHERE}/small.h5", "0" * 32)
    with pytest.raises(InputError) as caught:
        file.find()
    assert f"{NOWHERE}/small.h5 cannot be downloaded (" in str(caught.value)
    assert f"put the file (MD5 {'0' * 32}) into {cache}/models" in str(caught.value)
    assert not list((cache / "models").iterdir())
    file.path.write_bytes(b"other")
    found = hashlib.md5(b"other").hexdigest()
    with pytest.raises(InputError, match=f"its MD5 is {found}, expected {'0' * 32}"):
        file.find()
    assert dataclasses.replace(file, digest=found).find() == file.path
    long = hashlib.sha256(b"other").hexdigest()
    assert dataclasses.replace(file, digest=long).find() == file.path


def test_a_file_is_downloaded_once(cache, tmp_path):
    (tmp_path / "source").mkdir()
    source = tmp_path / "source" / "small.h5"
    source.write_bytes(b"weights")
    file = PublishedFile(source.as_uri(), hashlib.md5(b"weights").hexdigest())
    assert file.find().read_bytes() == b"weights"
    source.unlink()
    assert file.find() == cache / "models" / "small.h5"
    damaged = PublishedFile((tmp_path / "source" / "large.h5").as_uri(), "0" * 32)
    (tmp_path / "source" / "large.h5").write_bytes(b"half")
    found = hashlib.md5(b"half").hexdigest()
    with pytest.raises(
        InputError, match=rf"large.h5 cannot be downloaded \(MD5 of what was sent is {found}\); connect"
    ):
        damaged.find()
    assert [path.name for path in (cache / "models").iterdir()] == ["small.h5"]


@pytest.mark.parametrize("pretrained", [LIGHT], indirect=True)
def test_a_file_of_another_network_is_refused(pretrained, tmp_path):
    file = pretrained.file
    with pytest.raises(InputError, match=r"damaged or has the weights of another network than keras.applications.\w+"):
        load("mobilenet_v3_large").imagenet(file)
    (tmp_path / "cut.h5").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(InputError) as caught:
        initial_weights.imagenet(LIGHT, tmp_path / "cut.h5")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="mlp is not one; name a file that Darkroom saved"):
        initial_weights.imagenet("mlp", file)
    model = initial_weights.imagenet(LIGHT, file)
    assert model.get_layer("output").units == 1000
