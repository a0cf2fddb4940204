"""One table of features: which it is, and that known pictures are not computed again."""

import re
import sys

import numpy as np
import pytest

from darkroom.base.errors import InputError
from darkroom.data.prepared.described import Described, images_of
from darkroom.data.prepared.features import FeatureFolder, FeatureRecord
from darkroom.data.prepared.prepared import Prepared
from darkroom.labelling import describing, imagenet
from darkroom.params import PreprocessParams
from support.pictures import prepare, write_folder
from support.sources import of


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grey")
    prepare(of("folder", write_folder(folder / "raw", "ab", 30)), folder)
    return Prepared(folder / "prepared")


def described(prepared, tmp_path, networks="networks", models=("mlp",)):
    FeatureFolder(tmp_path / networks / "mlp").write(FeatureRecord("mlp", None, reason="no layer is frozen"))
    lines = []
    folder = Described(tmp_path / "described")
    return folder, describing.describe(models, prepared, tmp_path / networks, folder, lines.append), lines


def test_small_grey_images_are_described_by_pixels_without_tensorflow(grey, tmp_path):
    folder, done, _ = described(grey, tmp_path)
    assert done.record.source == "pixels"
    assert done.computed == len(images_of(grey))
    features, images = folder.features(), folder.images()
    assert features.dtype == np.float32
    assert len(features) == len(images) == done.record.images
    assert images["split"].tolist() == sorted(images["split"])  # train, then validation
    assert images["picture"].tolist() == [*grey.manifest("train")["picture"], *grey.manifest("validation")["picture"]]
    assert folder.record() == done.record
    assert done.record.limits
    again = described(grey, tmp_path)[1]
    assert again.computed == 0
    assert np.array_equal(folder.features(), features)


def test_features_of_a_network_come_first(grey, tmp_path):
    sizes = grey.description.counts
    own = FeatureFolder(tmp_path / "networks" / "lite")
    own.folder.mkdir(parents=True)
    made = {
        split: np.random.default_rng(0).random((sizes[split], 2, 2, 5), np.float32) for split in ("train", "validation")
    }
    for split, values in made.items():
        np.save(own.array_file(split), values)
    own.write_record(FeatureRecord("lite", None, key="k", shape=(2, 2, 5)))
    folder, done, _ = described(grey, tmp_path, models=("mlp", "lite"))
    assert (done.record.source, done.record.dimensions) == ("network", 5)
    assert np.allclose(folder.features()[: sizes["train"]], made["train"].mean(axis=(1, 2)))


def test_features_of_other_images_are_not_used(grey, tmp_path):
    own = FeatureFolder(tmp_path / "networks" / "lite")
    own.folder.mkdir(parents=True)
    for split in ("train", "validation"):
        np.save(own.array_file(split), np.zeros((3, 5), np.float32))
    own.write_record(FeatureRecord("lite", None, key="k", shape=(5,)))
    assert described(grey, tmp_path, models=("lite",))[1].record.source == "pixels"


def test_a_missing_or_damaged_folder_is_not_taken_for_a_network_without_features(grey, tmp_path):
    own, sizes = FeatureFolder(tmp_path / "networks" / "lite"), grey.description.counts
    remedy = re.escape(f"{own.folder} is missing or incomplete") + ".*run dvc repro features@lite"
    with pytest.raises(InputError, match=remedy):
        described(grey, tmp_path, models=("lite", "mlp"))
    own.write_record(FeatureRecord("lite", None, reason="no layer is frozen"))
    assert described(grey, tmp_path, models=("lite", "mlp"))[1].record.source == "pixels"
    own.write_record(FeatureRecord("lite", None, key="k", shape=(5,)))
    np.save(own.array_file("train"), np.zeros((sizes["train"], 5), np.float32))
    for damaged in ("", "[", "[]", '{"network": "lite"}'):
        with pytest.raises(InputError, match=remedy):  # the features of validation images are missing
            described(grey, tmp_path, models=("lite", "mlp"))
        own.record_file.write_text(damaged)
    with pytest.raises(InputError, match=remedy):
        described(grey, tmp_path, models=("lite", "mlp"))


def test_a_missing_table_is_told_with_its_remedy(tmp_path):
    with pytest.raises(InputError, match="run dvc repro describe"):
        Described(tmp_path).record()


def test_only_new_colour_pictures_are_computed(tmp_path, monkeypatch):
    computed = []

    def counted(images, rows, side, on_chunk):
        computed.extend(rows.tolist())
        on_chunk(len(rows))
        return np.asarray(images[rows]).reshape(len(rows), -1)[:, : imagenet.DIMENSIONS].astype(np.float32)

    monkeypatch.setattr(imagenet, "extract", counted)  # the network itself is tried in the next test
    params = PreprocessParams(size=(32, 32, 3))
    raw = write_folder(tmp_path / "raw", "ab", 30, mode="RGB")
    prepare(of("folder", raw), tmp_path / "one", params)
    first, done, _ = described(Prepared(tmp_path / "one" / "prepared"), tmp_path)
    assert done.record.source == "imagenet"
    assert len(computed) == done.computed == done.record.images
    before = dict(zip(first.images()["picture"], np.array(first.features()), strict=True))
    write_folder(raw, "ab", 34, mode="RGB")
    prepare(of("folder", raw), tmp_path / "two", params)
    computed.clear()
    second, done, _ = described(Prepared(tmp_path / "two" / "prepared"), tmp_path)
    new = [picture for picture in second.images()["picture"] if picture not in before]
    assert len(computed) == done.computed == len(new) < 20
    for picture, row in zip(second.images()["picture"], second.features(), strict=True):
        assert picture not in before or np.array_equal(row, before[picture])


@pytest.mark.slow
def test_imagenets_features_tell_pictures_apart_whatever_their_size():
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (3, 40, 40, 1), np.uint8)
    flat = np.full((3, 40, 40, 1), 90, np.uint8)
    images = np.concatenate([noise, flat])
    features = imagenet.extract(images, np.arange(6), imagenet.side_for((40, 40, 1)), lambda _: None)
    assert features.shape == (6, imagenet.DIMENSIONS)
    assert np.allclose(features[3], features[4], atol=1e-4)
    assert np.linalg.norm(features[0] - features[3]) > 2 * np.linalg.norm(features[0] - features[1])


@pytest.mark.slow
def test_importing_the_package_does_not_import_tensorflow():
    import subprocess

    code = "import darkroom.labelling.describing, darkroom.labelling.audit, sys; print('tensorflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_features_of_many_images_are_not_computed_for_the_table_alone(tmp_path, monkeypatch):
    prepare(of("folder", write_folder(tmp_path / "raw", "ab", 30)), tmp_path, PreprocessParams(size=(40, 40, 3)))
    prepared = Prepared(tmp_path / "prepared")
    monkeypatch.setattr(describing, "MOST_IMAGES", len(images_of(prepared)) - 1)
    record = described(prepared, tmp_path)[1].record
    assert record.source == "pixels"
    assert "ImageNet's features are computed for up to" in record.limits
