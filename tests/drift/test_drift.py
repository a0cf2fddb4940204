"""Drift: false alarms and power on the digits, the command as a user calls it."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from scipy import stats

from darkroom.base.errors import InputError
from darkroom.cli import main
from darkroom.data.formats.samples import Sample as Listed
from darkroom.data.prepared.prepared import Prepared
from darkroom.drift import arrivals, comparison, permutation, samples
from darkroom.drift.comparison import ReferenceModel
from darkroom.drift.measures import image_statistics
from darkroom.inference.images import from_array, to_pixels
from support.pictures import draw
from support.prepared import write_prepared
from support.projects import environment

COLUMNS = ["test", "statistic", "value", "moved", "p", "corrected p", "drift"]
OF_GREY = ["brightness", "contrast", "sharpness", "balance", "direction"]
SHAPES = ["width", "height", "aspect"]


def load_scans():
    """The digits at 8×8, and their labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.round(digits.images * (255 / 16)).astype(np.uint8), digits.target.astype(str)


def prepared(scans, change=lambda image: image):
    return np.stack([to_pixels(change(from_array(scan)), (28, 28, 1), "bicubic", "stretch") for scan in scans])


def darker(image):
    return image.point(lambda value: value * 0.7)


def blurred(image):
    return image.filter(ImageFilter.GaussianBlur(1))


@pytest.fixture(scope="module")
def digits():
    scans, labels = load_scans()
    changes = {"same": lambda image: image, "darker": darker, "blurred": blurred}
    return {name: image_statistics(prepared(scans, change)) for name, change in changes.items()}, labels


def sample(measures, labels, rows):
    return samples.Sample({name: values[rows] for name, values in measures.items()}, labels[rows])


@pytest.fixture
def few_permutations(monkeypatch):
    """Fewer than a user gets: p-values become coarser, and no less right."""
    monkeypatch.setattr(permutation, "MARGIN", 2)


@pytest.mark.slow
def test_fresh_samples_of_the_same_data_raise_few_alarms(digits, few_permutations):
    measures, labels = digits
    alarms, p_values = 0, []
    for seed in range(100):
        order = np.random.default_rng(seed).permutation(len(labels))
        training, new = (sample(measures["same"], labels, rows) for rows in (order[:400], order[400:600]))
        outcomes = permutation.compare(training, new, 0.01, seed)
        alarms += any(outcome.drift for outcome in outcomes)
        p_values.append([outcome.p for outcome in outcomes])
    assert alarms <= 4
    # Under no drift a p-value is as likely to lie anywhere as anywhere else.
    assert [stats.kstest(of_test, "uniform").pvalue > 0.01 for of_test in zip(*p_values, strict=True)] == [True] * 6


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("kind", "missing", "tests"),
    [
        ("darker", None, {"brightness", "contrast", "sharpness"}),
        ("blurred", None, {"contrast", "sharpness"}),
        ("same", "7", {"labels"}),
    ],
)
def test_power(digits, few_permutations, kind, missing, tests, seed):
    measures, labels = digits
    order = np.random.default_rng(seed).permutation(len(labels))
    rows = order[1000:1360]
    training = sample(measures["same"], labels, order[:1000])
    new = sample(measures[kind], labels, rows[labels[rows] != missing])
    assert {outcome.test for outcome in permutation.compare(training, new, 0.01, seed) if outcome.drift} >= tests


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["a/1.png", "b/1.png"], ["a", "b"]),
        (["new/june/a/x/1.png", "new/june/z/1.png"], ["a", "z"]),
        (["1.png", "2.png"], None),
        (["june/1.png", "july/1.png"], None),
        (["a/1.png", "2.png"], None),
    ],
)
def test_labels_are_folders_beside_one_that_is_named_like_a_class(names, labels):
    found = arrivals.label_by_folder([Listed(name, "", Path(name)) for name in names], ["a", "b"])
    assert (found and [one.label for one in found]) == labels


def write_new(folder, labels="abc", count=20, first=1000, change=lambda image: image, flat=False):
    for label in labels:
        for number in range(first, first + count):
            path = folder / (f"{label}{number}.png" if flat else f"{label}/{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            change(draw(label, number)).save(path)
    return str(folder)


@pytest.fixture(scope="module")
def prepared_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")

    def rows(numbers):
        images = [(f"{label}/{number}.png", label, draw(label, number)) for label in "abc" for number in numbers]
        return [(*row, to_pixels(row[-1], (28, 28, 1), "bicubic", "stretch")) for row in images]

    splits = {"train": rows(range(60)), "validation": rows(range(60, 80))}
    write_prepared(root, splits, ("a", "b", "c"), (28, 28, 1))
    return root


@pytest.fixture
def here(prepared_folder, tmp_path, monkeypatch):
    """A folder with prepared data; the test runs inside it."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/prepared").symlink_to(prepared_folder)
    return tmp_path


def call(capsys, *arguments):
    code = main(["drift", *arguments])
    return code, capsys.readouterr()


def rows_of(capsys, *arguments, code=0):
    found, printed = call(capsys, *arguments, "--no-model", "--json")
    assert found == code, printed.err
    return json.loads(printed.out)


def test_images_like_those_of_the_training(here, capsys):
    code, printed = call(capsys, write_new(here / "new"), "--no-model")
    assert code == 0
    assert printed.err == ""
    head, *rows = printed.out.splitlines()
    assert re.split(r"\s{2,}", head) == COLUMNS
    assert [row.split()[0] for row in rows[:9]] == ["labels", *OF_GREY, *SHAPES]
    assert all(row.endswith(" no") for row in rows[:9])
    facts = "60 new images against 180 training images, at 28×28×1; level 0.01, seed 0"
    assert [rows[9], *rows[-2:]] == [facts, "page: reports/drift/index.html", "no drift"]


@pytest.mark.slow
def test_the_page_needs_nothing_but_itself(here, capsys):
    folder = write_new(here / "<b>new</b>", change=darker)
    assert call(capsys, folder, "--no-model", "--out", "page/index.html")[0] == 3
    page = Path("page/index.html").read_text(encoding="utf-8")
    assert '<h1 class="drift">Drift: brightness' in page
    assert "prefers-color-scheme: dark" in page
    assert set(re.findall(r'(?:src|href)="([a-z]+:[a-z]+/[a-z]+)', page)) == {"data:image/png"}
    assert len(re.findall(r"(?:src|href)=", page)) == len(re.findall('src="data:image/png;base64,', page))
    assert page.count("<details open>") == sum(row["drift"] for row in rows_of(capsys, folder, code=3))


@pytest.mark.slow
def test_names_from_outside_are_no_markup(here, capsys):
    write_new(here / "new" / "in", labels="a", change=darker)
    (here / "new" / "in" / "<script>").mkdir()
    write_new(here / "new" / "in" / "<script>", labels="b", change=darker)
    assert call(capsys, "new", "--no-model")[0] == 3
    page = Path("reports/drift/index.html").read_text(encoding="utf-8")
    assert "<script" not in page


def test_drift_is_exit_code_3(here, capsys):
    rows = rows_of(capsys, write_new(here / "new", change=darker), code=3)
    assert [list(row) for row in rows] == [COLUMNS] * 9
    assert {row["test"] for row in rows if row["drift"]} >= {"brightness", "contrast"}
    assert rows[1]["moved"].startswith("median 12")


@pytest.mark.slow
def test_a_zip_file_is_a_folder(here, capsys):
    folder = write_new(here / "new")
    with zipfile.ZipFile("new.zip", "w") as archive:
        for path in sorted((here / "new").rglob("*.png")):
            archive.write(path, Path("june") / path.relative_to(folder))
        archive.writestr("__MACOSX/june/._1.png", b"no picture")
    assert rows_of(capsys, "new.zip") == rows_of(capsys, "new")


@pytest.mark.slow
@pytest.mark.parametrize(("encoding", "label"), [("gbk", "苹果"), ("cp1252", "Öltz"), ("cp932", "ネコ")])
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_the_encoding_of_an_archives_names_is_asked_for_where_it_can_be_given(here, capsys, encoding, label, form):
    write_new(here / "new")
    names = {path: path.relative_to(here / "new").as_posix() for path in sorted((here / "new").rglob("*.png"))}
    path = here / f"new.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file, name in names.items():
                archive.write(file, name.replace("c/", "XXXX/"))
        path.write_bytes(path.read_bytes().replace(b"XXXX", label.encode(encoding)))
    else:
        with tarfile.open(path, "w", encoding=encoding, format=tarfile.GNU_FORMAT) as archive:
            for file, name in names.items():
                archive.add(file, name.replace("c/", f"{label}/"))
    line = refused(capsys, str(path), "--no-model")
    assert "does not say its encoding and is not UTF-8" in line
    assert "drift and label-next by --name-encoding" in line
    _, printed = call(capsys, str(path), "--no-model", "--name-encoding", encoding)
    assert f"classes missing from the training data: {label}" in printed.err


def test_without_class_folders_the_label_mix_is_left_out(here, capsys):
    code, printed = call(capsys, write_new(here / "new", flat=True), "--no-model", "--json")
    assert code == 0
    assert json.loads(printed.out)[0]["test"] == "brightness"
    assert "no class folders: labels are not compared" in printed.err


def test_a_class_that_the_training_lacks_is_named(here, capsys):
    folder = write_new(here / "new")
    (here / "new/c").rename(here / "new/d")
    code, printed = call(capsys, folder, "--no-model")
    assert code == 3
    assert printed.err == "darkroom drift: classes missing from the training data: d\n"
    assert re.search(r"labels .* [cd]: .* yes\n", printed.out)


@pytest.mark.slow
def test_images_that_cannot_be_read_are_listed_and_left_out(here, capsys):
    folder = write_new(here / "new")
    expected = rows_of(capsys, folder)
    (here / "new/a/bad.png").write_bytes(b"no picture")
    code, printed = call(capsys, folder, "--no-model", "--json")
    assert (code, json.loads(printed.out)) == (2, expected)
    (line,) = printed.err.splitlines()
    assert line.startswith("darkroom drift: a/bad.png: not an image in a supported format")
    assert line.endswith("(left out)")


def test_links_are_not_followed_and_said(here):
    (here / "outside" / "inside").mkdir(parents=True)
    draw("a", 1).save(here / "outside" / "1.png")
    folder = write_new(here / "new", labels="a", count=2)
    (here / "new" / "linked.png").symlink_to(here / "outside" / "1.png")
    (here / "new" / "more").symlink_to(here / "outside")
    found = arrivals.find(folder)
    assert [one.name for one in found] == ["a/1000.png", "a/1001.png", "linked.png", "more/*"]
    read, failures = arrivals.read(found, Prepared(here / "data/prepared").description)
    assert [one.name for one in read] == ["a/1000.png", "a/1001.png"]
    assert [one.name for one in failures] == ["linked.png", "more/*"]
    assert all("link" in one.reason for one in failures)


@pytest.mark.slow
def test_copies_count_once(here, capsys):
    folder = write_new(here / "new")
    expected, originals = rows_of(capsys, folder), sorted((here / "new").rglob("*.png"))
    for saved in (None, {"format": "PNG", "optimize": True}, {"format": "BMP"}, {"format": "TIFF"}):
        for path in originals:
            if saved is None:
                path.with_name(f"{path.stem}-copy.png").write_bytes(path.read_bytes())
                continue
            with Image.open(path) as image:
                image.save(path.with_name(f"{path.stem}-copy.{saved['format'].lower()}"), **saved)
        code, printed = call(capsys, folder, "--no-model", "--json")
        assert (code, json.loads(printed.out)) == (0, expected), saved
        assert "60 new images are exact copies of others" in printed.err
        for path in (here / "new").rglob("*-copy.*"):
            path.unlink()


def brighter(image):
    return image.point(lambda value: 4 + 0.95 * value)


def test_near_duplicates_weigh_as_much_as_one_image(here, capsys):
    folder = write_new(here / "new", count=20)
    for label in "abc":
        (here / "new" / label / "more").mkdir()
    for path in sorted((here / "new").glob("*/*.png")):
        with Image.open(path) as image:
            brighter(image).save(path.parent / "more" / path.name)
    out = call(capsys, folder, "--no-model")[1].out
    assert "120 new images against 180 training images" in out
    (families,) = re.findall(r"as much as one image each: (\d+) of new, 180 of training images", out)
    assert 55 <= int(families) <= 60


def test_a_burst_is_too_few_images(here, capsys):
    for shift, folder in enumerate("xyz"):
        write_new(
            here / "new" / folder, labels="a", count=15, change=lambda image, by=shift: image.point(lambda v: v - by)
        )
    line = refused(capsys, "new", "--no-model")
    (count,) = re.findall(r"(\d+) different new images, near-duplicates counted once; expected at least 20", line)
    assert int(count) <= 15


def test_groups_of_the_training_images_count_once(here, capsys, prepared_folder, monkeypatch):
    def noted(group):
        root = here / f"grouped-{group}"
        shutil.copytree(prepared_folder, root)
        path = root / "train" / "manifest.parquet"
        manifest = pd.read_parquet(path)
        manifest.assign(cluster=manifest["cluster"] // group).to_parquet(path)
        Path("data/prepared").unlink()
        Path("data/prepared").symlink_to(root)
        return call(capsys, "new", "--no-model")[1]

    write_new(here / "new")
    assert "form only" not in noted(9).err
    found = noted(10)
    assert "180 training images form only 18 groups and families of near-duplicates; only large" in found.err
    assert ", 18 of training images" in found.out


def test_twenty_images_are_enough_in_the_order_of_their_names_and_the_first_of_equal_ones_counts(here):
    folder = write_new(here / "new", labels="ab", count=10)
    names = [f"{label}/{number}.png" for label in "ab" for number in range(1000, 1010)]
    shutil.copy(here / "new/a/1003.png", here / "new/b/2000.png")
    found = comparison.compare(arrivals.find(folder), Prepared(here / "data/prepared"), None, 0.01, 0)
    assert found.new.names == names
    assert found.new.sample.labels.tolist() == ["a"] * 10 + ["b"] * 10
    assert (len(found.new), found.new.families, found.new.total) == (20, 20, 21)
    assert found.facts[0].startswith("20 new images (of 21) against 180 training images, at 28×28×1;")
    assert len(found.facts) == 1
    assert found.notes == ["1 new images are exact copies of others; copies count once"]
    assert found.training.names[:2] == ["a/0.png", "a/1.png"]
    assert found.validation is None
    (here / "new/b/1009.png").unlink()
    with pytest.raises(InputError, match=r"^19 different readable new images; expected at least 20; collect more$"):
        comparison.compare(arrivals.find(folder), Prepared(here / "data/prepared"), None, 0.01, 0)


def test_at_most_a_thousand_images_are_compared(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1021, 8, 8, 1), dtype=np.uint8)
    rows = [(f"{row}", "a", from_array(pixels[..., 0]), pixels) for row, pixels in enumerate(noise)]
    write_prepared(tmp_path / "prepared", {"train": rows[20:]}, ("a",), (8, 8, 1))
    (tmp_path / "new").mkdir()
    for name, _, image, _ in rows[:20]:
        image.save(tmp_path / "new" / f"{name}.png")
    found = comparison.compare(arrivals.find(str(tmp_path / "new")), Prepared(tmp_path / "prepared"), None, 0.5, 0)
    assert found.facts[0].startswith("20 new images against 1,000 training images (of 1,001), at 8×8×1; level 0.5")
    assert len(found.training.names) == len(set(found.training.names)) == 1000


def test_a_model_of_other_images_is_not_compared(prepared_folder):
    description = Prepared(prepared_folder).description

    def mismatch(size, digest):
        return ReferenceModel("models:/m", None, {"size": size, "digest": digest}).mismatch(description)

    assert mismatch([28, 28, 1], "digest") is None
    assert mismatch([28, 28, 1], "other").startswith(
        "models:/m was trained on other data (digest other) than the prepared ones that new images are compared with "
        "(digest digest)"
    )
    for digest in ("digest", "other"):
        words = "models:/m expects images of 28×32×1, but the prepared ones are 28×28×1; compared without the model"
        assert mismatch([28, 32, 1], digest) == words


def test_of_many_images_some_are_drawn(here, capsys, monkeypatch):
    monkeypatch.setattr(permutation, "MEASURED_AT_MOST", 50)
    folder = write_new(here / "new")
    facts = "50 new images (of 60) against 50 training images (of 180)"
    assert facts in call(capsys, folder, "--no-model")[1].out
    rows = rows_of(capsys, folder)
    assert rows_of(capsys, folder) == rows
    assert rows_of(capsys, folder, "--seed", "1") != rows


def refused(capsys, *arguments):
    code, printed = call(capsys, *arguments)
    assert code == 2
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def test_what_drift_refuses(here, capsys, monkeypatch):
    Path("empty").mkdir()
    Path("notes.txt").write_text("no images")
    few_images = write_new(here / "few", count=2)
    assert "nowhere does not exist" in refused(capsys, "nowhere")
    assert "empty holds no image" in refused(capsys, "empty")
    assert "notes.txt is not a zip or tar file that can be read" in refused(capsys, "notes.txt")
    words = "6 different readable new images; expected at least 20"
    assert words in refused(capsys, few_images, "--no-model")
    new = write_new(here / "new")
    assert "no tracking store" in refused(capsys, new)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "no MLflow server answers at http://127.0.0.1:9" in refused(capsys, new)
    Path("data/prepared").unlink()
    assert "run dvc repro preprocess" in refused(capsys, new, "--no-model")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Please log in, visitor %d</html>", "not an image in a supported format"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 9\n", "a pointer of Git LFS instead"),
        (b"", "the file is empty"),
    ],
)
@pytest.mark.parametrize("sound", [0, 5])
def test_of_images_that_cannot_be_read_the_commonest_reason_is_told(here, capsys, content, reason, sound):
    folder = Path(write_new(here / "new", labels="a", count=sound, flat=True))
    folder.mkdir(exist_ok=True)
    for number in range(40):
        (folder / f"x{number:02d}.png").write_bytes(content % number if b"%" in content else content)
    (folder / "y.png").write_bytes(b"GIF89a")
    line = refused(capsys, str(folder), "--no-model")
    start = f"{sound} different readable new images; expected at least 20; 41 of {41 + sound} cannot be read: "
    assert f"{start}40 (such as x00.png): {reason}" in line
    assert line.endswith("; collect more")


@pytest.mark.parametrize(
    "arguments",
    [["--level", "0"], ["--level", "1"], ["--name-encoding", "none"], ["--seed", "-1"], ["--level", "many"]],
)
def test_what_the_options_refuse(here, capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        main(["drift", "new", *arguments])
    assert f"argument {arguments[0]}" in capsys.readouterr().err


@pytest.mark.slow
def test_without_a_model_tensorflow_and_mlflow_stay_away(here):
    code = (
        "import sys; from darkroom.cli import main; found = main(['drift', 'new', '--no-model']); "
        "sys.exit(found or int(bool({'tensorflow', 'keras', 'mlflow'} & set(sys.modules))))"
    )
    write_new(here / "new")
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """A store whose champion tells the digits apart, its data, and the scans that it has never seen."""
    from darkroom.base.backend import keras
    from darkroom.registry import packages, versions
    from darkroom.tracking import runs, store
    from support.networks import build

    root = tmp_path_factory.mktemp("champion")
    patch = pytest.MonkeyPatch()
    patch.chdir(root)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (root / "dvc.yaml").touch()
    scans, labels = load_scans()
    pixels = prepared(scans)
    order = np.random.default_rng(0).permutation(len(labels))
    parts = {"train": order[:1000], "validation": order[1000:1400]}
    splits = {
        name: [(f"{row}", labels[row], from_array(scans[row]), pixels[row]) for row in rows]
        for name, rows in parts.items()
    }
    write_prepared(root / "data/prepared", splits, tuple("0123456789"), (28, 28, 1))
    keras.utils.set_random_seed(0)
    network = build("lenet5", classes=10)
    network.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", jit_compile=False)
    network.fit(pixels[order[:1000]], labels[order[:1000]].astype(int), batch_size=32, epochs=4, verbose=0)
    network.save(root / "lenet5.keras")
    store.open_store()
    with runs.start_run("lenet5", "train", {"network": "lenet5"}) as run:
        packages.log_model(run, root / "lenet5.keras", root / "data/prepared/dataset.json")
    versions.set_alias("darkroom", "champion", versions.register("darkroom", run.run_id, {}))
    yield {str(row): (labels[row], scans[row]) for row in order[1400:]}
    patch.undo()


def write_scans(folder, scans, change=lambda image: image, missing=None):
    folder.mkdir()
    for name, (label, scan) in scans.items():
        if label != missing:
            change(from_array(scan)).save(folder / f"{name}.png")
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "tests"),
    [
        ({}, set()),
        ({"change": darker}, {"brightness", "contrast", "sharpness"}),
        ({"change": blurred}, {"contrast", "sharpness", "features"}),
        # Nobody has said of which classes they are.
        ({"missing": "7"}, {"predictions"}),
    ],
)
def test_the_champion_sees_what_has_drifted(champion, few_permutations, capsys, tmp_path, case, tests):
    code, printed = call(capsys, write_scans(tmp_path / "new", champion, **case), "--out", str(tmp_path / "a.html"))
    drifted = {line.split()[0] for line in printed.out.splitlines() if line.endswith(" yes")}
    assert (drifted >= tests, bool(drifted), code) == (True, bool(tests), 3 if tests else 0)
    assert "predictions and features of models:/darkroom@champion against those of 400 validation images" in printed.out
    assert "Typical validation images" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_champion_of_other_data_is_said(champion, few_permutations, capsys, tmp_path):
    folder = write_scans(tmp_path / "new", champion)
    description = Path("data/prepared/dataset.json")
    before = description.read_text()
    try:
        description.write_text(before.replace('"digest": "digest"', '"digest": "other"'))
        code, printed = call(capsys, folder)
    finally:
        description.write_text(before)
    assert code == 0
    assert "was trained on other data (digest digest) than the prepared ones" in printed.err


@pytest.mark.slow
def test_no_such_model(champion, capsys, tmp_path):
    line = refused(capsys, write_scans(tmp_path / "new", champion), "--model", "models:/nothing@champion")
    assert line.startswith("darkroom drift: models:/nothing@champion cannot be loaded")
    assert line.endswith("--no-model compares without a model")
