"""The stage ``features`` of a project: what makes it compute, and what it leaves alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darkroom.base.errors import InputError
from darkroom.base.files import file_digest
from darkroom.data.prepared.prepared import Prepared
from darkroom.networks import weights_file
from darkroom.params import read_params
from darkroom.training import features as computing
from pipeline import features
from support.networks import build, description

pytestmark = pytest.mark.slow
SIZE, OUTPUT = (12, 12, 1), "data/features/mnist_cnn"
TRAINED = {"initial_weights": "weights.keras", "trainable": "head", "augment": False}


def save_weights(path, seed):
    model = build("mnist_cnn", SIZE, classes=2, filters=(4, 8), hidden_units=16)
    model.get_layer("fc1").set_weights(
        [np.random.default_rng(seed).normal(size=each.shape) for each in model.get_layer("fc1").get_weights()]
    )
    model.save(path)


@pytest.fixture
def stage(project, monkeypatch):
    """A function that runs the stage with changed parameters; it returns what was said and the images computed."""
    prepared = Prepared(Path("data/prepared"))
    for split, count in (("train", 40), ("validation", 20)):
        prepared.images_file(split).parent.mkdir(parents=True)
        np.save(prepared.images_file(split), np.random.default_rng(count).integers(0, 256, (count, *SIZE), np.uint8))
        pd.DataFrame({"label": [f"class {number % 2}" for number in range(count)]}).to_parquet(
            prepared.manifest_file(split)
        )
    replace(description(SIZE, 2), digest="of the images").write(prepared.description_file)
    save_weights("weights.keras", 0)
    computed, compute = [], computing.compute
    monkeypatch.setattr(
        "darkroom.training.feature_files.compute", lambda *of: computed.append(len(of[1])) or compute(*of)
    )
    settings = {"filters": [4, 8], "hidden_units": 16, **TRAINED}

    def run(capsys, **changes):
        computed.clear()
        project.params(
            models=["mnist_cnn"],
            **{f"train__mnist_cnn__{name}": value for name, value in {**settings, **changes}.items()},
        )
        features.main(read_params(), "mnist_cnn", "data/prepared", OUTPUT)
        return capsys.readouterr().out, sum(computed)

    return run


def content():
    return {path.name: file_digest(path) for path in Path(OUTPUT).iterdir()}


def test_only_images_frozen_layers_and_weights_count(stage, capsys):
    assert stage(capsys)[1] == 60
    first = content()
    assert set(first) == {"features.json", "train.npy", "validation.npy"}
    said, computed = stage(capsys, learning_rate=0.5, epochs=3)
    assert (computed, content()) == (0, first)
    assert "there already" in said
    # A parameter of the network's own needs a look at the network, and changes nothing either.
    assert (stage(capsys, dropout=0.3)[1], content()) == (0, first)
    # Another file of the same name.
    save_weights("weights.keras", 1)
    assert stage(capsys)[1] == 60
    other = content()
    assert all(other[name] != first[name] for name in first)
    # Whole networks have no features, and say so.
    said, computed = stage(capsys, trainable="all")
    assert (computed, set(content())) == (0, {"features.json"})
    assert "because all layers train" in said
    record = json.loads(Path(OUTPUT, "features.json").read_text())
    assert record["weights"] == weights_file.sha256(Path("weights.keras"))
    assert stage(capsys)[1] == 60
    assert content() == other


def test_weights_that_are_not_there_or_others_are_refused(stage, capsys):
    with pytest.raises(InputError, match=r"initial_weights: nowhere.keras does not exist; run darkroom check"):
        stage(capsys, initial_weights="nowhere.keras")
    with pytest.raises(InputError, match="initial_weights_sha256"):
        stage(capsys, initial_weights_sha256="0" * 16)
    assert not Path(OUTPUT).exists()
