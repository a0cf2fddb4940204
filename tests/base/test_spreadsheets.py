"""Names as cells of CSV files: no formula for a spreadsheet, and the same names when read back."""

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base import spreadsheets

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
FORMULAS = st.builds(
    lambda quotes, start, rest: "'" * quotes + start + rest, st.integers(0, 3), st.sampled_from(STARTS), NAMES
)


@given(st.lists(st.tuples(NAMES | FORMULAS, NAMES | FORMULAS), min_size=1, max_size=5))
def test_names_are_read_back_as_they_were(rows):
    table = pd.DataFrame(rows, columns=["name", "label"], dtype=str)
    pd.testing.assert_frame_equal(spreadsheets.read(io.StringIO(spreadsheets.as_csv(table))), table, check_dtype=False)


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
