"""The forms that images come in, and what is wrong with them."""

import gzip
import io
import json
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkroom.base.errors import InputError
from darkroom.data.sources import limits
from darkroom.data.sources.layout import group_by_folder, read_layout
from darkroom.params import DataParams
from support.pictures import draw, find, ingested, write_folder

FASHION = Path(os.environ.get("DARKROOM_DATASETS", "nowhere")) / "fashion-mnist"


def of(source, path, **more):
    return DataParams(source=source, path=str(path), **more)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "photographs", "ab", 5)


def packed(folder, path, below=""):
    """Pack a folder into an archive of the form that the ending names."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, f"{below}{file.relative_to(folder)}")
    else:
        kind = path.name.rpartition(".")[2] if path.name.count(".") > 1 else ""
        with tarfile.open(path, f"w:{kind}") as archive:
            # Not in the order of their names, as tar leaves them.
            for file in files[::-1]:
                archive.add(file, f"{below}{file.relative_to(folder)}")
    return path


@pytest.mark.parametrize("name", ["raw.zip", "raw.tar", "raw.tar.gz", "raw.tar.bz2", "raw.tar.xz"])
@pytest.mark.parametrize("below", ["", "photographs/"])
def test_an_archive_of_any_kind_holds_what_its_folder_holds(folder, tmp_path, name, below):
    path = packed(folder, tmp_path / name, below)
    one, other = ingested(of("archive", path), tmp_path / "one"), ingested(of("folder", folder), tmp_path / "other")
    pd.testing.assert_frame_equal(one.manifest, other.manifest)
    assert (tmp_path / "one/images.npy").read_bytes() == (tmp_path / "other/images.npy").read_bytes()


def hostile_zip(path, name, content=b"x", mode=0o644):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", b"")
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, content)
    return path


def hostile_tar(path, name, **more):
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(name)
        for key, value in more.items():
            setattr(entry, key, value)
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    return path


LEADS_OUT = "points outside the archive"
HOSTILE = {
    "up": (lambda path: hostile_zip(path, "../evil.png"), LEADS_OUT),
    "far up": (lambda path: hostile_zip(path, "a/../../evil.png"), LEADS_OUT),
    "absolute": (lambda path: hostile_zip(path, "/tmp/evil.png"), LEADS_OUT),
    "a drive": (lambda path: hostile_zip(path, "C:/evil.png"), LEADS_OUT),
    "backslashes": (lambda path: hostile_zip(path, "..\\evil.png"), LEADS_OUT),
    "link": (lambda path: hostile_zip(path, "a/2.png", b"/etc/passwd", stat.S_IFLNK | 0o777), "is a link or a device"),
    "tar up": (lambda path: hostile_tar(path, "../evil.png"), LEADS_OUT),
    "tar absolute": (lambda path: hostile_tar(path, "/evil.png"), LEADS_OUT),
    "tar link": (lambda path: hostile_tar(path, "a/1.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link"),
    "tar hard link": (lambda path: hostile_tar(path, "a/1.png", type=tarfile.LNKTYPE, linkname="b"), "is a link"),
    "tar device": (lambda path: hostile_tar(path, "a/1.png", type=tarfile.CHRTYPE), "is a link or a device"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_that_wants_out_is_refused_and_nothing_is_written(tmp_path, monkeypatch, kind):
    inside = tmp_path / "deep" / "below"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    make, words = HOSTILE[kind]
    path = make(inside / "raw.zip")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=words) as caught:
        find(of("archive", path))
    assert "\n" not in str(caught.value)
    assert "the archive is not read: check where it came from" in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bomb_of_ten_gigabytes_is_refused_unread(tmp_path):
    # Made of a small packed part, because packing ten gigabytes of zeros would take a minute.
    path = tmp_path / "bomb.tar.gz"
    entry = tarfile.TarInfo("a/1.png")
    entry.size = 10 * 10**9
    with gzip.open(path, "wb") as file:
        file.write(entry.tobuf())
        file.write(bytes(2**20))
    with pytest.raises(InputError, match=r"a/1\.png' unpacks to 10,000,000,000 bytes; at most 268,435,456"):
        find(of("archive", path))
    zipped = hostile_zip(tmp_path / "bomb.zip", "a/2.png")
    content = zipped.read_bytes()
    (size_in_directory,) = [place for place in range(len(content)) if content[place : place + 4] == b"PK\x01\x02"][1:]
    forged = bytearray(content)
    forged[size_in_directory + 24 : size_in_directory + 28] = (2**32 - 2).to_bytes(4, "little")
    zipped.write_bytes(forged)
    with pytest.raises(InputError, match="unpacks to 4,294,967,294 bytes"):
        find(of("archive", zipped))


def test_a_bomb_of_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "ALWAYS_ACCEPTED", 2**20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"a/{number}.png", bytes(2**20))
    with pytest.raises(InputError, match=r"brings the total to .* bytes, over 100 times the size of the archive"):
        find(of("archive", tmp_path / "bomb.zip"))


def test_a_file_that_unpacks_to_more_than_it_says_is_left_out(tmp_path, folder):
    path = packed(folder, tmp_path / "raw.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/9.png", bytes(2**22))
    content = bytearray(path.read_bytes())
    place = content.rfind(b"PK\x01\x02")
    content[place + 24 : place + 28] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    found = ingested(of("archive", path), tmp_path / "out")
    assert len(found.manifest) == 10
    assert (
        "cannot be unpacked" in dict(zip(found.quarantine["name"], found.quarantine["reason"], strict=True))["a/9.png"]
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html><title>Virus scan warning</title>", "a web page instead of the file; download it"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive; unpack it, and pack its files as zip or tar"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
    ],
)
def test_what_is_another_kind_of_file_than_an_archive_is_named(tmp_path, content, words):
    (tmp_path / "raw.zip").write_bytes(content)
    with pytest.raises(InputError) as caught:
        find(of("archive", tmp_path / "raw.zip"))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_what_is_no_archive(tmp_path, content):
    (tmp_path / "raw.zip").write_bytes(content)
    with pytest.raises(InputError, match="not a zip or tar file that can be read") as caught:
        find(of("archive", tmp_path / "raw.zip"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "testing"), ("train", "test")])
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_given_splits(tmp_path, names, form):
    for name in names:
        write_folder(tmp_path / "raw" / name, "ab", 4)
    place = packed(tmp_path / "raw", tmp_path / "raw.zip", "cifar/") if form == "archive" else tmp_path / "raw"
    found = find(of(form, place)).samples
    assert {sample.label for sample in found} == {"a", "b"}
    splits = {sample.name.split("/")[0]: sample.split for sample in found}
    assert splits[names[0]] == "train"
    assert splits[names[-1]] == "test"
    assert len({sample.name for sample in found}) == 8 * len(names)


def test_images_come_in_the_order_of_the_parts_of_their_paths():
    names = ["a/b/x.png", "a/b!/x.png", "a/b.png", "a b/x.png", "a!/x.png", "a/B/x.png", "ü/x.png", "a/b/y/x.png"]
    found = [
        below + name
        for (below, files), _, _ in read_layout(group_by_folder(dict.fromkeys(names))).images
        for name in files
    ]
    assert found == sorted(names, key=lambda name: name.split("/"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "Cat"),
        ("cat", " cat"),
        ("big cat", "bigcat"),
        ("ü", "u\u0308"),
        ("7", "07"),
        ("1", "1.0"),
        ("cat", "cat."),
    ],
)
def test_labels_that_only_look_alike(tmp_path, one, other):
    for label in (one, other, "dog"):
        (tmp_path / "raw" / label).mkdir(parents=True)
        draw("a", 1).save(tmp_path / "raw" / label / "1.png")
    with pytest.raises(InputError, match="which differ only in case, spaces, Unicode form"):
        find(of("folder", tmp_path / "raw"))


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, folder):
    # Its path is longer than the system takes; whoever may do everything may not do this.
    at = os.open(folder / "a", os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=at)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    with pytest.raises(InputError, match=r"d{250} cannot be listed \(File name too long\); ") as caught:
        find(of("folder", folder))
    assert "\n" not in str(caught.value)
    shutil.rmtree(folder)


def test_linked_folders_are_followed_and_none_is_read_twice(tmp_path, folder):
    (folder / "c").symlink_to(write_folder(tmp_path / "elsewhere", "a", 3) / "a")
    (folder / "c" / "again").symlink_to(folder)
    found = find(of("folder", folder, follow_links=True))
    assert len([sample for sample in found.samples if sample.label == "c"]) == 3
    assert len(found.samples) == 13
    assert [(link.name, link.reason) for link in found.left_out] == [
        ("c/again", "it is a link to a folder that is read at its own place")
    ]


def table(folder, name="labels.csv", change=lambda rows: rows):
    rows = [(f"{label}/{number:03d}.png", f"kind {label}", f"p{number}") for label in "ab" for number in range(5)]
    frame = change(pd.DataFrame(rows, columns=["image", "label", "patient"]))
    path = folder / name
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
@pytest.mark.parametrize("named", ["file", "folder"])
def test_a_table(folder, tmp_path, name, named):
    path = table(folder, name)
    data = of("table", path if named == "file" else folder, group_column="patient")
    found = ingested(data, tmp_path / "out").manifest
    assert found["name"].tolist()[:2] == ["a/000.png", "a/001.png"]
    assert found["label"].unique().tolist() == ["kind a", "kind b"]
    assert found["group"].tolist() == [f"p{number}" for number in range(5)] * 2
    plain = ingested(of("folder", folder), tmp_path / "plain").manifest
    assert found["sha256"].tolist() == plain["sha256"].tolist()


def test_labels_of_a_table_stay_text(folder):
    path = table(folder, change=lambda rows: rows.assign(label=["007", "NA"] * 5))
    assert {sample.label for sample in find(of("table", path)).samples} == {"007", "NA"}


def test_splits_of_a_table(folder):
    path = table(folder, change=lambda rows: rows.assign(part=["train", "val", "test", "", "train"] * 2))
    found = find(of("table", path, split_column="part")).samples
    assert [sample.split for sample in found[:5]] == ["train", "validation", "test", None, "train"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda rows: rows.drop(columns="label"),
            "no column 'label'; its columns are image, patient: set",
        ),
        (lambda rows: rows.rename(columns={"image": "file"}), "no column 'image'; .* set data.image_column"),
        (
            lambda rows: rows.assign(image=["nowhere.png", *rows["image"][1:]]),
            "row 2: .*nowhere.png does not",
        ),
        (lambda rows: rows.assign(label=["x"] * 4 + [""] + ["y"] * 5), r"labels.csv, row 6: the label is empty"),
        (lambda rows: rows.assign(image=[rows["image"][0]] * 10), r"labels.csv, row 3: a/000.png is already in row 2"),
        (lambda rows: rows.assign(label="same"), "only the class 'same'; expected at least two labels"),
        (lambda rows: rows.assign(label=["cat", "Cat"] * 5), "differ only in case"),
        (lambda rows: rows.head(0), "no image; expected at least two"),
    ],
)
def test_what_is_wrong_with_a_table(folder, change, words):
    path = table(folder, change=change)
    with pytest.raises(InputError, match=words) as caught:
        find(of("table", path))
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_table(folder):
    with pytest.raises(InputError, match="holds no table"):
        find(of("table", folder))
    for name in ("one.csv", "two.csv"):
        table(folder, name)
    with pytest.raises(InputError, match="holds 2 tables"):
        find(of("table", folder))


def embedded(folder, path, names=("cat", "dog"), note=True, rows_in_a_group=3):
    """A Parquet file with images in it, as Hugging Face's data sets have them."""
    files = sorted(folder.rglob("*.png"))
    image = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    label = ["ab".index(file.parent.name) for file in files]
    packed_rows = pa.table({"image": image, "label": label})
    if note:
        text = json.dumps({"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}})
        packed_rows = packed_rows.replace_schema_metadata({"huggingface": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(packed_rows, path, row_group_size=rows_in_a_group)
    return path


def test_images_inside_parquet(folder, tmp_path):
    path = embedded(folder, tmp_path / "data.parquet")
    found = ingested(of("parquet", path), tmp_path / "out").manifest
    assert found["label"].tolist() == ["cat"] * 5 + ["dog"] * 5
    assert found["name"].tolist()[0] == "data/000000"
    plain = ingested(of("folder", folder), tmp_path / "plain").manifest
    assert found["sha256"].tolist() == plain["sha256"].tolist()
    assert {sample.label for sample in find(of("parquet", embedded(folder, path, note=False))).samples} == {"0", "1"}


def test_parquet_files_of_several_splits(folder, tmp_path):
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        embedded(folder, tmp_path / "set" / f"{name}.parquet")
    found = find(of("parquet", tmp_path / "set")).samples
    assert len(found) == 30
    assert {sample.split for sample in found} == {"train", "test"}
    (tmp_path / "set" / "test-00000-of-00001.parquet").unlink()
    assert {sample.split for sample in find(of("parquet", tmp_path / "set")).samples} == {None}


def test_what_is_wrong_with_parquet(folder, tmp_path):
    with pytest.raises(InputError, match=r"holds no \.parquet file"):
        find(of("parquet", folder))
    (folder / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        find(of("parquet", folder))
    path = embedded(folder, tmp_path / "data.parquet")
    with pytest.raises(InputError, match="no column 'kind'; its columns are image, label"):
        find(of("parquet", path, label_column="kind"))
    rows = pq.read_table(path)
    pq.write_table(rows.set_column(1, "label", pa.array([0, 1, 2] + [0] * 7)), path)
    with pytest.raises(InputError, match="row 3: label 2, but the file has 2 class names"):
        find(of("parquet", path))
    empty = rows.set_column(0, "image", pa.array([{"bytes": None, "path": "x"}] * 10, rows.schema.field(0).type))
    pq.write_table(empty, path)
    assert set(ingested(of("parquet", path), tmp_path / "out").quarantine["reason"]) == {
        "the cell does not contain the bytes of an image"
    }


def test_an_unknown_data_set_of_keras(tmp_path):
    page = tmp_path / "imagenet.md"
    page.touch()
    with pytest.raises(InputError, match=r"is not a data set of Keras; choose one of .*cifar10"):
        find(of("keras", page))


@pytest.mark.skipif(not FASHION.is_dir(), reason="DARKROOM_DATASETS names no folder with fashion-mnist")
@pytest.mark.slow
def test_fashion_mnist_from_the_cache_of_keras(tmp_path, project):
    cache = tmp_path / "home" / "datasets"
    cache.mkdir(parents=True)
    (cache / "fashion-mnist").symlink_to(FASHION)
    code = (
        "from darkroom.data.sources import find; from darkroom.params import DataParams\n"
        "found = find(DataParams(source='keras', path='data/keras/fashion_mnist.md'), (28, 28, 1)).samples\n"
        "print(len(found), sum(sample.split == 'test' for sample in found), found[0].label)"
    )
    printed = project.run("python", "-c", code, KERAS_HOME=str(cache.parent), PYTHONPATH="src")
    assert printed.splitlines()[-1] == "70000 10000 boot"


def hugging_face(folder, files, names=("cat", "dog")):
    """Parquet files with two images of each label, by path; None stands for a file without the column of labels."""
    buffer = io.BytesIO()
    draw("a", 1).save(buffer, "PNG")
    for path, labels in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        columns = {"image": [{"bytes": buffer.getvalue(), "path": None}] * len(labels or [0, 0])}
        rows = pa.table(columns if labels is None else {**columns, "label": labels})
        note = {"info": {"features": {"label": {"names": names}}}}
        pq.write_table(rows.replace_schema_metadata({"huggingface": json.dumps(note)} if names else {}), folder / path)
    return folder


BOTH = [0, 1, 0, 1]


@pytest.mark.parametrize(
    "files",
    [
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001-0a1b.parquet", "data/test-00000-of-00001-0a1b.parquet"),
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("default/partial-train/0000.parquet", "default/holdout/0000.parquet"),
        ("plain_text/cifar10-train.parquet", "plain_text/cifar10-test.parquet"),
        ("TRAIN.parquet", "Testing.parquet"),
    ],
)
def test_splits_of_parquet_files_by_their_paths(tmp_path, files):
    found = find(of("parquet", hugging_face(tmp_path, dict.fromkeys(files, BOTH))))
    assert [sample.split for sample in found.samples].count("train") == 4
    assert [sample.split for sample in found.samples].count("test") == 4
    assert f"{files[0]} as train" in found.notes[0]


@pytest.mark.parametrize(
    ("files", "note"),
    [
        (("a.parquet", "b.parquet"), "no file is called after a split"),
        (("train-0.parquet", "train-1.parquet"), "all files are called train: taken for no split"),
        (("test.parquet",), "all files are called test: taken for no split"),
    ],
)
def test_parquet_files_without_given_splits_say_so(tmp_path, files, note):
    found = find(of("parquet", hugging_face(tmp_path, dict.fromkeys(files, BOTH))))
    assert {sample.split for sample in found.samples} == {None}
    assert found.notes == (note,)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            ("train.parquet", "test.parquet", "extra.parquet"),
            "extra.parquet is not called after one split; test.parquet",
        ),
        (("train-test.parquet", "train.parquet"), "train-test.parquet is not called after one split"),
        (("validation.parquet", "test.parquet"), "no file is called train; add it"),
        (("data/train.parquet", "data/unlabelled.parquet"), "data/unlabelled.parquet is not called after one split"),
    ],
)
def test_ambiguous_names_of_parquet_files(tmp_path, files, words):
    data = of("parquet", hugging_face(tmp_path, dict.fromkeys(files, BOTH)))
    with pytest.raises(InputError, match=words) as caught:
        find(data)
    assert "set data.layout: class" in str(caught.value)
    assert "\n" not in str(caught.value)
    found = find(data.model_copy(update={"layout": "class"}))
    assert {sample.split for sample in found.samples} == {None}
    assert found.notes == ("data.layout: class ignores names of files",)


@pytest.mark.parametrize("labels", [[-1, -1], None])
@pytest.mark.parametrize("names", [("cat", "dog"), None])
def test_parquet_files_without_labels_are_left_out(tmp_path, labels, names):
    folder = hugging_face(tmp_path, {"train.parquet": BOTH, "test.parquet": labels}, names)
    found = find(of("parquet", folder))
    assert len(found.samples) == 4
    assert [file.name for file in found.left_out] == ["test/000000", "test/000001"]
    assert "test.parquet: no row has a label, so its 2 images are left out" in found.notes


def test_a_single_row_without_a_label_is_no_unlabelled_file(tmp_path):
    with pytest.raises(InputError, match="row 2: no label, while other rows of the file have one; label it, or take"):
        find(of("parquet", hugging_face(tmp_path, {"train.parquet": [0, -1, 1]})))
    # Without names of classes, -1 may be one.
    found = find(of("parquet", hugging_face(tmp_path, {"train.parquet": [1, -1, 1]}, names=None)))
    assert {sample.label for sample in found.samples} == {"1", "-1"}


def test_test_images_of_a_table_without_labels_are_left_out(folder):
    path = table(folder, change=lambda rows: rows.assign(
        part=["Training"] * 3 + ["HOLDOUT"] * 2 + ["train", "dev", "dev", "dev", "train"],
        label=["a"] * 3 + [""] * 2 + ["b"] * 5))  # fmt: skip
    found = find(of("table", path, split_column="part"))
    assert [sample.split for sample in found.samples] == ["train"] * 4 + ["validation"] * 3 + ["train"]
    assert [file.reason for file in found.left_out] == ["the source gives it no label"] * 2
    assert found.notes == (
        "no image of the split HOLDOUT has a label: its images are left out",
        "labels.csv: columns of your own: patient",
    )


def image_folder(root, **labels):
    """Images with a table ``metadata.csv`` in each folder."""
    for split, of_split in labels.items():
        (root / split).mkdir(parents=True)
        for number in range(len(of_split)):
            draw("a", number).save(root / split / f"{number}.png")
        rows = {"file_name": [f"{number}.png" for number in range(len(of_split))], "label": of_split}
        pd.DataFrame(rows).to_csv(root / split / "metadata.csv", index=False)
    return root


def test_image_folders_with_a_table_each(tmp_path):
    root = image_folder(tmp_path, train=["cat", "dog"], Testing=["cat", "dog", "dog"])
    data = of("table", root, image_column="file_name")
    found = find(data)
    assert [(sample.name, sample.label, sample.split) for sample in found.samples][-1] == (
        "train/1.png",
        "dog",
        "train",
    )
    assert [sample.split for sample in found.samples].count("test") == 3
    assert "Testing/metadata.csv as test" in found.notes[0]
    with pytest.raises(
        InputError, match=r"if Testing/metadata.csv holds the labels, set data.source: table and data.path"
    ):
        find(of("folder", root))
    (root / "train").rename(root / "more")
    with pytest.raises(InputError, match=r"more/metadata.csv is not called after one split; .*set data.layout: class"):
        find(data)
    assert {sample.split for sample in find(data.model_copy(update={"layout": "class"})).samples} == {None}


def test_images_without_folders_beside_a_table(tmp_path):
    root = image_folder(tmp_path, set=["cat", "dog"]) / "set"
    with pytest.raises(InputError, match=r"holds no image; .*if metadata.csv holds the labels, set data.source: table"):
        find(of("folder", root))


def test_files_of_browsers_on_windows_are_images(tmp_path):
    for label in "ab":
        (tmp_path / "raw" / label).mkdir(parents=True)
        draw(label, 1).save(tmp_path / "raw" / label / "1.jfif", "JPEG")
        draw(label, 2).save(tmp_path / "raw" / label / "2.JPE", "JPEG")
    found = ingested(of("folder", tmp_path / "raw"), tmp_path / "out")
    assert len(found.manifest) == 4
    assert set(found.manifest["note"]) == {""}


@pytest.mark.parametrize("litter", ["@eaDir/1.png/SYNOPHOTO_THUMB_XL.jpg", "$RECYCLE.BIN/x.png", "lost+found/y.png"])
def test_folders_of_systems_and_drives_are_not_read(folder, litter):
    for place in (folder, folder / "a"):
        (place / litter).parent.mkdir(parents=True)
        (place / litter).write_bytes(b"a thumbnail, or what somebody has deleted")
    (folder / "a" / "Icon\r").touch()
    found = find(of("folder", folder))
    assert (len(found.samples), found.left_out, found.notes) == (10, [], ())
