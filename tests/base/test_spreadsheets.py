"""Names as cells of CSV files: no formula for a spreadsheet, and the same names when read back."""

import io
import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base import spreadsheets
from support.sources import cheap

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
FORMULAS = st.builds(
    lambda quotes, start, rest: "'" * quotes + start + rest, st.integers(0, 3), st.sampled_from(STARTS), NAMES
)


@given(st.lists(st.tuples(NAMES | FORMULAS, NAMES | FORMULAS), min_size=1, max_size=5))
def test_names_are_read_back_as_they_were(rows):
    table = pd.DataFrame(rows, columns=["name", "label"], dtype=str)
    pd.testing.assert_frame_equal(spreadsheets.read(io.StringIO(spreadsheets.as_csv(table))), table, check_dtype=False)


@pytest.mark.slow
@given(st.lists(st.tuples(NAMES | FORMULAS, NAMES | FORMULAS), min_size=1, max_size=5))
def test_tables_of_people_are_read_as_others_are(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("given") / "table.csv"
    table = pd.DataFrame(rows, columns=["name", "label"], dtype=str)
    spreadsheets.write(path, table)
    pd.testing.assert_frame_equal(spreadsheets.read_given(path), table, check_dtype=False)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as spreadsheets save UTF-8
    pd.testing.assert_frame_equal(spreadsheets.read_given(path), table, check_dtype=False)


REFUSED = {
    "two columns of one name": (b"name,site,site\na,x,y\n", "the column 'site' stands twice"),
    "semicolons": (b"name;site\na;b\n", "its cells are separated by ';' instead of commas"),
    "a workbook": (b"PK\x03\x04\x14\0\x06\0", "it is a zip file, as an Excel workbook"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "fetch the file with git lfs pull"),
    "many columns": (b"name," * 100_000, "100,001 columns; at most 1,000"),
    "more cells in each row": (b"name,site\na,x,y\nb,x,y\n", "more cells than there are columns"),
    "more cells in a later row": (b"name,site\na,x\nb,x,y\n", "Expected 2 fields in line 3, saw 3"),
    "a name of megabytes": (b"x" * 200_000 + b",name\n", "field larger than field limit"),
    "UTF-16": ("name,site\n".encode("utf-16"), "it is not in UTF-8: byte 0xff at 0"),
    "Latin-1": ("name,site\nCafé.png,x\n".encode("latin-1"), "it is not in UTF-8: byte 0xe9 at 13"),
    "a merge": (b"name,site\na,x\n<<<<<<< HEAD\nb,x\n=======\n", "conflict markers of git"),
    "nothing": (b"", "No columns"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tables_of_people_that_are_refused(tmp_path, kind):
    content, words = REFUSED[kind]
    (tmp_path / "table.csv").write_bytes(content)
    with cheap(), pytest.raises(ValueError, match=words):
        spreadsheets.read_given(tmp_path / "table.csv")


def test_pipes_devices_and_endless_files_are_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.csv")
    monkeypatch.setattr(spreadsheets, "MAXIMUM_BYTES", 10)
    (tmp_path / "large.csv").write_text("name\nabcdefg\n")
    for path in (tmp_path / "pipe.csv", Path("/dev/zero"), tmp_path / "large.csv", tmp_path):
        with pytest.raises(OSError, match=r"a file was expected|at most 10 are accepted"):
            spreadsheets.read_given(path)


@given(NAMES | FORMULAS)
def test_no_cell_begins_a_formula(name):
    cell = spreadsheets.cell_of(name)
    assert not cell.startswith(STARTS) or spreadsheets.NUMBER.fullmatch(cell)
    assert spreadsheets.text_of(cell) == name


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0", "＝1+1", "-1e5x"])
def test_formulas_get_an_apostrophe(name):
    assert spreadsheets.cell_of(name) == f"'{name}"


@pytest.mark.parametrize("name", ["cat", "007", "NaN", "None", "null", "1e5", "True", "-1", "+1", "'tis", "a=b", ""])
def test_other_names_stay_as_they_are(name):
    assert spreadsheets.cell_of(name) == name
    table = pd.DataFrame({"name": [name], "number": [-0.5]})
    read = spreadsheets.read(io.StringIO(spreadsheets.as_csv(table)), ("name",))
    assert read["name"].tolist() == [name]
    assert read["number"].tolist() == [-0.5]
