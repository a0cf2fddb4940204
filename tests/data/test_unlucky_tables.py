"""Tables as people and programs really write them: what is read, and what is refused with advice that helps."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkroom.base.errors import InputError
from darkroom.data.sources import find
from support.sources import of

PICTURE = b"not read here"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


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
        (" image , label,\n1.png,a,\n", "its columns are ' image ', ' label', '': set data.image_column"),
        (
            b"PK\x03\x04\x14\0\x06\0[Content_Types].xml",
            "is a zip file, as an Excel workbook (.xlsx) is; save the table",
        ),
        ('[{"image": "1.png", "label": "a"}]', "labels.csv is JSON; write its labels as CSV"),
        (LFS, "labels.csv is a pointer of Git LFS instead of the file; fetch the file with git lfs pull"),
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


@pytest.mark.parametrize("source", ["parquet", "table"])
def test_what_is_no_parquet_file_is_named(tmp_path, source):
    (tmp_path / "train.parquet").write_bytes(LFS)
    assert "fetch the file with git lfs pull" in refusal(of(source, tmp_path / "train.parquet"))
    (tmp_path / "train.parquet").write_bytes(b"<html><title>Sign in</title></html>")
    assert "is a web page instead of the file" in refusal(of(source, tmp_path / "train.parquet"))


def test_several_labels_for_each_image_are_refused_with_advice_that_helps(tmp_path):
    parquet(tmp_path / "train.parquet", [[0, 1], [1]])
    line = refusal(of("parquet", tmp_path / "train.parquet"))
    assert "the column label holds list<element: int64>, expected was one text or number for each image" in line
    assert "download" not in line


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("split", ["train", "test", "train"], True),
        ("Subset", ["Training", "", "VAL"], True),
        ("part", ["train", "hold-out", "train"], True),
        ("site", ["train station", "harbour", "airport"], False),
        ("part", ["a", "b", "c"], False),
    ],
)
def test_a_column_that_seems_to_assign_splits_is_told(tmp_path, column, values, told):
    rows = zip(("1.png", "x/2.png", "x/3.png"), "aba", values, strict=True)
    path = table(tmp_path, f"image,label,{column}\n" + "".join(f"{','.join(row)}\n" for row in rows))
    line = f"labels.csv: the column {column} assigns no splits; set data.split_column: {column} if it does"
    assert (line in find(of("table", path), (4, 4, 1)).notes) is told
    if told:
        used = find(of("table", path, split_column=column), (4, 4, 1))
        assert line not in used.notes
        assert {sample.split for sample in used.samples} > {"train"}


@pytest.mark.parametrize("written", ["plain", "absolute", "backslash"])
def test_images_without_a_row_are_left_out_and_told(tmp_path, written):
    name = {"plain": "./x//2.png", "absolute": str(tmp_path / "set/x/2.png"), "backslash": "x\\2.png"}[written]
    path = table(tmp_path, f"image,label,part\n1.png,a,train\n{name},b,train\nx/3.png,,test\n")
    (path.parent / "x" / "4.JPG").write_bytes(PICTURE)
    (path.parent / ".hidden.png").write_bytes(PICTURE)
    found = find(of("table", path.parent, split_column="part"), (4, 4, 1))
    assert len(found.samples) == 2
    assert [(file.name, file.reason) for file in found.left_out] == [
        ("x/3.png (row 4)", "the source gives it no label"),
        ("x/4.JPG", "the source gives it no label"),
    ]
    # Beside a file that is named, there may be anything.
    assert len(find(of("table", path, split_column="part"), (4, 4, 1)).left_out) == 1
