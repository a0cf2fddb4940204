"""The documented networks: totals, layers and smallest inputs, each against its row of the paper's or book's table."""

import re

import numpy as np
import pytest

from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.networks import PARAMS, check_data, layers, load
from darkroom.training import inference_model
from support.networks import COLOUR, GREY, LARGE, NETWORKS, build

# Building these takes seconds.
HEAVY = {"alexnet", "inception", "resnet50", "efficientnet_lite1", "efficientnet_lite2"}
SLOW = {*HEAVY, "efficientnet_lite0", "logistic_regression"}
BY_SIZE = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in NETWORKS]
LIGHT_AND_LARGE = [
    pytest.param(name, marks=[pytest.mark.slow, *([pytest.mark.large] if name in HEAVY else [])])
    if name in SLOW
    else name
    for name in NETWORKS
]


def totals(model):
    return model.count_params(), sum(weight.shape.num_elements() for weight in model.trainable_variables)


@pytest.mark.parametrize(
    ("network", "size", "classes", "values", "total", "trained"),
    [
        ("mlp", GREY, 10, {}, 669_706, 669_706),
        ("mnist_cnn", GREY, 10, {}, 220_234, 220_234),
        ("cifar_cnn", COLOUR, 10, {}, 528_054, 528_054),
        ("cifar_bn_cnn", COLOUR, 10, {}, 309_290, 308_394),
        ("lenet5", GREY, 10, {}, 61_706, 61_706),
        pytest.param("alexnet", (227, 227, 3), 1000, {}, 62_378_344, 62_378_344, marks=pytest.mark.slow),
        pytest.param(
            "alexnet", (227, 227, 3), 1000, {"batch_norm": "after"}, 62_383_848, 62_381_096, marks=pytest.mark.slow
        ),
        pytest.param("inception", LARGE, 1000, {"auxiliary": False}, 6_998_552, 6_998_552, marks=pytest.mark.slow),
        pytest.param("inception", LARGE, 1000, {"auxiliary": True}, 13_378_280, 13_378_280, marks=pytest.mark.slow),
        ("resnet20", COLOUR, 10, {}, 274_442, 273_066),
        pytest.param("resnet50", LARGE, 1000, {}, 25_636_712, 25_583_592, marks=pytest.mark.slow),
        pytest.param("resnet50", COLOUR, 10, {}, 23_608_202, 23_555_082, marks=pytest.mark.slow),
    ],
)
def test_totals(network, size, classes, values, total, trained):
    assert totals(build(network, size, classes, **values)) == (total, trained)


@pytest.mark.parametrize(
    ("network", "size", "counts"),
    [
        ("mlp", GREY, {"fc1": 401_920, "fc2": 262_656, "output": 5_130}),
        ("lenet5", GREY, {"C1": 156, "C3": 2_416, "C5": 48_120, "FC6": 10_164, "output": 850}),
        ("mnist_cnn", GREY, {"conv1": 320, "conv2": 18_496, "fc1": 200_768, "output": 650}),
        ("cifar_cnn", COLOUR, {"conv1": 208, "conv2": 2_080, "conv3": 8_256, "fc1": 512_500, "output": 5_010}),
    ],
)
def test_parameters_of_every_layer(network, size, counts):
    model = build(network, size)
    assert {layer.name: layer.count_params() for layer in model.layers if layer.count_params()} == counts


ROW = re.compile(r"^(\S+(?:, \S+)*)\s{2,}.*?([\d×]+|–)\s{2,}([\d,]+(?:, [\d,]+)*|–)$")


@pytest.mark.parametrize("network", BY_SIZE)
def test_the_table_in_the_modules_docstring(network):
    """Each row's output and parameters, against the layers whose names begin with the row's, or of the row's stage."""
    module = load(network)
    whole = build(network, module.PUBLISHED_INPUT, module.PUBLISHED_CLASSES)
    model = inference_model(whole)
    rows = [ROW.match(line) for line in module.__doc__.splitlines()]
    seen = 0
    for row in filter(None, rows):
        names, shape, counts = row.groups()
        for name, count in zip(names.split(", "), counts.split(", "), strict=False):
            prefix = name.removesuffix("_x")
            of_row = [layer for layer in model.layers if re.match(rf"{prefix}(?![\da-z])", layer.name)]
            if count != "–" and of_row:
                assert f"{sum(layer.count_params() for layer in of_row):,}" == count, name
                seen += 1
            if "×" in shape and of_row:
                assert "×".join(map(str, of_row[-1].output.shape[1:])) == shape, name
    assert seen >= 3
    assert f"{whole.count_params():,}" in module.__doc__


def shapes(network, size, names):
    model = build(network, size)
    return [tuple(model.get_layer(name).output.shape[1:]) for name in names]


def test_lenet5_as_drawn():
    assert shapes("lenet5", GREY, ("C1", "S2", "C3", "S4", "C5", "FC6")) == [
        (28, 28, 6),
        (14, 14, 6),
        (10, 10, 16),
        (5, 5, 16),
        (1, 1, 120),
        (84,),
    ]
    activations = [layer for layer in build("lenet5").layers if isinstance(layer, keras.layers.Activation)]
    assert [layer.activation.__name__ for layer in activations] == ["tanh"] * 4


@pytest.mark.slow
def test_alexnet_as_drawn():
    assert shapes("alexnet", (227, 227, 3), ("CONV1", "POOL1", "CONV2", "POOL2", "CONV4", "POOL5")) == [
        (55, 55, 96),
        (27, 27, 96),
        (27, 27, 256),
        (13, 13, 256),
        (13, 13, 384),
        (6, 6, 256),
    ]


def test_maps_of_5_by_5_are_a_thousand_values():
    model = build("mnist_cnn", (20, 20, 1), filters=(8, 40))
    assert model.get_layer("pool2").output.shape[1:] == (5, 5, 40)
    assert model.get_layer("flatten").output.shape[1:] == (5 * 5 * 40,) == (1000,)


@pytest.mark.slow
def test_a_residual_block_adds_before_its_activation():
    for network, name in (("resnet20", "conv2_1"), ("resnet50", "conv2_block1")):
        model = build(network, COLOUR)
        added, after = model.get_layer(f"{name}_add"), model.get_layer(f"{name}_out")
        assert after.input is added.output
        assert after.activation.__name__ == "relu"


@pytest.mark.slow
def test_resnet50_takes_the_weights_of_keras_applications():
    keras.backend.clear_session()
    theirs = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10)
    generator = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([generator.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    ours = build("resnet50", (64, 64, 3))
    for layer in theirs.layers:
        if layer.get_weights():
            name = "output" if layer.name == "predictions" else layer.name
            ours.get_layer(name).set_weights(layer.get_weights())
    images = generator.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    normalised = (images.astype(np.float32) - 100) / 50
    # Called once each: without the graph that predict makes.
    np.testing.assert_allclose(ours(images, training=False), theirs(normalised, training=False), atol=1e-5)


@pytest.mark.parametrize("network", LIGHT_AND_LARGE)
@pytest.mark.parametrize(("size", "classes"), [((70, 83, 3), 2), ((83, 70, 1), 7)])
def test_any_input_and_any_number_of_classes(network, size, classes):
    model = inference_model(build(network, size, classes))
    assert model.input_shape == (None, *size)
    assert model.output_shape == (None, classes)
    assert model.input.dtype == "uint8"
    assert model.output.dtype == "float32"


@pytest.mark.parametrize(
    ("network", "values"),
    [
        *((network, {}) for network in ("mlp", "mnist_cnn", "cifar_cnn", "cifar_bn_cnn", "lenet5", "resnet20")),
        *(
            pytest.param(network, {}, marks=[pytest.mark.slow, pytest.mark.large])
            for network in ("alexnet", "inception", "resnet50")
        ),
        pytest.param("inception", {"auxiliary": False}, marks=pytest.mark.slow),
        ("mnist_cnn", {"filters": (8, 8, 8)}),
        ("cifar_cnn", {"filters": (8,)}),
        ("cifar_bn_cnn", {"filters": (8, 8), "dropout": (0.1,)}),
    ],
)
def test_the_smallest_input_that_params_allow_is_the_smallest_that_builds(network, values):
    smallest = PARAMS[network](**values).smallest_side
    build(network, (smallest, smallest, 1), **values)
    if smallest > 1:
        with pytest.raises(InputError, match=rf"^networks/{network}.py, line \d+: .*(output|negative dimension|nput)"):
            build(network, (smallest, smallest - 1, 1), **values)


def names(model):
    return [layer.name for layer in model.layers]


@pytest.mark.slow
def test_what_the_papers_leave_open():
    assert shapes("mlp", GREY, ("fc1", "fc2")) == [(512,), (512,)]
    assert [layer.units for layer in build("mlp", hidden_units=(64, 32)).layers if hasattr(layer, "units")] == [
        64,
        32,
        10,
    ]
    assert build("mnist_cnn", dropout=0.2).get_layer("dropout").rate == 0.2
    assert build("mnist_cnn", filters=(8, 16, 24)).get_layer("conv3").filters == 24
    assert build("cifar_bn_cnn", COLOUR, dropout=(0.1,)).get_layer("dropout3").rate == 0.1
    assert totals(build("resnet20", COLOUR, blocks=9))[0] > 850_000  # depth 56; the paper says .85 million
    assert build("resnet20", COLOUR, width=8).get_layer("conv1").filters == 8
    for network in set(NETWORKS) - HEAVY:
        penalised = build(network, COLOUR, l2=0.01)
        kernels = [layer for layer in penalised.layers if hasattr(layer, "kernel_regularizer")]
        assert [bool(layer.kernel_regularizer) for layer in kernels] == [True] * (len(kernels) - 1) + [False]


@pytest.mark.slow
def test_batch_norm_before_and_after_the_activation():
    for order, expected in (
        ("before", ["conv1", "conv1_bn", "conv1_relu"]),
        ("after", ["conv1", "conv1_relu", "conv1_bn"]),
        ("none", ["conv1", "conv1_relu", "pool1"]),
    ):
        found = names(build("mnist_cnn", batch_norm=order))
        assert found[found.index("conv1") :][:3] == expected


def test_hidden_activations():
    values = np.array([-2.0, -0.5, 0.0, 3.0], dtype=np.float32)
    expected = {
        "relu": np.maximum(values, 0),
        "leaky_relu": np.where(values < 0, 0.01 * values, values),
        "tanh": np.tanh(values),
        "sigmoid": 1 / (1 + np.exp(-values)),
    }
    for name, wanted in expected.items():
        inputs = keras.Input((4,))
        model = keras.Model(inputs, layers.activated(inputs, name, name))
        np.testing.assert_allclose(model(values[None])[0], wanted, rtol=1e-6)
    np.testing.assert_array_equal(layers.step(values), [0, 0, 0, 1])


def test_one_sigmoid_unit_for_two_classes():
    model = build("mlp", classes=2, hidden_units=(8,), output="sigmoid")
    assert model.get_layer("output").units == 1
    images = np.random.default_rng(0).integers(0, 256, (5, *GREY), dtype=np.uint8)
    probabilities = model.predict(images, verbose=0)
    assert probabilities.shape == (5, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert len(np.unique(probabilities[:, 1])) > 1


def test_what_cannot_be_combined_is_refused():
    for values, images, classes, words in (
        ({}, 100, 1, "one class"),
        ({"output": "sigmoid"}, 100, 3, "the data has 3; set softmax"),
        ({"batch_size": 64}, 63, 2, "set 63 or less, full, or auto"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            check_data("mlp", PARAMS["mlp"](**values), images, classes)
        assert "\n" not in str(caught.value)
    check_data("mlp", PARAMS["mlp"](batch_size="full", output="sigmoid"), 1, 2)
