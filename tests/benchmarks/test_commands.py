"""Benchmarks are run rarely: all of them can be imported, and the documentation's commands are those that they take."""

import argparse
import importlib
import re
import runpy
import sys

import pytest
from ruamel.yaml import YAML

from benchmarks import ingestion, performance
from benchmarks.faults import project
from support.projects import ROOT

FOLDER = ROOT / "benchmarks"
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if path.stem not in {"__init__", "__main__"}
)
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted(FOLDER.rglob("*.md")))
INLINE = re.compile(r"`python -m benchmarks\.(\w+)([^`]*)`")
IN_BLOCK = re.compile(r"^python -m benchmarks\.(\w+)(.*?)&?$", re.MULTILINE)
DOCUMENTED = sorted(
    {
        (name, " ".join(arguments.split()))
        for path in DOCUMENTS
        for command in (INLINE, IN_BLOCK)
        for name, arguments in command.findall(path.read_text(encoding="utf-8"))
    }
    | {(name, " ".join(arguments)) for name, *arguments in performance.BENCHMARKS}
)
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


class Parsed(Exception):  # noqa: N818 - not an error
    """Ends a benchmark when its arguments have been read."""


def file_of(name):
    path = FOLDER / name
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


@pytest.mark.parametrize("module", MODULES)
def test_benchmarks_can_be_imported(module):
    importlib.import_module(module)


def test_the_documentation_has_commands_of_most_benchmarks():
    assert len({name for name, _ in DOCUMENTED}) > 25
    assert ("near_duplicates", "cifar10 --picture docs/near_duplicates.png --runs 2") in DOCUMENTED
    assert ("feature_speed", "--memory 256") in DOCUMENTED
    assert ("recipes", "cifar10 resnet20 --epochs 15 --precision bfloat16 --threads 1") in DOCUMENTED


@pytest.mark.parametrize(("name", "arguments"), DOCUMENTED, ids=lambda part: part or "-")
def test_documented_commands_are_there_and_take_these_arguments(name, arguments, monkeypatch):
    path = file_of(name)
    text = path.read_text(encoding="utf-8")
    assert f"python -m benchmarks.{name}" in text
    assert 'if __name__ == "__main__":' in text
    if "ArgumentParser(" not in text:
        return
    # One of {a,b} stands for all; DATA and NETWORK for any value, FOLDER… for at least one.
    words = re.sub(r"\{(\w+),[^}]*\}", r"\1", arguments).replace("…", "")
    values = {"DATA": "cifar10", "NETWORK": "resnet50" if name == "full_size" else "lenet5"}
    monkeypatch.setattr(sys, "argv", [str(path), *(values.get(word, word) for word in words.split())])
    parse = argparse.ArgumentParser.parse_args

    def parse_and_end(parser):
        raise Parsed(parse(parser))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_end)
    with pytest.raises(Parsed):
        runpy.run_path(str(path), run_name="__main__")


def test_stages_are_run_as_dvc_yaml_says():
    for stage, arguments in ingestion.STAGES.items():
        assert STAGES[stage]["cmd"].split() == ["python", "-m", "pipeline", stage, *arguments]
    assert sorted(project.STAGES) == sorted(
        f"{name}@{project.NETWORK}" if "matrix" in stage else name for name, stage in STAGES.items()
    )
