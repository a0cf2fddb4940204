"""Features of frozen layers in files: what they depend on, that a kill changes nothing, and that training uses them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from darkroom import training
from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.features import FeatureFolder
from darkroom.networks import PARAMS, FineTuningParams, inference
from darkroom.params import AugmentationParams
from darkroom.training import feature_files, features, frozen
from support.networks import build, description
from support.trainings import Killed

SIZE = (12, 12, 1)


def images(count, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *SIZE), dtype=np.uint8)
    return Split(pixels, np.arange(count) % 3, pd.DataFrame())


@pytest.fixture(scope="module")
def source():
    return build("mnist_cnn", SIZE, classes=3, filters=(4, 8), hidden_units=16)


def job_of(source, counts=(70, 30), **settings):
    common = {"filters": (4, 8), "hidden_units": 16, "epochs": 2, "batch_size": 16, "trainable": "head"}
    values = PARAMS["mnist_cnn"](**{**common, "augment": False, "initial_weights": "other", **settings})
    data = images(counts[0], 0), images(counts[1], 1)
    return training.TrainingJob(
        "mnist_cnn", values, description(SIZE, 3), *data, seed=0, augmentation=AugmentationParams(), initial=source
    )


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The folder of unfinished features."""
    monkeypatch.setattr(feature_files, "state_folder", lambda: tmp_path / "unfinished")
    return tmp_path / "unfinished"


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(features, "BATCH", 8)
    monkeypatch.setattr(features, "CHUNK", 16)


def written(job, folder):
    said = []
    feature_files.write_features(job, "digest", FeatureFolder(folder), said.append)
    return said


def weights(trained):
    return trained.model.get_weights()


def test_training_with_the_files_gives_the_same_weights_as_without(tmp_path, state, source, monkeypatch):
    job = job_of(source)
    in_memory = training.train(job)
    said = written(job, tmp_path / "features")
    assert said == ["features of 100 images at fc1, 16 numbers each"]
    assert not list(state.iterdir())
    monkeypatch.setattr(inference, "probabilities", lambda *_: pytest.fail("computed"))
    from_files = training.train(job, features=training.Features(tmp_path / "features"))
    assert all(map(np.array_equal, weights(in_memory), weights(from_files)))
    # They are read as they are needed.
    kept = FeatureFolder(tmp_path / "features")
    assert all(isinstance(one, np.memmap) for one in kept.arrays(kept.key()))


def test_features_are_those_of_the_saved_network(tmp_path, state, source):
    job = job_of(source)
    written(job, tmp_path)
    part = keras.Model(source.input, source.get_layer("fc1").output)
    kept = FeatureFolder(tmp_path)
    stored = kept.arrays(kept.key())
    for found, split in zip(stored, (job.training, job.validation), strict=True):
        np.testing.assert_allclose(found, part.predict(split.images, verbose=0), atol=1e-5)
    record = json.loads(kept.record_file.read_text())
    assert (record["layer"], record["shape"], record["images"]) == ("fc1", [16], 100)


@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_killed_computation_resumes_at_its_chunk_with_the_same_bits(tmp_path, state, small_chunks, source, at):
    job, asked = job_of(source), []
    written(job, tmp_path / "undisturbed")
    predict = inference.probabilities

    def killed(*of):
        if len(asked) == at:
            raise Killed
        asked.append(len(of[1]))
        return predict(*of)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "probabilities", killed)
        with pytest.raises(Killed):
            written(job, tmp_path / "features")
    assert not (tmp_path / "features").exists()
    asked.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "probabilities", lambda *of: asked.append(len(of[1])) or predict(*of))
        said = written(job, tmp_path / "features")
    # Five chunks of training images, the last one of 6; two of validation images.
    assert asked == [16, 16, 16, 16, 6, 16, 14][at:]
    assert said[0] == f"resuming after {[0, 16, 32, 48, 64, 70, 86][at]} of 100 images" or at == 6
    for name in ("train.npy", "validation.npy", "features.json"):
        assert (tmp_path / "features" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_damaged_files_are_computed_again(tmp_path, state, source, damage):
    job = job_of(source)
    written(job, tmp_path)
    file = tmp_path / "train.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-64] if damage is None else damage)
    assert written(job, tmp_path)[-1].startswith("features of 100 images")
    assert file.read_bytes() == whole


def test_what_features_depend_on(tmp_path, state, source):
    job = job_of(source)
    written(job, tmp_path)
    there = ["the features of images, frozen layers and weights are there already"]
    # What concerns the head, or training alone.
    for settings in (
        {"learning_rate": 0.1},
        {"epochs": 9, "batch_size": 8, "label_smoothing": 0.1, "l2": 1e-3},
        {"dropout": 0.5},
        {"fine_tuning": FineTuningParams(epochs=1)},
        {"ema": 0.9},
    ):
        assert written(job_of(source, **settings), tmp_path) == there, settings
    assert written(replace(job, seed=5), tmp_path) == there
    other = keras.models.clone_model(source)
    for changed in (
        replace(job, description=replace(job.description, digest="of other images")),
        replace(job, initial=other),
        job_of(source, trainable="last 2"),
        job_of(source, precision="bfloat16"),
    ):
        assert written(changed, tmp_path)[-1].startswith("features of 100 images")
        # And back.
        assert written(job, tmp_path)[-1].startswith("features of 100 images")


def test_files_that_do_not_fit_are_not_used(tmp_path, state, source):
    job = job_of(source)
    written(job, tmp_path)
    stored = training.Features(tmp_path)
    fewer = job_of(source, counts=(40, 30))
    other = replace(job, initial=keras.models.clone_model(source))
    for changed in (fewer, other, job_of(source, trainable="last 2")):
        with_files, without = training.train(changed, features=stored), training.train(changed)
        assert all(map(np.array_equal, weights(with_files), weights(without)))


def test_features_of_too_many_bytes_are_not_written(tmp_path, state, source, monkeypatch):
    written(job_of(source), tmp_path)
    monkeypatch.setattr(frozen, "FEATURE_MEMORY", 100)
    assert "need more than" in written(job_of(source), tmp_path)[0]
    assert [path.name for path in tmp_path.glob("*.*")] == ["features.json"]
    assert FeatureFolder(tmp_path).key() is None
