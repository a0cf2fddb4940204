"""What searches in one process, in several and on a cluster begin with."""

import shutil
from pathlib import Path

import pytest

from darkroom.params import DataParams, PreprocessParams
from support.pictures import prepare, write_folder
from support.projects import ROOT, edit_params

SPACE = {
    "architecture": {"hidden_units": {"choices": [[4], [8]]}},
    "learning": {
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
        "optimizer": {"choices": ["adam", "sgd"]},
        "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}},
    },
}
CHANGES = {
    "models": ["mlp"],
    "preprocess.size": [8, 8, 1],
    "search.mlp": SPACE,
    "search.budget": {"trials": 5},
    "search.epochs": 2,
    "search.pruner": {"name": "threshold", "upper": 0.69, "warmup_epochs": 0},
    "train.mlp": {"hidden_units": [8], "batch_size": 16, "augment": False, "learning_rate": 0.05},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with small prepared images and its params.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    edit_params(Path("params.yaml"), CHANGES)
    data = DataParams(source="folder", path=str(write_folder(tmp_path / "images", "ab", 30, size=(8, 8))))
    prepare(data, tmp_path, PreprocessParams(size=(8, 8, 1)))
    return tmp_path
