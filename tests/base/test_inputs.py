"""A stage does not begin without an input that dvc.yaml declares."""

import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from darkroom.base import inputs
from darkroom.base.code import CODE
from darkroom.base.errors import InputError

DVC_YAML = Path(__file__).resolve().parents[2] / "dvc.yaml"
STAGES = YAML(typ="safe").load(DVC_YAML.read_text())["stages"]
DECLARED = [
    (stage, dep.replace("${item.model}", "mlp"))
    for stage, declared in STAGES.items()
    for dep in declared["deps"]
    if not dep.startswith(("${data.path}", *CODE))
]
# Others exist with what is in them.
FILES = [one for one in DECLARED if not any(other.startswith(f"{one[1]}/") for _, other in DECLARED)]
KEPT_IN_GIT = {"data/labels.csv", "data/columns.csv"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with all that the stages read."""
    root = tmp_path_factory.mktemp("inputs")
    (root / "dvc.yaml").write_bytes(DVC_YAML.read_bytes())
    for _, path in DECLARED:
        (root / path).mkdir(parents=True, exist_ok=True)
    return root


@pytest.mark.parametrize(("stage", "missing"), FILES)
def test_a_missing_input_is_named_with_how_to_get_it(tree, stage, missing):
    arguments = STAGES[stage]["cmd"].replace("${item.model}", "mlp").split()[4:]
    remedy = f"git checkout HEAD -- {missing}" if missing in KEPT_IN_GIT else "run dvc repro, without --single-item"
    (tree / missing).rmdir()
    try:
        with pytest.raises(InputError) as caught:
            inputs.require(stage, arguments, tree)
        inputs.require(stage, ["mlp", "elsewhere"], tree)
    finally:
        (tree / missing).mkdir()
    assert str(caught.value).startswith(f"{missing} does not exist")
    assert remedy in str(caught.value)


def test_a_pipe_is_no_input(tree):
    inputs.require("card", (card := STAGES["card"]["cmd"].replace("${item.model}", "mlp").split()[4:]), tree)
    place = tree / "reports/promotion.json"
    place.rmdir()
    os.mkfifo(place)
    try:
        with pytest.raises(InputError, match="is no file, but a pipe or device"):
            inputs.require("card", card, tree)
    finally:
        place.unlink()
        place.mkdir()


@pytest.mark.parametrize("text", ["", "stages: 1", "stages: {card: {cmd: x}}", "stages: {card: {deps: 3}}"])
def test_without_a_declaration_nothing_is_known(tmp_path, text):
    inputs.require("card", ["mlp"], tmp_path)
    (tmp_path / "dvc.yaml").write_text(text)
    inputs.require("card", ["mlp"], tmp_path)
