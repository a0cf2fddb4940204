"""Each expectation is broken once; the finding must say which and why."""

import pytest

from conftest import write_folder
from darkroom import manifest, sources
from darkroom.expectations import validate
from darkroom.params import DataParams, ValidateParams


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    root = write_folder(tmp_path_factory.mktemp("images"), "ab", 25)
    return manifest.build(sources.samples(DataParams(source="folder", path=str(root))))


@pytest.fixture
def broken(rows, tmp_path):
    def findings(change=None, **params):
        changed = rows.copy()
        if change:
            changed = change(changed)
        return [f for f in validate(changed, ValidateParams(**params), tmp_path / "docs") if not f.success]

    return findings


def setter(column, place, value):
    def change(rows):
        rows.loc[place, column] = value
        return rows

    return change


def test_sound_images_pass_and_the_data_docs_are_there(broken, tmp_path):
    assert broken() == []
    assert "<html" in (tmp_path / "docs" / "index.html").read_text().lower()


def test_a_mode(broken):
    (finding,) = broken(setter("mode", 3, "F"))
    assert finding.column == "mode"
    assert finding.offending == ("a/003.png",)
    assert "1 of 50 images have F (a/003.png)" in finding.line()


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        (setter("label", 0, None), "label", "every image needs a label"),
        (setter("name", 0, "a/001.png"), "name", "name of its own"),
        (setter("width", 0, 1), "width", "4 to 20000 pixels"),
        (setter("height", 0, 30000), "height", "4 to 20000 pixels"),
        (setter("pixel_deviation", 0, 0.0), "pixel_deviation", "blank"),
        (setter("sha256", slice(0, 9), "same"), "sha256", "too many exact copies"),
        (setter("sha256", [0, 49], "same"), "labels_of_content", "two labels"),
    ],
)
def test_what_fails(broken, change, column, words):
    finding = next(finding for finding in broken(change) if finding.column == column)
    assert words in finding.line()
    assert "\n" not in finding.line()


def test_unknown_and_missing_labels(broken):
    (finding,) = broken(labels=("a",))
    assert "25 of 50 images have b" in finding.line()
    assert "known labels are a" in finding.line()
    (finding,) = broken(labels=("a", "b", "c"))
    assert "no image of c" in finding.line()
    assert "add some" in finding.line()


def test_the_size_of_classes(broken):
    (finding,) = broken(minimum_images_per_class=26)
    assert finding.offending == ("a", "b")
    assert "each class needs 26 images" in finding.line()
    few = broken(lambda rows: rows.drop(index=range(5)), maximum_class_ratio=1.2)
    assert [finding.column for finding in few] == ["class_ratio"]
    assert few[0].offending == ("a",)
