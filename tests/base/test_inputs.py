"""A stage does not begin without an input that dvc.yaml declares."""

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


@pytest.mark.parametrize(("stage", "missing"), FILES)
def test_a_missing_input_is_named_with_how_to_get_it(tmp_path, stage, missing):
    (tmp_path / "dvc.yaml").write_bytes(DVC_YAML.read_bytes())
    for _, other in DECLARED:
        if other != missing:
            (tmp_path / other).mkdir(parents=True, exist_ok=True)
    arguments = STAGES[stage]["cmd"].replace("${item.model}", "mlp").split()[4:]
    with pytest.raises(InputError) as caught:
        inputs.require(stage, arguments, tmp_path)
    remedy = f"git checkout HEAD -- {missing}" if missing in KEPT_IN_GIT else "run dvc repro, without --single-item"
    assert str(caught.value).startswith(f"{missing} does not exist")
    assert remedy in str(caught.value)
    inputs.require(stage, ["mlp", "elsewhere"], tmp_path)
    (tmp_path / missing).mkdir(parents=True)
    inputs.require(stage, arguments, tmp_path)


@pytest.mark.parametrize("text", ["", "stages: 1", "stages: {card: {cmd: x}}", "stages: {card: {deps: 3}}"])
def test_without_a_declaration_nothing_is_known(tmp_path, text):
    inputs.require("card", ["mlp"], tmp_path)
    (tmp_path / "dvc.yaml").write_text(text)
    inputs.require("card", ["mlp"], tmp_path)
