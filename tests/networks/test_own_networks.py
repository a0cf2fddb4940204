"""A network of the user's own: one file in networks/, and what is said where something is wrong with it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import darkroom.networks
from darkroom import params, training
from darkroom.base import code
from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.base.files import read_record
from darkroom.cli import main
from darkroom.data.prepared.datasets import Split
from darkroom.networks import PARAMS, load, names, try_build
from darkroom.params import AugmentationParams, network_files, network_sections, read_params
from darkroom.params.section import Section
from darkroom.search.executors import ray_node
from darkroom.training import TrainingJob, interrupted
from support.networks import description
from support.projects import ROOT, edit_params, refusal

TINY = '''"""One hidden layer."""

from darkroom.networks import Dropout, NetworkParams, Units, keras, layers


class Params(NetworkParams):
    units: Units = 64
    dropout: Dropout = 0.2


def build(inputs, classes, params):
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(params.units, activation="relu")(x)
    return layers.probabilities(keras.layers.Dropout(params.dropout)(x), classes, params)
'''
SPACE = 'SPACE = {"architecture": {"units": {"choices": [8, 16]}}}\n'


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a network's file into a folder beside which there are no others; return the network's name."""
    folder = tmp_path / "networks"
    folder.mkdir()
    monkeypatch.setattr(network_files, "FOLDER", folder)
    monkeypatch.setattr(darkroom.networks, "__path__", [*darkroom.networks.__path__[:1], str(folder)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # The other networks are forgotten for a while, too.
    for module in [name for name in sys.modules if name.startswith("darkroom.networks.")]:
        if module.rpartition(".")[2] not in network_files.PACKAGE_MODULES:
            monkeypatch.delitem(sys.modules, module)

    def write(text=TINY, name="tiny"):
        (folder / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"darkroom.networks.{name}", raising=False)
        return name

    yield write
    for path in folder.glob("*.py"):
        sys.modules.pop(f"darkroom.networks.{path.stem}", None)


@pytest.fixture
def params_file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    edit_params(path, {"models": ["tiny"], "train": {"seed": 0}, "search": {"seed": 0, "budget": {"trials": 2}}})
    edit_params(path, {"train.tiny": {}, "search.tiny": {}})
    return path


def message(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_network_in_the_documentation_is_this_one():
    for page in ("README.md", "docs/networks.md"):
        assert TINY in (ROOT / page).read_text()


def test_a_file_is_a_network(own, params_file):
    own()
    assert names() == ("tiny",)
    values = read_params(params_file).network("tiny")
    assert (values.units, values.dropout, values.optimizer) == (64, 0.2, "adam")
    assert values == PARAMS["tiny"]()
    keras.backend.clear_session()
    model = training.build_model("tiny", values, description((28, 20, 1), 3))
    assert model.name == "tiny"
    assert model.output_shape == (None, 3)
    assert model.count_params() == (28 * 20 + 1) * 64 + (64 + 1) * 3


def test_a_network_is_read_without_keras():
    code = (
        "import sys; from darkroom.params.reading import read_params; read_params()\n"
        "from darkroom.networks import load, names\n"
        "for name in names(): load(name)\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_what_the_sections_of_a_network_may_be(own, params_file):
    own(TINY + SPACE + 'RECIPES = {"wide": {"units": 512}}\n')
    read = read_params(params_file)
    assert read.space("tiny").ranges() == {}
    # Null, and nothing behind the colon, take what the file has.
    edit_params(params_file, {"search.tiny": None, "train.tiny": None})
    read = read_params(params_file)
    assert read.space("tiny").ranges()["units"].choices == (8, 16)
    assert read.network("tiny").units == 64
    edit_params(params_file, {"search.tiny": {"architecture": {"units": {"low": 4, "high": 8}}}})
    edit_params(params_file, {"train.tiny": {"recipe": "wide", "dropout": 0.5}})
    read = read_params(params_file)
    assert read.space("tiny").ranges()["units"].high == 8
    assert (read.network("tiny").units, read.network("tiny").dropout) == (512, 0.5)
    # DVC wants to see both of a network that is trained; of others nothing need be said.
    for section in ("train", "search"):
        edit_params(params_file, {f"{section}.tiny": ...})
        assert f"{section}.tiny is missing; add a section {section}.tiny (" in message(read_params, params_file)
        edit_params(params_file, {f"{section}.tiny": None})
    own(name="other")
    assert read_params(params_file).network("other").units == 64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train.tiny": {"units": 0}}, "train.tiny.units: 0 given; it should be greater than or equal to 1"),
        ({"train.tiny": {"unit": 3}}, "train.tiny.unit: unknown key; did you mean units?"),
        ({"train.tini": {}}, "train.tini: unknown key; did you mean tiny?"),
        ({"train.tini": None}, "train.tini: unknown key; did you mean tiny?"),
        ({"search.tini": {}}, "search.tini: unknown key; did you mean tiny?"),
        ({"search.tiny": {"learning": {"unit": {"low": 1, "high": 2}}}}, "unit: tiny has no such parameter; did you m"),
        ({"search.tiny": {"learnin": {}}}, "search.tiny.learnin: unknown key; did you mean learning?"),
        ({"search.tiny": 3}, "search.tiny: 3 given; it should be"),
        ({"models": ["tiyn"]}, "models[0]: 'tiyn' given; it should name a file in networks/; did you mean 'tiny'?"),
        ({"models": ["abc"]}, "models[0]: 'abc' given; it should name a file in networks/, which has tiny"),
        ({"train.tiny": {"recipe": "book"}}, "train.tiny.recipe: unknown recipe 'book'; choose one of default"),
    ],
)
def test_what_params_refuse(own, params_file, changes, words):
    own()
    edit_params(params_file, changes)
    assert words in message(read_params, params_file)


def test_findings_of_several_networks_are_said_at_once(own, params_file):
    own()
    edit_params(params_file, {"train.tiny": {"units": 0, "dropout": 2}, "search.tini": {}})
    with pytest.raises(InputError) as caught:
        read_params(params_file)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("name", ["layers", "keras", "build", "seed", "sampler", "data_docs", "my-network", "9layers"])
def test_names_that_a_network_cannot_have(own, params_file, name):
    own(name=name)
    assert names() == ()
    edit_params(params_file, {"models": [name], "train.tiny": ..., "search.tiny": ...})
    assert f"models[0]: '{name}' given; it should be a valid network name (" in message(read_params, params_file)
    assert f"rename networks/{name}.py" in message(read_params, params_file)


def test_reserved_names_are_the_other_keys():
    fields = {*network_sections.TrainParams.model_fields, *params.SearchParams.model_fields}
    assert fields == network_files.SECTION_KEYS
    assert issubclass(params.SearchParams, Section)


BODY = TINY.partition("def build")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import torchvisoin\n" + TINY, "line 1: ModuleNotFoundError: No module named 'torchvisoin'"),
        (TINY.replace("Units,", "Unit,"), "line 3: ImportError: cannot import name 'Unit'"),
        (TINY.replace("0.2", "0.2)"), "line 8: SyntaxError: unmatched ')'"),
        (TINY.replace("0.2", "1 / 0"), "line 8: ZeroDivisionError: division by zero"),
        ("class Param: pass\n", "line 1: class Params(NetworkParams) is missing; add it"),
        ("class Params: pass\n", "line 1: Params is not a subclass of NetworkParams; write class"),
        (BODY, "line 1: build is missing; add def build(inputs, classes, params)"),
        (TINY.replace(", classes, params):", ", classes):"), "line 11: build should accept inputs, classes, params"),
        (TINY.replace("Units = 64", "Units"), "line 6: class Params: units has no default; add one"),
        (TINY.replace("Units = 64", "Units = 0"), "line 6: class Params: units: invalid default 0; Input should be gr"),
        (TINY + "from darkroom.networks import other\n", "line 15: imports networks/other.py, a dependency that"),
        (TINY + "from darkroom.networks.other import Params\n", "line 15: imports networks/other.py"),
        (TINY + "from .other import Params\n", "line 15: imports networks/other.py"),
        (TINY + "from . import other\n", "line 15: imports networks/other.py"),
        (TINY + "import darkroom.networks.other\n", "line 15: imports networks/other.py"),
        (TINY + "RECIPES = {'mine': 3}\n", "line 1: RECIPES should map recipe names to parameter values"),
    ],
)
def test_a_file_that_is_no_network(own, params_file, text, words):
    own(name="other")
    own(text)
    line = message(read_params, params_file)
    assert line.startswith(f"networks/tiny.py, {words}")
    assert line == message(load, "tiny")


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"learnin": {}}, "networks/tiny.py: SPACE.learnin: unknown key; did you mean learning?"),
        ({"learning": {"unit": {"low": 1, "high": 2}}}, "networks/tiny.py: SPACE.learning.unit: tiny has no such"),
        ({"learning": {"units": {"low": 0, "high": 2}}}, "networks/tiny.py: SPACE.learning.units: 0 given; it should"),
        ({"learning": {"units": {"low": 1}}}, "networks/tiny.py: SPACE.learning.units: low and high, or choices"),
        ({"learning": {1, 2}}, "networks/tiny.py: SPACE: Object of type set is not JSON serializable"),
    ],
)
def test_a_space_that_does_not_go_with_its_network(own, params_file, space, words):
    own(f"{TINY}SPACE = {space!r}\n")
    read_params(params_file)  # it is not asked for
    edit_params(params_file, {"search.tiny": None})
    assert message(read_params, params_file).startswith(words)


RETURNED = "    return layers.probabilities(keras.layers.Dropout(params.dropout)(x), classes, params)\n"
OF_ITS_OWN = "\n\nclass Mine(keras.layers.Layer):\n    def call(self, x):\n        return x\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("keras.layers.Flatten()", "keras.layers.Conv2D(4, 40)", "line 12: ValueError: "),
        ("keras.layers.Flatten()", "keras.layers.Flaten()", "line 12: AttributeError: "),
        ("params.units,", "params.unit,", "line 13: AttributeError: 'Params' object has no attribute 'unit'"),
        (RETURNED, "    return x\n", "line 11: build returns float32 of shape (batch, 64), expected class pro"),
        (RETURNED, "    return inputs\n", "line 11: build returns float32 of shape (batch, 28, 28, 1), expected"),
        (RETURNED, "", "line 11: build returns NoneType, expected a tensor; return the output"),
        (
            RETURNED,
            f"    return Mine()(made(x, classes))\n{OF_ITS_OWN}",
            "line 11: layer mine is a Mine, which cannot be loaded",
        ),
        (RETURNED, "    return keras.layers.Lambda(lambda x: x)(made(x, classes))\n", "line 11: layer lambda is a"),
        (RETURNED, "    return made(x, 2 / 0)\n", "line 14: ZeroDivisionError: division by zero (images of 28×28×1, 3"),
    ],
)
def test_a_network_that_builds_something_else(own, old, new, words):
    made = '\n\ndef made(x, classes):\n    return keras.layers.Dense(classes, activation="softmax")(x)\n'
    assert old in TINY
    own(TINY.replace(old, new) + made)
    line = message(try_build, "tiny", PARAMS["tiny"](), (28, 28, 1), 3)
    assert line.startswith(f"networks/tiny.py, {words}")
    # What a stage says is the same.
    keras.backend.clear_session()
    assert message(training.build_model, "tiny", PARAMS["tiny"](), description((28, 28, 1), 3)) == line


def test_operations_on_tensors_are_of_keras_too(own):
    own(TINY.replace(RETURNED, '    x = keras.ops.relu(x) + 1\n    return keras.layers.Dense(classes, "softmax")(x)\n'))
    try_build("tiny", PARAMS["tiny"](), (28, 28, 1), 3)


@pytest.mark.slow
def test_interrupted_work_and_nodes_are_compared_by_the_networks_file(own, params_file, monkeypatch):
    monkeypatch.chdir(params_file.parent)
    monkeypatch.setattr(ray_node, "SOURCES", params_file.parent / "src")
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    own(name="other")
    own()
    read = read_params(params_file)

    def begun():
        images = Split(np.zeros((2, 28, 28, 1), np.uint8), np.arange(2), pd.DataFrame())
        values, about = read.network("tiny"), description((28, 28, 1), 2)
        job = TrainingJob("tiny", values, about, images, images, seed=0, augmentation=AugmentationParams())
        declared = code.declared("search", "tiny", Path.cwd())
        return interrupted.state_file("train", job), ray_node.versions(declared)

    first = begun()
    own(TINY.replace("relu", "tanh"), name="other")
    assert begun() == first
    own(TINY.replace("relu", "tanh"))
    assert all(now != before for now, before in zip(begun(), first, strict=True))


def test_models_and_params_show_it(own, params_file, monkeypatch, capsys):
    monkeypatch.chdir(params_file.parent)
    own()
    assert main(["models", "tiny"]) == 2
    assert "networks/tiny.py has no PUBLISHED_INPUT; give --input and --classes" in capsys.readouterr().err
    assert main(["models", "tiny", "--input", "8x8x1", "--classes", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "networks/tiny.py"
    assert main(["params", "tiny"]) == 0
    assert ["units", "64", "default"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "foo should name a file in networks/, which has tiny" in message(read_params(params_file).network, "foo")


@pytest.fixture
def small(copy_of_finished):
    """A project with one small network of its own, whose commands run its own copy of the code."""
    project = copy_of_finished()
    project.variables = {"PYTHONPATH": str(project.root / "src")}
    # Nothing has been promoted yet.
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.root / "mlartifacts")
    (project.root / "networks" / "tiny.py").write_text(TINY + SPACE)
    return project.params(
        models=["tiny"],
        train__tiny={"epochs": 6, "batch_size": 4},
        search__tiny=None,
        search__budget={"trials": 2},
        search__epochs=1,
        search__workers=2,
    )


@pytest.mark.slow
def test_check_finds_it_before_dvc_starts(small):
    place = small.root / "networks" / "tiny.py"
    assert "are valid: 80 images" in small.run("darkroom", "check", "--inputs")
    assert "unchanged since the last check" in small.run("darkroom", "check", "--inputs")
    place.write_text(TINY.replace("keras.layers.Flatten()", "keras.layers.Conv2D(4, 40)"))
    line = refusal(small, "check", "--inputs")
    assert line.startswith("darkroom check: networks/tiny.py, line 12: ValueError: ")
    assert "(images of 28×28×1, 2 classes); correct the network, or set preprocess.size" in line
    place.write_text("import torchvisoin\n")
    assert "networks/tiny.py, line 1: ModuleNotFoundError" in refusal(small, "check", "--inputs")
    stage = ("python", "-m", "pipeline", "search", "tiny", "data/prepared", "best.json", "trials.csv")
    printed = small.run(*stage, code=2)
    assert printed.startswith("search: networks/tiny.py, line 1: ModuleNotFoundError")
    # What is not used stands in nobody's way.
    small.params(models=["mlp"], train__mlp__batch_size=32, train__tiny=..., search__tiny=...)
    assert "are valid" in small.run("darkroom", "check", "--inputs")


@pytest.mark.slow
def test_from_ten_lines_to_a_served_model(small):
    small.run("darkroom", "check", "--inputs")
    printed = small.run("dvc", "repro")
    assert "Traceback" not in printed
    best = read_record(small.root / "runs" / "tiny" / "best_params.json")
    assert best["units"] in {8, 16, 64}
    assert "Running stage" not in small.run("dvc", "repro", "--dry")
    small.commit("results")
    assert "tiny" in small.run("darkroom", "runs")
    rows = json.loads(small.run("darkroom", "predict", "--json", "data/raw/a/000.png", stderr=subprocess.PIPE))
    assert rows[0]["label"] in {"a", "b"}
    printed = small.run("darkroom", "reproduce")
    assert printed.splitlines()[-1] == "identical: all weights and metrics are the same"
    # Its file is a dependency of its own stages, and of no other network's.
    place = small.root / "networks" / "tiny.py"
    place.write_text(place.read_text().replace('activation="relu"', 'activation="tanh"'))
    other = small.root / "networks" / "mlp.py"
    other.write_text(other.read_text().replace("flatten, hidden layers, softmax", "flatten and more"))
    changed = small.run("dvc", "status", "--json", stderr=subprocess.PIPE)
    assert {stage for stage, why in json.loads(changed).items() if "networks/tiny.py" in str(why)} == {
        "features@tiny",
        "search@tiny",
        "train@tiny",
    }
    assert "networks/mlp.py" not in changed
    # Without its file, its packaged model still answers.
    place.unlink()
    small.params(models=["mlp"], train__mlp__batch_size=32, train__tiny=..., search__tiny=...)
    small.run("darkroom", "predict", "data/raw/a/000.png")
