"""The documented networks: totals, layers and smallest inputs, each against its row of the books' tables."""

import pytest

from darkroom.backend import keras
from darkroom.datasets import Description
from darkroom.params import NETWORKS, TrainParams
from darkroom.training import build_model

PARAMS = {name: TrainParams.model_fields[name].annotation.__args__[0] for name in NETWORKS}


def description(size, classes):
    return Description(
        labels=tuple(f"class {number}" for number in range(classes)),
        size=size,
        interpolation="bicubic",
        aspect="stretch",
        mean=(100.0,) * size[2],
        deviation=(50.0,) * size[2],
        source="digits",
        counts={},
        training_counts={},
        digest="",
    )


def build(network, size=(28, 28, 1), classes=10, **values):
    keras.backend.clear_session()
    return build_model(network, PARAMS[network](**values), description(size, classes))


@pytest.mark.parametrize(
    ("network", "total", "layers"),
    [
        ("mlp", 669_706, {"fc1": 401_920, "fc2": 262_656, "output": 5_130}),
        ("lenet5", 61_706, {"C1": 156, "C3": 2_416, "C5": 48_120, "FC6": 10_164, "output": 850}),
        ("mnist_cnn", 220_234, {"conv1": 320, "conv2": 18_496, "fc1": 200_768, "output": 650}),
    ],
)
def test_parameters_of_every_layer(network, total, layers):
    model = build(network)
    assert model.count_params() == total
    assert sum(weight.shape.num_elements() for weight in model.trainable_variables) == total
    assert {layer.name: layer.count_params() for layer in model.layers if layer.count_params()} == layers


def test_lenet5_as_drawn():
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in build("lenet5").layers}
    assert [shapes[name] for name in ("C1", "S2", "C3", "S4", "C5", "FC6")] == [
        (28, 28, 6),
        (14, 14, 6),
        (10, 10, 16),
        (5, 5, 16),
        (1, 1, 120),
        (84,),
    ]
    assert {build("lenet5").get_layer(name).activation.__name__ for name in ("C1", "C3", "C5", "FC6")} == {"tanh"}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("size", "classes"), [((40, 33, 3), 2), ((64, 64, 3), 7)])
def test_any_input_and_any_number_of_classes(network, size, classes):
    model = build(network, size, classes)
    assert model.input_shape == (None, *size)
    assert model.output_shape == (None, classes)
    assert model.input.dtype == "uint8"
    assert model.output.dtype == "float32"


@pytest.mark.parametrize("network", NETWORKS)
def test_the_smallest_input_that_params_allow_is_the_smallest_that_builds(network):
    smallest = PARAMS[network].smallest_side
    build(network, (smallest, smallest, 1))
    if smallest > 1:
        with pytest.raises(ValueError, match="output"):
            build(network, (smallest, smallest - 1, 1))


def test_what_the_papers_leave_open():
    assert [layer.units for layer in build("mlp", hidden_units=(64, 32)).layers if hasattr(layer, "units")] == [
        64,
        32,
        10,
    ]
    assert "dropout1" in {layer.name for layer in build("mlp", dropout=0.2).layers}
    assert build("mnist_cnn", dropout=0.2).get_layer("dropout").rate == 0.2
    for activation in ("relu", "leaky_relu", "tanh", "sigmoid"):
        assert build("lenet5", activation=activation).get_layer("C1").activation.__name__ == activation
