"""``darkroom configure`` chooses settings that fit a folder of images, and says why."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from darkroom.base.errors import InputError
from darkroom.cli import main
from darkroom.configuring import choosing, looking, writing
from darkroom.configuring.looking import Look
from darkroom.evaluation import next_steps
from darkroom.evaluation.intervals import Interval
from darkroom.params import DataParams, read_params
from darkroom.params.data_needs import check_data

IDENTITY = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
SHIPPED = Path(__file__).parents[2] / "params.yaml"


def folder(root, classes, size, *, grey=False):
    """Write images of noise: ``classes`` maps names to numbers of images, ``size`` is width and height."""
    generator = np.random.default_rng(0)
    for label, count in classes.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (size[1], size[0], 1 if grey else 3), dtype=np.uint8)
            Image.fromarray(np.repeat(pixels, 3, axis=2) if grey else pixels).save(root / label / f"{number}.png")
    return root


def chosen(look):
    return {setting.key: setting.value for setting in choosing.choose(look)}


def seen(**changes):
    values = {
        "data": DataParams(source="folder", path="data/raw"),
        "counts": {"a": 500, "b": 500},
        "shorter": 240,
        "longer": 320,
        "is_grey": False,
        "unreadable": 0,
        "looked_at": 200,
    }
    return Look(**{**values, **changes})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SHIPPED, tmp_path / "params.yaml")
    return tmp_path


def test_photographs_get_the_pretrained_network():
    found = chosen(seen())
    assert found["models"] == ["efficientnet_lite0", "logistic_regression"]
    assert found["preprocess.size"] == [224, 224, 3]
    assert "validate.minimum_images_per_class" not in found


@pytest.mark.parametrize(
    ("counts", "batch"),
    [
        ({"a": 500, "b": 500}, 32),  # 16 steps an epoch and more
        ({"a": 633, "b": 898, "c": 699}, None),  # the default, 64
        ({"a": 600, "b": 600, "c": 40}, 32),
        ({"a": 15, "b": 15}, 8),
        ({"a": 2, "b": 2}, 2),
        ({"a": 50_000, "b": 3}, 64),  # batches of two would make 15,000 steps an epoch
    ],
)
def test_batches_are_not_larger_than_the_smallest_class(counts, batch):
    found = chosen(seen(counts=counts))["train.efficientnet_lite0"]
    assert found.get("batch_size") == (None if batch == 64 else batch)


@pytest.mark.parametrize(
    ("look", "least", "most"),
    [
        (seen(counts={"a": 1800, "b": 1868}), 2, 8),  # the flowers: docs/photographs.md
        (seen(counts={"a": 15, "b": 15}), 1, 3),
        (seen(counts={str(digit): 180 for digit in range(10)}, shorter=8, longer=8, is_grey=True), 2, 3),
        (seen(counts={"a": 25_000, "b": 25_000}, shorter=32, longer=32), 10, 60),
    ],
)
def test_the_minutes_to_expect_are_said(look, least, most):
    (reason,) = (setting.reason for setting in choosing.choose(look) if setting.key == "models")
    minutes = int(reason.split("about ")[1].split(" min")[0])
    assert least <= minutes <= most, reason


def test_the_minutes_are_those_of_the_advice_to_a_network_from_scratch():
    look = seen(counts={"ant": 200, "bee": 197})
    result = next_steps.Result(0.55, Interval(0.52, 0.58), 0.5, 900, look.images, look.shorter, False, [])
    (advice,) = (step for step in next_steps.next_steps(result, "good fit", "") if "processor cores" in step)
    assert f"the pipeline takes about {choosing.minutes(look)} min on 2 processor cores" in advice


def test_a_folder_of_parquet_files(project, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    raw = folder(project / "raw", {"ant": 30, "bee": 20}, (32, 24))
    files = sorted(raw.rglob("*.png"))
    images = pa.array([{"bytes": file.read_bytes(), "path": None} for file in files])
    (project / "tables" / "data").mkdir(parents=True)
    pq.write_table(
        pa.table({"image": images, "label": [file.parent.name for file in files]}),
        project / "tables" / "data" / "train-00000-of-00001.parquet",
    )
    (project / "tables" / "README.md").write_text("a data set")
    assert main(["configure", "tables", "--force"]) == 0
    params = read_params()
    assert (params.data.source, params.data.path) == ("parquet", "tables")
    assert params.preprocess.size == (32, 32, 3)


def test_forty_digits(project):
    digits = folder(project / "digits", {str(digit): 4 for digit in range(10)}, (8, 8), grey=True)
    found = chosen(looking.look(str(digits)))
    assert found["models"] == ["mnist_cnn"]
    assert found["preprocess.size"] == [8, 8, 1]
    assert found["validate.minimum_images_per_class"] == 4
    # Not more than a digit has: the default of 64 would be more than all training images.
    assert found["train.mnist_cnn"] == {"batch_size": 4}
    # A mirrored digit is another character, or none.
    assert found["preprocess.augmentation.horizontal_flip"] is False


def test_two_classes_of_fifteen_photographs(project, capsys):
    folder(project / "raw", {"ant": 15, "bee": 15}, (120, 90))
    assert main(["configure", "raw", "--force"]) == 0
    told = capsys.readouterr().out
    assert "the smallest class has 15" in told
    assert "with 6 test images, an accuracy of 0.9 is known to ± 24 points" in told
    params = read_params()
    assert params.models == ("efficientnet_lite0", "logistic_regression")
    assert params.preprocess.size == (96, 96, 3)
    assert params.network("efficientnet_lite0").batch_size == 8
    # What is written can be trained: 18 of the 30 images are for training.
    for network in params.models:
        check_data(network, params.network(network), images=18, classes=2)


def test_a_table_with_columns_of_other_names(project, capsys):
    raw = folder(project / "raw", {"ant": 30, "bee": 20}, (32, 24))
    rows = [f"{file.relative_to(raw)},{file.parent.name}" for file in sorted(raw.rglob("*.png"))]
    (raw / "list.csv").write_text("\n".join(["file,species", *rows]) + "\n")
    assert main(["configure", "raw/list.csv", "--force"]) == 2
    assert "or give configure --image-column" in capsys.readouterr().err
    columns = ["--image-column", "file", "--label-column", "species"]
    assert main(["configure", "raw/list.csv", "--force", *columns]) == 0
    data = read_params().data
    assert (data.source, data.image_column, data.label_column) == ("table", "file", "species")
    shutil.rmtree(raw / "bee")
    assert main(["configure", "raw", "--force", "--image-column", "file"]) == 2
    assert "raw is no table or parquet, which --image-column is for" in capsys.readouterr().err


def test_folders_whose_names_leave_open_what_they_are(project, capsys):
    folder(project / "raw", {"train": 30, "bus": 20}, (32, 24))
    assert main(["configure", "raw", "--force"]) == 2
    assert "(for configure: --layout)" in capsys.readouterr().err
    assert main(["configure", "raw", "--force", "--layout", "class"]) == 0
    assert read_params().data.layout == "class"


def test_what_was_stated_of_other_images_is_forgotten(project):
    folder(project / "raw", {"ant": 30, "bee": 20}, (32, 24))
    text = Path("params.yaml").read_text().replace("data:\n", "data:\n  group_column: patient\n  layout: class\n")
    Path("params.yaml").write_text(text)
    assert main(["configure", "raw", "--force"]) == 0
    assert (read_params().data.group_column, read_params().data.layout) == (None, "auto")
    # Of the same images it stays.
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("data:\n", "data:\n  layout: class\n"))
    assert main(["configure", "raw", "--force"]) == 0
    assert read_params().data.layout == "class"


def test_a_folder_of_images_without_classes_beside_a_table_names_the_table(project, capsys):
    folder(project / "raw", {"img": 3}, (20, 20))
    (project / "raw" / "list.csv").write_text("image,label\n")
    assert main(["configure", "raw", "--force"]) == 2
    told = capsys.readouterr().err
    assert "left out: 1 file; 1 (list.csv)" in told
    assert (
        "if list.csv holds the labels, set data.source: table and data.path to it, or run darkroom configure on it"
        in told
    )


def test_numbers_agree_with_their_nouns():
    alike = {setting.key: setting.reason for setting in choosing.choose(seen(counts={"a": 3, "b": 3}))}
    assert alike["data.path"].startswith("3 images per class; with 1 test image, ")
    assert "an epoch has 2 steps" in alike["train.efficientnet_lite0"]
    other = {setting.key: setting.reason for setting in choosing.choose(seen(counts={"a": 3, "b": 4}))}
    assert other["data.path"].startswith("3 to 4 images per class")


def test_a_zip_file(project, capsys):
    folder(project / "raw", {"ant": 30, "bee": 20}, (32, 24))
    with zipfile.ZipFile("bugs.zip", "w") as archive:
        for file in sorted(Path("raw").rglob("*.png")):
            archive.write(file)
    assert main(["configure", "bugs.zip", "--force"]) == 0
    params = read_params()
    assert (params.data.source, params.data.path) == ("archive", "bugs.zip")
    assert params.models == ("cifar_bn_cnn",)
    assert params.preprocess.size == (32, 32, 3)
    assert params.preprocess.augmentation.horizontal_flip


def test_the_encoding_of_an_archives_names_is_written_where_it_is_given(project, capsys):
    folder(project / "raw", {"XXXX": 30, "bee": 20}, (32, 24))
    with zipfile.ZipFile("bugs.zip", "w") as archive:
        for file in sorted(Path("raw").rglob("*.png")):
            archive.write(file)
    Path("bugs.zip").write_bytes(Path("bugs.zip").read_bytes().replace(b"XXXX", "アリ".encode("cp932")))
    assert main(["configure", "bugs.zip", "--force"]) == 2
    assert "configure, drift and label-next by --name-encoding" in capsys.readouterr().err
    assert main(["configure", "bugs.zip", "--force", "--name-encoding", "cp932"]) == 0
    assert read_params().data.name_encoding == "cp932"
    assert main(["configure", "raw", "--force", "--name-encoding", "cp932"]) == 2
    assert "raw is no archive" in capsys.readouterr().err


def test_grey_scans_are_converted_for_the_pretrained_network():
    look = seen(counts={"ok": 4900, "crack": 100}, is_grey=True, shorter=100, longer=100)
    found = {setting.key: setting for setting in choosing.choose(look)}
    assert found["preprocess.size"].value == [128, 128, 3]
    assert "grey images are converted" in found["preprocess.size"].reason
    assert found["validate.maximum_class_ratio"].value == 49
    assert found["train.efficientnet_lite0"].value == {"class_weights": "balanced"}
    assert found["train.logistic_regression"].value == {"class_weights": "balanced"}


@pytest.mark.parametrize(
    "look",
    [
        seen(),
        seen(counts={"a": 2, "b": 2}, shorter=3, longer=5, is_grey=True),
        seen(counts={"a": 10_000, "b": 3}, shorter=65, longer=65),
        seen(counts={"a": 40, "b": 40}, shorter=30, longer=64),
        seen(data=DataParams(source="parquet", path="data/images.parquet"), shorter=4000, longer=6000),
    ],
)
def test_what_is_written_is_valid(project, look):
    writing.write(list(choosing.choose(look)), Path("params.yaml"))
    params = read_params()
    assert params.data == look.data
    # The comments of other values stay.
    assert "# k of the top-k accuracy" in Path("params.yaml").read_text()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "raw does not exist"),
        (lambda root: root.mkdir(), "holds no image"),
        (lambda root: folder(root, {"ant": 3}, (20, 20)), "only the class 'ant'"),
        (lambda root: root.write_text("text"), "expected a folder, or a file ending in"),
    ],
)
def test_a_folder_without_images_is_refused(project, capsys, make, words):
    make(project / "raw")
    before = Path("params.yaml").read_text()
    assert main(["configure", "raw", "--force"]) == 2
    assert words in capsys.readouterr().err
    assert Path("params.yaml").read_text() == before


def test_damaged_images_are_refused(project):
    for label in ("a", "b"):
        (project / "raw" / label).mkdir(parents=True)
        (project / "raw" / label / "0.png").write_text("no image")
    with pytest.raises(InputError, match="none of 2 images can be decoded"):
        looking.look("raw")


def test_outside_a_project_it_is_said_where_to_run_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["configure", str(folder(tmp_path / "raw", {"ant": 20, "bee": 20}, (20, 20)))]) == 2
    assert "params.yaml: no such file; run from the repository's root" in capsys.readouterr().err


def test_a_changed_file_is_not_overwritten(project, capsys):
    folder(project / "raw", {"ant": 20, "bee": 20}, (20, 20))
    assert main(["configure", "raw"]) == 2
    assert "has changes that are not committed" in capsys.readouterr().err
    for arguments in (["init", "-q"], ["add", "params.yaml"], [*IDENTITY, "commit", "-qm", "shipped"]):
        subprocess.run(["git", *arguments], check=True)
    assert main(["configure", "raw"]) == 0
    assert main(["configure", "raw"]) == 2
    assert "has changes that are not committed" in capsys.readouterr().err
    assert main(["configure", "raw", "--force"]) == 0


def test_images_that_cannot_be_decoded_are_said():
    found = {setting.key: setting.reason for setting in choosing.choose(seen(unreadable=3))}
    assert "3 of 200 that were looked at cannot be decoded" in found["data.source"]


DAMAGED = {
    "invalid YAML": ("a: [", "invalid YAML"),
    "nothing": ("", "the file holds NoneType instead of settings by name"),
    "a list": ("[1]", "the file holds CommentedSeq"),
    "a section that is a number": ("data: 3\n", "data holds int instead of settings by name; restore it from git"),
    "nested too deeply": ("a: " + "[" * 10_000, "nested levels"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_told_in_one_line_and_left_as_it_is(tmp_path, kind):
    content, words = DAMAGED[kind]
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as error:
        writing.write(list(choosing.choose(seen())), path)
    assert "\n" not in str(error.value)
    assert path.read_text() == content


def test_a_missing_file_is_told_and_missing_sections_are_added(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(InputError, match=r"params\.yaml: cannot be read"):
        writing.write(list(choosing.choose(seen())), path)
    path.write_text("train: {seed: 1}\n")
    writing.write(list(choosing.choose(seen())), path)
    written = YAML(typ="safe").load(path.read_text())
    assert written["data"] == {"source": "folder", "path": "data/raw"}
    assert written["train"]["seed"] == 1
