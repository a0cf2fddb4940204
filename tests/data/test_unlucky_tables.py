"""Tables as people and programs really write them: what is read, and what is refused with advice that helps."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkroom.base.errors import InputError
from darkroom.data.sources import find
from support.sources import of

PICTURE = b"not read here"


def table(tmp_path, text, files=("1.png", "x/2.png", "x/3.png")):
    for name in files:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(PICTURE)
    path = tmp_path / "set" / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(data):
    with pytest.raises(InputError) as caught:
        find(data, (4, 4, 1))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,label\n1.png,a\n./1.png,b\n", "row 3: 1.png is already in row 2"),
        ("image,label\nx/2.png,a\nx//2.png,b\n", "row 3: x/2.png is already in row 2"),
        ("image,label\nx/2.png,a\nx\\2.png,b\n", "row 3: x/2.png is already in row 2"),
        ("image,label\nx/2.png,a\n1.png,b\nx/../1.png,b\n", "row 4: 1.png is already in row 3"),
        ("image,label,label\n1.png,a,b\nx/2.png,b,a\n", "the column 'label' stands 2 times"),
        ("\ufeffimage;label\n1.png;a\nx/2.png;b\n", "its cells are separated by ';'; save it with commas"),
        ("image\tlabel\n1.png\ta\n", r"its cells are separated by '\t'; save it with commas, or as .tsv"),
        ("image,label\n1.png,Öl\nx/2.png,b\n".encode("cp1252"), "is not in UTF-8; save it as CSV in UTF-8"),
        ("image,label\n1.png,a\nx/2.png,b\n".encode("utf-16"), "is not in UTF-8; save it as CSV in UTF-8"),
        ("image,label\n1.png,1\nx/2.png,1.0\nx/3.png,2\n", "differ only in case, spaces"),
    ],
)
def test_what_is_refused_with_its_remedy(tmp_path, text, words):
    assert words in refusal(of("table", table(tmp_path, text)))


def test_paths_of_windows_and_files_of_macos(tmp_path):
    path = table(tmp_path, "\ufeffimage,label\r\n1.png,a\r\nx\\2.png,b\r\n")
    path.with_name("._labels.csv").write_bytes(b"Mac OS X")
    found = find(of("table", path.parent), (4, 4, 1))
    assert [(sample.name, sample.label) for sample in found.samples] == [("1.png", "a"), ("x/2.png", "b")]


@pytest.mark.parametrize("way", ["up", "absolute", "link", "linked folder"])
def test_files_outside_the_folder_are_read_only_if_asked(tmp_path, way):
    secret = tmp_path / "elsewhere" / "2.png"
    secret.parent.mkdir()
    secret.write_bytes(PICTURE)
    named = {"up": "../elsewhere/2.png", "absolute": str(secret), "link": "x/l.png", "linked folder": "y/2.png"}[way]
    path = table(tmp_path, f"image,label\n1.png,a\nx/2.png,b\n{named},a\n")
    (path.parent / "x" / "l.png").symlink_to(secret)
    (path.parent / "y").symlink_to(secret.parent)
    found = find(of("table", path), (4, 4, 1))
    assert len(found.samples) == 2
    assert [file.reason for file in found.left_out] == ["it lies outside the folder of the table"]
    assert len(find(of("table", path, follow_links=True), (4, 4, 1)).samples) == 3


def parquet(path, labels, names=None):
    rows = pa.table({"image": [{"bytes": PICTURE}] * len(labels), "label": labels})
    if names:
        note = json.dumps({"info": {"features": {"label": {"names": names}}}})
        rows = rows.replace_schema_metadata({"huggingface": note})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"train": ["cat", "dog"], "test": None}, "test.parquet are without names, those of train.parquet cat, dog"),
        (
            {"a/train": ["cat", "dog"], "b/train": ["pear", "plum"], "a/test": ["cat", "dog"]},
            "b/train.parquet pear, plum",
        ),
        ({"train": ["cat", "dog"], "test": ["cat", "cow"]}, "set data.path to the files of one data set"),
    ],
)
def test_numbers_that_mean_different_classes_are_refused(tmp_path, files, words):
    for name, names in files.items():
        parquet(tmp_path / "set" / f"{name}.parquet", [0, 1], names)
    assert words in refusal(of("parquet", tmp_path / "set"))


def test_numbers_mean_what_their_own_file_says(tmp_path):
    parquet(tmp_path / "set" / "TRAIN.PARQUET", [0, 1], ["cat", "dog"])
    parquet(tmp_path / "set" / "test.parquet", [0], ["dog", "cat"])
    (tmp_path / "set" / "._train.parquet").write_bytes(b"Mac OS X")
    (tmp_path / "set" / ".cache").mkdir()
    (tmp_path / "set" / ".cache" / "train.parquet").write_bytes(b"half of a download")
    found = find(of("parquet", tmp_path / "set"), (4, 4, 1)).samples
    assert [(one.name, one.label, one.split) for one in found] == [
        ("TRAIN/000000", "cat", "train"),
        ("TRAIN/000001", "dog", "train"),
        ("test/000000", "dog", "test"),
    ]


def test_parts_that_are_not_there_are_told(tmp_path):
    for name in ("train-00000-of-00003", "train-00002-of-00003", "test-00000-of-00001"):
        parquet(tmp_path / "set" / f"{name}.parquet", ["cat", "dog"])
    (told,) = [note for note in find(of("parquet", tmp_path / "set"), (4, 4, 1)).notes if "parts" in note]
    assert "2 of 3 parts of train" in told


@pytest.mark.parametrize(("labels", "words"), [([b"cat", b"dog"], None), ([b"cat", b"\xff"], "UTF8")])
def test_labels_as_bytes_are_texts(tmp_path, labels, words):
    parquet(tmp_path / "set.parquet", labels)
    data = of("parquet", tmp_path / "set.parquet")
    if words:
        assert words in refusal(data)
    else:
        assert [sample.label for sample in find(data, (4, 4, 1)).samples] == ["cat", "dog"]
