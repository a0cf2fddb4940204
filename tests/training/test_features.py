"""Features of frozen layers in files: what they depend on, that a kill changes nothing, and that training uses them."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from darkroom import training
from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.features import FeatureFolder
from darkroom.networks import PARAMS, FineTuningParams, inference, reference
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
def folder(tmp_path):
    """The folder of a network's features, beside which there is no other one."""
    return tmp_path / "data" / "mnist_cnn"


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 16)


@contextmanager
def each_chunk(do):
    """Call a function with the layers and the images before their features are computed."""
    functions = inference.with_constant_weights

    def watched(part):
        outputs = functions(part)

        def compute(chunk):
            do(part, chunk)
            return outputs(chunk)

        return compute

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "with_constant_weights", watched)
        yield


def written(job, folder):
    said = []
    feature_files.write_features(job, "digest", FeatureFolder(folder), said.append)
    return said


def weights(trained):
    return trained.model.get_weights()


@pytest.mark.slow
def test_training_with_the_files_gives_the_same_weights_as_without(folder, state, source, monkeypatch):
    job = job_of(source)
    in_memory = training.train(job)
    said = written(job, folder)
    assert said == ["features of 100 images, 16 numbers each, of the layer fc1"]
    assert not list(state.iterdir())
    monkeypatch.setattr(inference, "with_constant_weights", lambda _: pytest.fail("computed"))
    from_files = training.train(job, features=training.Features(folder))
    assert all(map(np.array_equal, weights(in_memory), weights(from_files)))
    # They are read as they are needed.
    kept = FeatureFolder(folder)
    assert all(isinstance(one, np.memmap) for one in kept.arrays(kept.key()))


@pytest.mark.slow
def test_features_are_those_of_the_saved_network(folder, state, source):
    job = job_of(source)
    written(job, folder)
    part = keras.Model(source.input, source.get_layer("fc1").output)
    kept = FeatureFolder(folder)
    stored = kept.arrays(kept.key())
    for found, split in zip(stored, (job.training, job.validation), strict=True):
        np.testing.assert_allclose(found, part.predict(split.images, verbose=0), atol=1e-5)
    record = json.loads(kept.record_file.read_text())
    assert (record["layer"], record["shape"], record["images"]) == ("fc1", [16], 100)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_killed_computation_resumes_at_its_chunk_with_the_same_bits(
    tmp_path, folder, state, small_chunks, source, at
):
    job, asked = job_of(source), []
    written(job, tmp_path / "undisturbed" / "mnist_cnn")

    def killed(_, chunk):
        if len(asked) == at:
            raise Killed
        asked.append(len(chunk))

    with each_chunk(killed), pytest.raises(Killed):
        written(job, folder)
    assert not folder.exists()
    asked.clear()
    with each_chunk(lambda _, chunk: asked.append(len(chunk))):
        said = written(job, folder)
    # Five chunks of training images, the last one of 6; two of validation images.
    assert asked == [16, 16, 16, 16, 6, 16, 14][at:]
    assert said[0] == f"resuming after {[0, 16, 32, 48, 64, 70, 86][at]} of 100 images" or at == 6
    for name in ("train.npy", "validation.npy", "features.json"):
        assert (folder / name).read_bytes() == (tmp_path / "undisturbed" / "mnist_cnn" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_damaged_files_are_computed_again(folder, state, source, damage):
    job = job_of(source)
    written(job, folder)
    file = folder / "train.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-64] if damage is None else damage)
    assert written(job, folder)[-1].startswith("features of 100 images")
    assert file.read_bytes() == whole


@pytest.mark.slow
def test_what_features_depend_on(folder, state, source):
    job = job_of(source)
    written(job, folder)
    there = ["the features of images, frozen layers and weights are there already"]
    # What concerns the head, or training alone.
    for settings in (
        {"learning_rate": 0.1},
        {"epochs": 9, "batch_size": 8, "label_smoothing": 0.1, "l2": 1e-3},
        {"dropout": 0.5},
        {"fine_tuning": FineTuningParams(epochs=1)},
        {"ema": 0.9},
    ):
        assert written(job_of(source, **settings), folder) == there, settings
    assert written(replace(job, seed=5), folder) == there
    other = keras.models.clone_model(source)
    for changed in (
        replace(job, description=replace(job.description, digest="of other images")),
        replace(job, initial=other),
        job_of(source, trainable="last 2"),
        job_of(source, precision="bfloat16"),
    ):
        assert written(changed, folder)[-1].startswith("features of 100 images")
        # And back.
        assert written(job, folder)[-1].startswith("features of 100 images")


def test_labels_and_test_images_are_no_part_of_the_features(source):
    known = replace(description(SIZE, 3), images="of these images", digest="of images and labels")
    key = features.feature_key(source, known)
    corrected = replace(known, digest="of other labels", training_counts={"class 0": 5}, counts={"test": 3})
    assert features.feature_key(source, corrected) == key
    for changed in ({"images": "of others"}, {"interpolation": "box"}, {"background": "grey"}, {"aspect": "pad"}):
        assert features.feature_key(source, replace(known, **changed)) != key


@pytest.mark.slow
def test_files_that_do_not_fit_are_not_used(folder, state, source):
    job = job_of(source)
    written(job, folder)
    stored = training.Features(folder)
    fewer = job_of(source, counts=(40, 30))
    other = replace(job, initial=keras.models.clone_model(source))
    for changed in (fewer, other, job_of(source, trainable="last 2")):
        with_files, without = training.train(changed, features=stored), training.train(changed)
        assert all(map(np.array_equal, weights(with_files), weights(without)))


@pytest.mark.slow
def test_features_of_too_many_bytes_are_not_written(folder, state, source, monkeypatch):
    written(job_of(source), folder)
    monkeypatch.setattr(frozen, "FEATURE_MEMORY", 100)
    assert "need more than" in written(job_of(source), folder)[0]
    assert [path.name for path in folder.glob("*.*")] == ["features.json"]
    assert FeatureFolder(folder).key() is None


@pytest.mark.slow
def test_features_of_another_network_with_the_same_frozen_layers_are_copied(folder, state, source, monkeypatch):
    """The name of the network and the layers after the frozen ones do not matter."""
    written(job_of(source), folder)
    monkeypatch.setattr(inference, "with_constant_weights", lambda _: pytest.fail("computed"))
    other = folder.parent / "other"
    assert written(job_of(source, dropout=0.5), other) == ["the same features as those of mnist_cnn, copied"]
    for name in ("train.npy", "validation.npy"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()
    with pytest.raises(pytest.fail.Exception, match="computed"):
        written(job_of(source, trainable="last 2"), folder.parent / "third")


@pytest.mark.slow
def test_results_on_training_images_need_no_frozen_layer(folder, state, source, monkeypatch):
    job, predict, asked = job_of(source), inference.probabilities, []
    written(job, folder)
    stored = training.Features(folder)
    tuned = job_of(source, fine_tuning=FineTuningParams(epochs=1, learning_rate=0.1, augment=False))
    for one, pixels in ((job, False), (tuned, True)):
        trained = training.train(one, features=stored)
        expected = inference.results_on(trained.model, one.training, 50)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inference, "probabilities", lambda *of: asked.append(of[1].dtype) or predict(*of))
            start, inputs = frozen.after_frozen(trained.model, one, stored)
            found, sample = reference.of_training(trained.model, inputs, 0, 50, start)
        assert found == expected
        _, of_images = reference.of_training(trained.model, one.training, 0, 50)
        np.testing.assert_allclose(sample.features, of_images.features, atol=1e-3)
        assert sample.layer == of_images.layer == "output"
        # After fine-tuning, no layer is frozen.
        assert asked.pop() == (np.uint8 if pixels else np.float32)
