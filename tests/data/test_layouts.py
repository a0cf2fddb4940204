"""What the names of folders are taken for: never is a split's name a class unless somebody says so."""

import zipfile
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from darkroom.base.errors import InputError
from darkroom.data.sources import archives
from darkroom.data.sources.layout import group_by_folder, is_hidden, read_layout
from darkroom.data.sources.split_names import part_of, part_within
from darkroom.inference import images


def layout(*folders, rule="auto", files=()):
    """Read a layout of two images in each folder."""
    names = [f"{folder}/{number}.png".lstrip("/") for folder in folders for number in range(2)]
    return read_layout(group_by_folder(dict.fromkeys([*names, *files])), rule)


def taken(found):
    """Number of images of each class and split."""
    return dict(Counter({(label, split): len(files) for (_, files), label, split in found.images}))


def refusal(*folders, **more):
    with pytest.raises(InputError) as caught:
        layout(*folders, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SPELLINGS = {
    "train": "train Train TRAIN_SET training Training-Data trainset TrainSet TrAiN train2017 01_train 训练集 Ｔrain",
    "validation": "val VAL valid validation Validation_set dev devel val2017 eval validation-images",
    "test": "test TEST Testing test_set testset Test1 holdout hold-out held_out tst TestImages 测试集",
    None: "bus trainer train_station testament invalid value devil holding validity 1 set data raw images part1",
    "unclear": "fold1 fold_2 split3 train_test",
    "unlabelled": "unlabeled unlabelled2017 unsup",
}


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, names in SPELLINGS.items() for name in names.split()]
)
def test_names_of_splits(part, name):
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train-00000-of-00002", "train"),
        ("data/validation-00000-of-00001-a1b2c3", "validation"),
        ("default/partial-train/0000", "train"),
        ("test_collection/cifar10-train", "train"),
        ("cats/0000", None),
        ("train-test", "unclear"),
    ],
)
def test_names_of_splits_in_paths(path, split):
    assert part_within(path.split("/")) == split


@pytest.mark.parametrize("train", SPELLINGS["train"].split())
@pytest.mark.parametrize("test", ["test", "Holdout", "TEST_SET", "val"])
def test_given_splits_in_any_spelling(train, test):
    found = layout(f"{train}/cat", f"{train}/dog", f"{test}/cat", f"{test}/dog")
    split = "validation" if test == "val" else "test"
    assert taken(found) == {(label, part): 2 for label in ("cat", "dog") for part in ("train", split)}
    assert found.left_out == []
    assert f"{train} as train" in found.notes[0]


@pytest.mark.parametrize(
    "folders",
    [
        ["train/cat", "train/dog", "test"],
        ["train/cat", "train/dog", "test/unknown"],
        ["train/cat", "train/dog", "test/test"],
        ["Train/Cat", "Train/Dog", "Test1/images/a", "Test1/images/b"][:3],
        ["train/train/cat", "train/train/dog", "test/test"],
        ["train/cat", "train/dog", "unlabeled"],
    ],
)
@pytest.mark.parametrize("outer", ["", "set/", "dataset/dataset/"])
def test_unlabelled_images_are_left_out_and_told(folders, outer):
    found = layout(*(f"{outer}{folder}" for folder in folders))
    assert {(label.lower(), split) for label, split in taken(found)} == {("cat", "train"), ("dog", "train")}
    assert {file.reason for file in found.left_out} == {"the source gives it no label"}
    assert len(found.left_out) == 2
    assert any("are left out, unlabelled" in note for note in found.notes)


@pytest.mark.parametrize("outer", ["set", "dataset/dataset", "a/b/c"])
def test_folders_around_everything_are_skipped_and_told(outer):
    found = layout(f"{outer}/cat", f"{outer}/dog", outer, files=[f"{outer}/notes.txt", "notes.txt", "cover.png"])
    assert taken(found) == {("cat", None): 2, ("dog", None): 2}
    assert found.notes[0].startswith(f"{outer}/ holds all images")
    reasons = {file.name: file.reason for file in found.left_out}
    # Two files of one name keep their full paths.
    assert set(reasons) == {"0.png", "1.png", "cover.png", "notes.txt", f"{outer}/notes.txt"}
    assert reasons["cover.png"] == "it lies beside the class folders"


def test_one_split_alone_is_neither_class_nor_split():
    found = layout("train/cat", "train/dog")
    assert taken(found) == {("cat", None): 2, ("dog", None): 2}
    assert "taken for neither class nor split" in found.notes[0]


def test_class_folders_with_split_folders():
    found = layout(*(f"{label}/{split}" for label in ("cat", "dog") for split in ("train", "val", "test")))
    assert taken(found)["dog", "validation"] == 2
    assert len(taken(found)) == 6
    line = refusal("cat/train", "cat/test", "dog")
    assert "cat/test, cat/train are called after splits, but dog is not; set data.layout: class to ignore" in line
    assert taken(layout("cat/train", "cat/test", "dog", rule="class")) == {("cat", None): 2, ("dog", None): 2}


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["train", "test"], "train holds no class folder; expected train/<class>/<image>"),
        (["train", "bus"], "train is called after parts of a data set, bus is not; set data.layout: class"),
        (["cat", "dog", "test"], "test is called after parts of a data set, cat, dog are not"),
        (["cat", "dog", "Unlabelled"], "Unlabelled is called after parts"),
        (["fold1/cat", "fold1/dog", "fold2/cat", "fold2/dog"], "fold1, fold2 are called after parts of a data set;"),
        (["train/train", "test/test"], "train is called after parts of a data set again"),
        (["val/cat", "val/dog", "test/cat", "test/dog"], "test, val: none is called train"),
        (["train/cat", "train/dog", "extra/cat"], "extra is not"),
        (
            ["train/cat", "train/dog", "test/1", "test/2"],
            "test has the classes 1, 2, train has cat, dog: none in common",
        ),
        (
            ["mnist_train/1", "mnist_train/2", "mnist_test/1"],
            "set data.layout: class if they are classes, or split/class",
        ),
    ],
)
def test_what_is_ambiguous_is_refused_with_what_settles_it(folders, words):
    line = refusal(*folders)
    assert words in line
    assert "data.layout: " in line or "rename them" in line


def test_a_table_beside_unlabelled_images_is_named():
    line = refusal("train", "test", files=["train.csv"])
    assert "if train.csv holds the labels, set data.source: table and data.path to it" in line


def test_the_parameter_settles_it():
    assert taken(layout("train", "test", rule="class")) == {("train", None): 2, ("test", None): 2}
    folders = [f"{split}/{label}" for split in ("train", "test") for label in ("car", "train")]
    assert "set data.layout: split/class if they are classes" in refusal(*folders)
    assert taken(layout(*folders, rule="split/class"))["train", "test"] == 2
    named = layout("mnist_train/1", "mnist_train/2", "mnist_test/1", "mnist_test/2", rule="split/class")
    assert taken(named)["1", "test"] == 2
    assert taken(layout("train/cat", "train/dog", rule="split/class")) == {("cat", "train"): 2, ("dog", "train"): 2}
    assert "bus is not called after one split" in refusal("train/cat", "bus/cat", rule="split/class")
    assert taken(layout("cat/x_train", "cat/x", "dog/x_train", rule="class/split")) == {
        (label, "train"): 2 for label in ("cat", "dog")
    }


def test_case_twins_between_splits_are_no_unlabelled_images():
    found = layout("train/Cat", "train/Dog", "test/cat")
    assert taken(found)["cat", "test"] == 2  # refused afterwards, as differing in case only


WORDS = ["train", "Test", "val", "cat", "dog", "set", "fold1", "unknown", "images", "unlabelled", "__MACOSX", ".git"]
ENDS = ["1.png", "2.JPG", "notes.txt", "Thumbs.db", ".DS_Store", "labels.csv"]
PATHS = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), max_size=4), st.sampled_from(ENDS)).map(
        lambda at: "/".join([*at[0], at[1]])
    ),
    min_size=1,
    max_size=25,
    unique=True,
)
RULES = st.sampled_from(["auto", "class", "split/class", "class/split"])


@settings(max_examples=300)
@given(PATHS, RULES)
@example(["train/1.png", "train/train/train/1.png"], "class")
def test_files_found_are_used_or_left_out(paths, rule):
    try:
        found = read_layout(group_by_folder(dict.fromkeys(paths)), rule)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - a refusal is allowed, a second line is not
        return
    used = [below + name for (below, files), _, _ in found.images for name in files]
    left_out = [file.name for file in found.left_out]
    assert len(used) + len(left_out) == len(paths)
    assert len({*used, *left_out}) == len(paths), "names are unique"
    assert all(name.lower().endswith(images.ENDINGS) for name in used)
    if rule == "auto":
        assert not [label for _, label, _ in found.images if part_of(label)], "a split became a class"


ENTRIES = [
    *("a/1.png", "a\\1.png", "./a/1.png", "b/1.png", "b//1.png", "set/a/1.png", "x.txt", "a/", "cover.png"),
    *("__MACOSX/a/._1.png", "b/Thumbs.db"),
]


@settings(max_examples=100)
@given(st.lists(st.sampled_from(ENTRIES), max_size=12))
def test_entries_of_an_archive_are_used_or_left_out(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "generated.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # of repeated names
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    visible = [name for name in names if not name.endswith("/") and not any(map(is_hidden, name.split("/")[-2:]))
               and not name.startswith("__MACOSX")]  # fmt: skip
    try:
        found, left_out, _ = archives.find(path)
    except InputError:
        return
    assert len(found) + len(left_out) == len(visible)
    assert len({sample.name for sample in found}) == len(found)
    for sample in found:
        assert sample.place.read() == b"x"


def zipped(path, names, raw=None):
    """Pack a file at each name; ``XXXX`` in names becomes other bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name)
    if raw:
        path.write_bytes(path.read_bytes().replace(b"XXXX", raw))
    return path


NAMES = [f"{label}/{number}.png" for label in ("XXXX", "dog") for number in range(2)]


@pytest.mark.parametrize(
    ("encoding", "label"),
    [("gbk", "苹果"), ("cp1252", "Öltz"), ("cp437", "Öltz"), ("cp932", "ネコ"), ("cp1251", "Кота"), ("cp949", "사과")],
)
def test_names_in_an_encoding_that_the_archive_does_not_say(tmp_path, encoding, label):
    path = zipped(tmp_path / "raw.zip", NAMES, raw=label.encode(encoding))
    with pytest.raises(
        InputError, match=r"does not say its encoding and is not UTF-8; .* by data\.name_encoding"
    ) as caught:
        archives.find(path)
    assert "\n" not in str(caught.value)
    found, _, _ = archives.find(path, encoding=encoding)
    assert {sample.label for sample in found} == {label, "dog"}
    assert len(found) == 4
    assert found[0].place.read()


def test_names_in_utf8_without_the_flag_and_with_it(tmp_path):
    path = zipped(tmp_path / "raw.zip", NAMES, raw="äö".encode())
    assert {sample.label for sample in archives.find(path)[0]} == {"äö", "dog"}
    path = zipped(tmp_path / "raw.zip", [name.replace("XXXX", "äö") for name in NAMES])
    assert {sample.label for sample in archives.find(path, encoding="gbk")[0]} == {"äö", "dog"}
    path.write_bytes(path.read_bytes().replace("äö".encode(), b"\xe4\xf6\xff\xff"))
    with pytest.raises(InputError, match="a name is marked as UTF-8 and is not; pack the images again"):
        archives.find(path)


def test_a_file_name_alone_decides_nothing(tmp_path):
    path = zipped(
        tmp_path / "raw.zip", [*(name.replace("XXXX", "cat") for name in NAMES), "dog/XXXX.png"], raw=b"\xe9 a\xe9"
    )
    found, _, _ = archives.find(path)
    assert "dog/%E9 a%E9.png" in {sample.name for sample in found}


@pytest.mark.parametrize("name", [".", "./", "/", "\\"])
def test_entries_without_a_name(tmp_path, name):
    path = zipped(tmp_path / "raw.zip", ["a/1.png", name])
    try:
        found, _, _ = archives.find(path)
        assert len(found) == 1
    except InputError as error:
        assert "is no name of a file" in str(error) or "points outside" in str(error)  # noqa: PT017


@pytest.mark.parametrize("outer", ["", "set\\"])
def test_backslashes_are_dividers(tmp_path, outer):
    names = [outer + name.replace("/", "\\") for name in NAMES]
    found, left_out, _ = archives.find(zipped(tmp_path / "raw.zip", [*names, "dog\\"]))
    assert [sample.name for sample in found] == sorted(NAMES)
    assert [sample.place.read().decode() for sample in found] == sorted(names)
    assert left_out == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_of_one_name_the_last_is_used_and_the_first_is_told(tmp_path):
    path = tmp_path / "raw.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("a/1.png", "old"), ("b/1.png", "b"), ("./a/1.png", "newer"), ("a/1.png", "newest")):
            archive.writestr(name, content)
    found, left_out, _ = archives.find(path)
    assert {sample.name: sample.place.read() for sample in found} == {"a/1.png": b"newest", "b/1.png": b"b"}
    assert [file.name for file in left_out] == ["a/1.png (1)", "a/1.png (2)"]
    assert left_out[0].reason == "entry 3 of the archive has the same name"


@pytest.mark.parametrize(
    ("tops", "rule"),
    [
        (["entrenamiento", "prueba"], "class"),
        (["tr", "te", "va"], "class"),
        (["обучение", "тест"], "class"),
        (["学習", "テスト"], "class"),
        (["2019", "2020"], "class"),
        (["2019/train", "2019/test", "2020/train", "2020/test"], "class/split"),
        (["cat/round1/train", "cat/round1/test", "dog/round1/train"], "class"),
    ],
)
def test_two_depths_that_may_be_the_classes_are_refused(tops, rule):
    folders = [f"{top}/{label}" for top in tops for label in ("apple", "pear")]
    assert f"set data.layout: {rule}" in refusal(*folders)
    assert {label for label, _ in taken(layout(*folders, rule=rule))} == {top.split("/")[0] for top in tops}


@pytest.mark.parametrize(
    "folders",
    [
        ["images", "masks"],
        ["train/images/a", "train/masks/a", "val/images/a", "val/masks/a"],
        ["JPEGImages", "SegmentationClass", "annotated"],
    ],
)
def test_a_kind_of_file_is_no_class(folders):
    line = refusal(*folders)
    assert "called after a kind of file" in line
    assert taken(layout(*folders, rule="split/class" if "train" in folders[0] else "class"))


@pytest.mark.parametrize("above", ["{}/{}1", "train/{}/{}1", "{}/train/{}1"])
def test_folders_below_classes_are_told(above):
    found = layout(
        *(above.format(label, label) for label in ("animal", "car")),
        *(["test/car"] if above.startswith("train") else []),
    )
    (told,) = [note for note in found.notes if note.startswith("folders below a class count as its own: ")]
    assert above.format("animal", "animal") in told
