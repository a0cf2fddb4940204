"""From a source to the manifest, the splits and the packed arrays."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from darkroom.base.errors import InputError
from darkroom.data.formats import manifest
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.prepared import packing
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.data.prepared.targets import balanced_weights, batch_seed, one_hot
from darkroom.params import DataParams, PreprocessParams
from support.pictures import draw, find, ingested, prepare, write_folder

DIGITS = DataParams(source="digits", path="data/digits")


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "photographs", "abc", 20)


def of(path):
    return DataParams(source="folder", path=str(path))


def test_the_digits(project, tmp_path):
    rows = ingested(DIGITS, tmp_path).manifest
    assert len(rows) == 1797
    assert manifest.labels_of(rows) == list("0123456789")
    assert rows["label"].value_counts().sort_index().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert set(rows["mode"]) == {"L"}
    assert set(rows["width"]) == set(rows["height"]) == {8}


def test_a_folder(folder):
    (folder / "a" / "notes.txt").write_text("no image")
    (folder / "a" / ".hidden.png").write_text("no image")
    (folder / "a" / "deeper").mkdir()
    draw("a", 99).save(folder / "a" / "deeper" / "LOUD.PNG")
    (folder / ".git").mkdir()
    draw("a", 98).save(folder / ".git" / "x.png")
    found = find(of(folder)).samples
    assert len(found) == 61
    assert [sample.name for sample in found if "LOUD" in sample.name] == ["a/deeper/LOUD.PNG"]
    assert {sample.label for sample in found} == {"a", "b", "c"}
    assert [file.name for file in find(of(folder)).left_out] == ["a/notes.txt"]


def zipped(path, folder, below=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, f"{below}{file.relative_to(folder)}")
        archive.writestr(f"{below}notes.txt", "no image")
        archive.writestr(f"__MACOSX/{below}a/._000.png", "no image either")
    return DataParams(source="archive", path=str(path))


@pytest.mark.parametrize("below", ["", "photographs/", "one/two/"])
def test_an_archive_holds_what_its_folder_holds(folder, tmp_path, below):
    data = zipped(tmp_path / "raw.zip", folder, below)
    packed, plain = (ingested(each, tmp_path / each.source) for each in (data, of(folder)))
    pd.testing.assert_frame_equal(packed.manifest, plain.manifest)
    assert packed.quarantine["name"].tolist() == ["notes.txt"]
    images = [(tmp_path / source / "images.npy").read_bytes() for source in ("archive", "folder")]
    assert images[0] == images[1]


def test_what_is_wrong_with_an_archive(folder, tmp_path):
    data = zipped(tmp_path / "raw.zip", folder)
    content = bytearray((tmp_path / "raw.zip").read_bytes())
    content[60:90] = bytes(30)
    (tmp_path / "raw.zip").write_bytes(content)
    found = ingested(data, tmp_path)
    assert found.quarantine["name"].tolist() == ["a/000.png", "notes.txt"]
    assert "cannot be unpacked (Bad CRC-32" in found.quarantine["reason"][0]
    assert len(found.manifest) == 59
    with pytest.raises(InputError, match="is a folder; expected an archive"):
        find(data.model_copy(update={"path": str(folder)}))


def test_labels_stay_text(tmp_path):
    for number, label in enumerate(("007", "nan", "ä ö")):
        (tmp_path / label).mkdir()
        draw("a", number).save(tmp_path / label / "x y.png")
    rows = ingested(of(tmp_path), tmp_path / "ledger").manifest
    manifest.write(rows, tmp_path / "m.parquet")
    again = manifest.read(tmp_path / "m.parquet")
    (tmp_path / "m.parquet").write_bytes(b"")  # of the file, which is mapped to read it, nothing is needed any more
    assert again["label"].tolist() == ["007", "nan", "ä ö"]
    pd.testing.assert_frame_equal(rows, again)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root / "nowhere", "does not exist"),
        (lambda root: root, "holds no image"),
        (lambda root: write_folder(root, "a", 3), "only the class 'a'"),
        (lambda root: (root / "file.txt").write_text("") or root / "file.txt", "not a folder"),
    ],
)
def test_places_that_hold_no_classes(tmp_path, make, words):
    with pytest.raises(InputError, match=words) as caught:
        find(of(make(tmp_path)))
    assert "\n" not in str(caught.value)


def test_an_unreadable_image_is_left_out_and_named(folder, tmp_path):
    (folder / "b" / "003.png").write_bytes(b"not a picture")
    found = ingested(of(folder), tmp_path / "ledger")
    assert "b/003.png" not in set(found.manifest["name"])
    assert len(found.manifest) == 59
    assert found.quarantine["name"].tolist() == ["b/003.png"]
    assert found.quarantine["reason"].str.startswith("not an image in a supported format").all()
    assert np.load(tmp_path / "ledger" / "images.npy").shape == (59, 28, 28, 1)


def test_exact_duplicates_stay_together(folder, tmp_path):
    for number in range(20):
        (folder / "b" / f"copy{number}.png").write_bytes((folder / "b" / f"{number:03d}.png").read_bytes())
    rows, _ = prepare(of(folder), tmp_path / "out")
    assert len(rows.drop_duplicates(["sha256", "split"])) == 60
    assert rows["sha256"].nunique() == 60


def test_a_class_without_test_images_is_named(tmp_path):
    write_folder(tmp_path, "a", 40)
    write_folder(tmp_path, "b", 1)
    with pytest.raises(InputError, match=r"class 'b' \(1 image\) has no \w+ image; add images"):
        prepare(of(tmp_path), tmp_path / "out")


def test_packed_arrays_are_the_images_resized(folder, tmp_path):
    params = PreprocessParams(size=(12, 16, 3), interpolation="bilinear")
    _, description = prepare(of(folder), tmp_path, params)
    assert description == Description.read(tmp_path / "prepared" / "dataset.json")
    total = 0
    for name in SPLITS:
        split = Prepared(tmp_path / "prepared").split(name)
        assert split.images.dtype == np.uint8
        assert len(split.images) == len(split.classes) == len(split.manifest) == description.counts[name]
        assert [description.labels[number] for number in split.classes] == split.manifest["label"].tolist()
        assert set(split.manifest["split"]) == {name}
        for image, file in zip(split.images, split.manifest["name"], strict=True):
            with Image.open(folder / file) as original:
                expected = original.convert("RGB").resize((16, 12), Image.Resampling.BILINEAR)
            assert np.array_equal(image, np.asarray(expected))
        total += len(split.images)
    assert total == 60
    training = Prepared(tmp_path / "prepared").training.images.reshape(-1, 3)
    np.testing.assert_allclose(description.mean, training.mean(axis=0))
    np.testing.assert_allclose(description.deviation, training.std(axis=0))
    assert sum(description.training_counts.values()) == description.counts["train"]


def test_the_digest_knows_content_label_and_split_but_no_order(folder, tmp_path):
    rows, _ = prepare(of(folder), tmp_path / "out")
    assert manifest.digest(rows) == manifest.digest(rows.sample(frac=1, random_state=0))
    for column in ("sha256", "label", "split"):
        changed = rows.copy()
        changed.loc[0, column] = "another"
        assert manifest.digest(changed) != manifest.digest(rows)


def test_the_digest_of_what_networks_see_knows_order_and_content_but_no_label_and_no_test_image(folder, tmp_path):
    of_images = []
    rows, _ = prepare(of(folder), tmp_path / "out")
    swapped = rows["sha256"].copy()
    two = rows.index[rows["split"] == "train"][:2]
    swapped.loc[two] = swapped.loc[two[::-1]].to_numpy()
    other_test = rows["sha256"].where(rows["split"] != "test", "another")
    for number, changes in enumerate(({}, {"label": "one"}, {"sha256": other_test}, {"sha256": swapped})):
        target = Prepared(tmp_path / str(number))
        changed = rows.assign(**changes)
        packed = packing.pack(
            changed, tmp_path / "out/ingested/images.npy", PreprocessParams(), target, data=of(folder)
        )
        of_images.append(packed.images)
    assert of_images[0] == of_images[1] == of_images[2] != of_images[3]


def test_a_constant_channel_is_refused():
    with pytest.raises(InputError, match="same value"):
        channel_statistics(np.full((3, 4, 4, 1), 7, dtype=np.uint8))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=100))
def test_balanced_weights_average_to_one_and_even_the_classes_out(classes):
    classes = np.array(classes)
    weights = balanced_weights(classes, 5)
    sums = np.array([weights[classes][classes == number].sum() for number in range(5)])
    present = np.unique(classes)
    np.testing.assert_allclose(sums[present], len(classes) / 5, rtol=1e-5)


def test_one_hot():
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_batch_seeds_differ():
    seeds = {batch_seed(seed, epoch, batch) for seed in range(10) for epoch in range(10) for batch in range(10)}
    assert len(seeds) == 1000
