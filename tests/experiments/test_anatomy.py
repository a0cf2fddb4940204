"""`darkroom models`: the list, the layers of one network, and what is refused."""

import json

import pytest

from darkroom.base.errors import InputError
from darkroom.cli import main
from darkroom.experiments import anatomy
from darkroom.networks import PARAMS, load
from support.networks import DOCUMENTED, NETWORKS
from support.projects import edit_params


def layers_of(capsys, *arguments):
    assert main(["models", *arguments, "--json"]) == 0
    return {row["layer"]: row for row in json.loads(capsys.readouterr().out)}


def test_the_layers_of_a_network_for_any_input_and_classes(project, capsys):
    rows = layers_of(capsys, "lenet5", "--input", "32x40x3", "--classes", "4")
    assert rows["C1"] == {
        "layer": "C1",
        "kind": "Conv2D",
        "output": "32×40×6",
        "parameters": 6 * 5 * 5 * 3 + 6,
        "multiply-adds": 32 * 40 * 6 * 5 * 5 * 3,
    }
    assert rows["output"]["output"] == "4"
    assert rows["output"]["multiply-adds"] == 84 * 4


def test_the_table_for_people(project, capsys):
    assert main(["models", "lenet5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "multiply-adds"]
    assert any(line.split() == ["C5", "Conv2D", "1×1×120", "48,120", "48,000"] for line in lines)
    assert lines[-2] == "61,706 parameters, 61,706 of them trainable; with train.lenet5 of params.yaml"
    assert "1998" in lines[-1]


def test_the_values_in_params_yaml_are_those_that_are_shown(project, capsys):
    edit_params(project.root / "params.yaml", {"train.mlp.hidden_units": [10]})
    assert layers_of(capsys, "mlp")["fc1"]["parameters"] == 28 * 28 * 10 + 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenet5", "--input", "20x40x1"], "20×40×1 is too small for lenet5, which needs at least 28×28"),
        (["--classes", "3"], "--input and --classes require a network"),
    ],
)
def test_what_is_refused_in_one_line(project, capsys, arguments, words):
    assert main(["models", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenet6"], "lenet6 given, one of alexnet, "),
        (["mlp", "--input", "20x20"], "20x20 given, height x width x channels"),
        (["mlp", "--input", "20x20x2"], "20x20x2 given, height x width x channels"),
        (["mlp", "--classes", "1"], "1 given, an integer of at least 2 was expected"),
    ],
)
def test_what_the_command_line_refuses(project, capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        main(["models", *arguments])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_a_network_as_it_is_set_may_need_more_room():
    with pytest.raises(InputError, match="at least 65×65"):
        anatomy.build("inception", PARAMS["inception"](), (40, 40, 3), 3)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_the_totals_that_a_network_states_are_those_of_the_built_network(network):
    file = load(network)
    built = anatomy.build(network, PARAMS[network](), file.PUBLISHED_INPUT, file.PUBLISHED_CLASSES)
    counted = [sum(layer[column] for layer in anatomy.layers(built)) for column in ("parameters", "multiply-adds")]
    assert counted == [file.PUBLISHED_PARAMETERS, file.PUBLISHED_MULTIPLY_ADDS]


def test_the_list(project, capsys):
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert tuple(rows) == DOCUMENTED
    assert rows["resnet50"]["parameters"] == 25_636_712
    # 3.8 billion in table 1 of the paper; 1.5 billion in section 1 of GoogLeNet's.
    assert rows["resnet50"]["multiply-adds"] == pytest.approx(3.8e9, rel=0.03)
    assert rows["inception"]["multiply-adds"] == pytest.approx(1.5e9, rel=0.06)
    assert rows["alexnet"]["smallest input"] == "67×67"
    assert all(row["source"] for row in rows.values())


def test_a_sigmoid_unit_for_many_classes_is_refused():
    with pytest.raises(InputError, match="sigmoid supports two classes, the data has 10; set softmax"):
        anatomy.build("mlp", PARAMS["mlp"](output="sigmoid"), (8, 8, 1), 10)
    assert anatomy.build("mlp", PARAMS["mlp"](output="sigmoid"), (8, 8, 1), 2).output_shape == (None, 2)
