"""Drift within groups: which images are compared, the correction over all groups, and what is said of small ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from darkroom.cli import main
from darkroom.drift import groups, permutation
from darkroom.drift.comparison import Comparison
from darkroom.drift.page import group_cells
from darkroom.drift.samples import Embeddings, Sample
from darkroom.inference.images import to_pixels
from support.pictures import draw
from support.prepared import write_prepared

SIZE = (28, 28, 1)


def sample(values, columns=None, predictions=None):
    values, columns = np.asarray(values, dtype=float), {name: np.array(of) for name, of in (columns or {}).items()}
    labels = np.full(len(values), "a") if predictions is None else np.array(predictions)
    embeddings = None if predictions is None else Embeddings(values[:, None], labels, columns=columns)
    return Sample({"x": values}, None, embeddings, columns=columns)


def numbers(count, seed, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, count)


def halves(count):
    return {"site": ["n"] * count + ["s"] * count}


def test_drift_of_one_group_is_found_in_it_alone():
    known = sample(numbers(200, 0), halves(100))
    new = sample([*numbers(60, 1), *numbers(60, 2, 2.0)], halves(60))
    of_all, (north, south) = groups.compare(known, new, 0.01, 0)
    assert (north.name, north.images, north.known, north.alike, north.drifted) == ("site=n", 60, 100, True, [])
    assert (south.name, south.drifted) == ("site=s", ["x"])
    assert [outcome.test for outcome in of_all] == ["values of site", "x"]
    assert south.cells()["compared with"] == "100 of the same value"


def test_other_sizes_of_the_groups_are_no_drift_within_them():
    north, south = numbers(200, 0, -2.0), numbers(200, 1, 2.0)
    known = sample([*north[:100], *south[:100]], halves(100))
    new = sample([*north[100:130], *south[100:]], {"site": ["n"] * 30 + ["s"] * 100})
    of_all, of_groups = groups.compare(known, new, 0.01, 0)
    assert [outcome.test for outcome in of_all if outcome.drift] == ["values of site", "x"]
    assert [group.drifted for group in of_groups] == [[], []]
    assert of_all[0].moved == "s: 50.0% → 76.9%"


def test_p_values_are_corrected_for_the_tests_of_all_groups():
    known, new = sample(numbers(200, 0), halves(100)), sample(numbers(100, 1, 0.2), halves(50))
    of_all, of_groups = groups.compare(known, new, 0.05, 0)
    every = [*of_all, *(outcome for group in of_groups for outcome in group.outcomes)]
    assert [one.corrected_p for one in every] == permutation.holm([one.p for one in every])
    assert len(every) == 4


@pytest.mark.slow
def test_as_many_permutations_that_each_group_can_be_significant():
    count = 20
    columns = {"site": np.repeat([f"s{number:02}" for number in range(count)], 20).tolist()}
    known, new = sample(numbers(400, 0), columns), sample(numbers(400, 1), columns)
    # Of 22 tests, one is far: its smallest possible p-value times 22 is below the level.
    new.measures["x"][:20] += 9
    _, of_groups = groups.compare(known, new, 0.01, 0)
    assert [group.name for group in of_groups if group.drifted] == ["site=s00"]


def test_without_columns_it_is_the_comparison_of_all():
    known, new = sample(numbers(60, 0)), sample(numbers(60, 1, 0.5))
    assert groups.compare(known, new, 0.01, 3) == (permutation.compare(known, new, 0.01, 3), [])


def test_a_small_group_is_said_and_not_tested():
    known, new = sample(numbers(80, 0), halves(40)), sample(numbers(39, 1), {"site": ["n"] * 20 + ["s"] * 19})
    _, (north, south) = groups.compare(known, new, 0.01, 0)
    assert (north.lack, len(north.outcomes)) == ("", 1)
    assert south.lack == "site=s: 19 different images are too few, 20 are needed; not compared"
    assert south.cells() == {
        "group": "site=s",
        "images": "19",
        "compared with": "–",
        "corrected p": "–",
        "drift": "too few images",
    }
    assert south.outcomes == ()


def test_a_group_after_a_small_one_is_tested():
    known, new = sample(numbers(80, 0), halves(40)), sample(numbers(39, 1), {"site": ["n"] * 19 + ["s"] * 20})
    _, (north, south) = groups.compare(known, new, 0.01, 0)
    assert (len(north.outcomes), len(south.outcomes)) == (0, 1)


@pytest.mark.parametrize("count", [19, 20])
def test_twenty_images_of_a_value_are_enough(count):
    known = sample(numbers(80, 0), {"site": ["n"] * count + ["s"] * (80 - count)}, ["a"] * 80)
    new = sample(numbers(30, 1, 3.0), {"site": ["n"] * 30}, ["a"] * 30)
    _, (north,) = groups.compare(known, new, 0.01, 0)
    assert north.alike is (count == 20)
    assert [outcome.test for outcome in north.outcomes] == ["x", "predictions", "features"]
    assert north.drifted == ["x", "features"]


def test_rows_name_their_group():
    of_all, of_groups = groups.compare(sample(numbers(80, 0), halves(40)), sample(numbers(40, 1), halves(20)), 0.01, 0)
    compared = Comparison(of_all, None, None, None, [], [], [], of_groups)
    assert [row["group"] for row in compared.rows()] == ["", "", "site=n", "site=s"]
    assert "group" not in replace(compared, groups=[]).rows()[0]


def test_near_duplicates_count_once_in_a_group():
    new = sample(numbers(40, 1), {"site": ["n"] * 40})
    burst = Sample(new.measures, families=np.repeat(np.arange(10), 4), columns=new.columns)
    _, (group,) = groups.compare(sample(numbers(40, 0)), burst, 0.01, 0)
    assert (group.images, group.outcomes) == (10, ())


@pytest.mark.parametrize("columns", [None, {"site": ["n"] * 61 + ["w"] * 19}])
def test_a_value_that_the_training_hardly_has_is_compared_with_all_of_it(columns):
    known, new = sample(numbers(80, 0), columns), sample(numbers(30, 1, 2), {"site": ["w"] * 30})
    _, (west,) = groups.compare(known, new, 0.01, 0)
    assert (west.known, west.alike, west.drifted) == (80, False, ["x"])
    assert west.cells()["compared with"] == "all 80"


@pytest.mark.slow
def test_predictions_are_compared_with_validation_images_of_the_same_value():
    known = sample(numbers(120, 0), halves(60), ["a"] * 60 + ["b"] * 60)
    new = sample(numbers(60, 1), halves(30), ["a"] * 30 + ["b"] * 30)
    _, of_groups = groups.compare(known, new, 0.01, 0)
    assert [[outcome.test for outcome in group.outcomes] for group in of_groups] == [
        ["x", "predictions", "features"]
    ] * 2
    assert [group.drifted for group in of_groups] == [[], []]
    validation = Embeddings(
        numbers(39, 0)[:, None], np.full(39, "a"), columns={"site": np.repeat(["n", "s"], [19, 20])}
    )
    _, (north, _) = groups.compare(replace(known, embeddings=validation), new, 0.01, 0)
    assert [outcome.test for outcome in north.outcomes] == ["x"]
    assert north.lack == "site=n: fewer than 20 validation images of this value; predictions and features not compared"


@pytest.mark.slow
def test_unchanged_groups_raise_as_few_alarms_as_the_level_says():
    alarms = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        columns = [{name: generator.choice(["x", "y", "z"], 150) for name in ("site", "camera")} for _ in range(2)]
        known, new = (sample(generator.normal(0, 1, 150), of_one) for of_one in columns)
        of_all, of_groups = groups.compare(known, new, 0.05, seed)
        alarms += any(outcome.drift for outcome in of_all) or any(group.drifted for group in of_groups)
    # Binomial with 200 draws at 5 %: more than 19 in 0.2 %.
    assert alarms <= 19


@pytest.fixture(scope="module")
def prepared_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    images = {(label, number): draw(label, number) for number in range(80) for label in "ab"}
    rows = [
        (f"{label}/{number}.png", label, image, to_pixels(image, SIZE, "bicubic", "stretch"))
        for (label, number), image in images.items()
    ]
    write_prepared(root, {"train": rows[:120], "validation": rows[120:]}, ("a", "b"), SIZE)
    return root


@pytest.fixture
def here(prepared_folder, tmp_path, monkeypatch):
    """A project whose images with even numbers are from the north; new ones from the south are darker."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/prepared").symlink_to(prepared_folder)
    rows = [(f"{label}/{number}.png", "ns"[number % 2]) for label in "ab" for number in range(80)]
    Path("data/columns.csv").write_text("name,site\n" + "".join(f"{name},{site}\n" for name, site in rows))
    lines = []
    for label in "ab":
        for number in range(1000, 1050):
            path = tmp_path / "new" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(label, number).point(lambda value, by=1 - 0.3 * (number % 2): value * by).save(path)
            lines.append((f"{label}/{number}.png", "ns"[number % 2], "phone", number))
    text = "".join(",".join(map(str, line)) + "\n" for line in lines)
    (tmp_path / "new" / "columns.csv").write_text("name,site,camera,serial\n" + text)
    return tmp_path


def call(capsys, *arguments, code):
    assert main(["drift", "new", "--no-model", *arguments]) == code
    return capsys.readouterr()


@pytest.mark.slow
def test_the_command_compares_groups(here, capsys):
    printed = call(capsys, code=3)
    (north,) = [line for line in printed.out.splitlines() if line.startswith("site=n ")]
    (south,) = [line for line in printed.out.splitlines() if line.startswith("site=s ")]
    assert north.endswith(" no")
    assert "60 of the same value" in south
    assert "brightness" in south
    assert "site=s (" in printed.out.splitlines()[-1]
    assert "serial: more than 20 values, not compared" in printed.err
    assert "the training images have no column camera: each group is compared with all of them" in printed.err
    page = Path("reports/drift/index.html").read_text(encoding="utf-8")
    assert "<h2>Groups</h2>" in page
    assert "site=s" in page
    rows = json.loads(call(capsys, "--json", code=3).out)
    assert {row["group"] for row in rows} == {"", "site=n", "site=s", "camera=phone"}
    assert {row["group"] for row in rows if row["test"] == "brightness" and row["drift"]} >= {"site=s"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "gone.csv: no such file; name a CSV file with name and the columns"),
        ("name,site\na/1000.png,n\n", "gone.csv has no row for 99 of 100 images"),
        ("image,site\n", "gone.csv has no column 'name'"),
    ],
)
def test_columns_that_do_not_fit_are_refused(here, capsys, text, said):
    if text is not None:
        Path("gone.csv").write_text(text)
    (line,) = call(capsys, "--columns", "gone.csv", code=2).err.splitlines()
    assert said in line


def test_an_arabic_column_and_its_value_stand_in_cells_of_their_own_on_the_page():
    cells = group_cells(groups.Group("الموقع", "a", 30, 117, alike=True))
    assert list(cells.items())[:3] == [("column", "الموقع"), ("value", "a"), ("images", "30")]
    assert "group" not in cells
