"""What a table says of its images beside the label: read with it, joined as columns of one's own."""

import string

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.base.errors import InputError
from darkroom.data.prepared import own_columns
from darkroom.data.sources import find, limits
from darkroom.data.sources.tables import further_columns
from darkroom.params import DataParams
from support.pictures import write_folder

ROWS = {"image": ["a/000.png", "b/000.png", "a/001.png"], "label": ["a", "b", "a"]}


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "photographs", "ab", 2)


def write(folder, name="labels.csv", **columns):
    frame, path = pd.DataFrame({**ROWS, **columns}), folder / name
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def of(path, source="table", **more):
    return find(DataParams(source=source, path=str(path), **more), (28, 28, 1))


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_columns_of_a_table_are_those_of_its_images(folder, name):
    told = {"site": ["north", None, " south "], "age": [30, 41, 29], "part": ["train", "test", ""]}
    found = of(write(folder, name, **told, patient=["p", "q", "p"]), split_column="part", group_column="patient")
    assert found.columns.to_dict("list") == {
        "name": ROWS["image"],
        "site": ["north", "", "south"],
        "age": ["30", "41", "29"],
        "patient": ["p", "q", "p"],
    }
    assert found.notes == (f"{name}: columns of your own: site, age, patient",)
    rows = pd.DataFrame({"name": ["b/000.png", "a/000.png"]}, index=[7, 3])
    joined = own_columns.join(rows, ["site"], folder / "missing.csv", found.columns)
    assert joined.index.tolist() == [7, 3]
    assert joined["site"].tolist() == ["none", "north"]


def test_images_without_a_label_have_no_columns(folder):
    rows = write(folder, label=["a", "", "b"], part=["train", "test", "train"], site=["n", "x", "s"])
    found = of(rows, split_column="part")
    assert found.columns.to_dict("list") == {"name": ["a/000.png", "a/001.png"], "site": ["n", "s"]}


def test_columns_of_several_tables_stand_in_one(tmp_path):
    for part, column in (("train", "site"), ("test", "camera")):
        write(write_folder(tmp_path / part, "ab", 2), "metadata.csv", **{column: ["x", "y", "z"]})
    columns = of(tmp_path).columns.set_index("name")
    assert columns.loc["train/a/001.png"].to_dict() == {"site": "z", "camera": ""}
    assert columns.loc["test/b/000.png"].to_dict() == {"site": "", "camera": "y"}


def test_columns_of_embedded_images(folder, tmp_path):
    images = [{"bytes": (folder / name).read_bytes(), "path": name} for name in ROWS["image"]]
    told = {
        "site": ["n", "s", None],
        "words": [["a"], [], None],
        "raw": [b"1", b"2", b"3"],
        "text": ["", "x" * 1001, ""],
    }
    pd.DataFrame({**ROWS, "image": images, **told}).to_parquet(tmp_path / "some.parquet", index=False)
    found = of(tmp_path / "some.parquet", "parquet")
    assert found.columns.to_dict("list") == {
        "name": ["some/000000", "some/000001", "some/000002"],
        "site": ["n", "s", ""],
    }
    assert "not read as columns of your own, texts of more than 1,000 bytes: text" in "\n".join(found.notes)


def test_what_darkroom_knows_itself_is_not_taken_from_a_table(folder):
    found = of(write(folder, width=[1, 2, 3], leaked=["n", "n", "n"], site=["n", "s", "n"]))
    assert list(found.columns) == ["name", "site"]
    assert found.notes == (
        "labels.csv: columns of your own: site",
        "labels.csv: not read as columns of your own, as Darkroom knows them itself: width, leaked",
    )


def test_a_saved_index_is_no_column(folder):
    path = folder / "labels.csv"
    pd.DataFrame(ROWS).to_csv(path)
    found = of(path)
    assert (list(found.columns), found.notes) == (["name"], ())


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("MAXIMUM_FURTHER", 1, "more than 1 (data/columns.csv"), ("MAXIMUM_FURTHER_BYTES", 9, "9 b")],
)
@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_what_is_too_much_is_left_out_and_said(folder, monkeypatch, limit, value, said, name):
    path = write(folder, name, site=["north"] * 3, camera=["phone"] * 3)
    monkeypatch.setattr(limits, limit, value)
    found = of(path)
    assert list(found.columns) == ["name"]
    assert said in found.notes[0]
    assert found.notes[0].endswith(": site, camera")
    assert len(found.samples) == 3


def test_a_column_of_the_table_and_of_the_file(folder, tmp_path):
    found, path = of(write(folder, site=["n", "s", "n"])), tmp_path / "columns.csv"
    path.write_text("name,camera\n" + "".join(f"{name},phone\n" for name in ROWS["image"]))
    both = own_columns.join(pd.DataFrame({"name": ROWS["image"]}), ["camera", "site"], path, found.columns)
    assert both["site"].tolist() == ["n", "s", "n"]
    assert set(both["camera"]) == {"phone"}
    path.write_text(path.read_text().replace("camera", "site"))
    with pytest.raises(InputError, match="the column 'site' is known of every image already"):
        own_columns.join(pd.DataFrame({"name": ROWS["image"]}), [], path, found.columns)


names = st.text(string.ascii_letters + " .=", min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(st.lists(names, unique=True, max_size=8), st.sets(names, max_size=4))
def test_every_column_is_used_known_or_left_out(there, own):
    found = further_columns.chosen(there, own, 0)
    assert not set(found.names) & set(found.left_out)
    assert {*found.names, *found.left_out} | own >= set(there)
    assert not {*found.names, *found.left_out} & own
