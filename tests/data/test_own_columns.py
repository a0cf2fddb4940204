"""Columns of one's own: joined by name, in any order, and refused with a remedy where they do not fit."""

import pandas as pd
import pytest

from darkroom.base.errors import InputError
from darkroom.data.formats import corrections
from darkroom.data.prepared import own_columns
from darkroom.evaluation.slices import find_slices

ROWS = pd.DataFrame(
    {
        "name": ["b/1.png", "a/1.png", "a/2.png"],
        "label": ["b", "a", "a"],
        **{name: [1.0, 1.0, 1.0] for name in ("width", "height", "pixel_mean", "pixel_deviation")},
    },
    index=[4, 5, 9],
)


@pytest.fixture
def file(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "columns.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


def test_columns_are_joined_by_name(file):
    path = file("name,site,007\na/2.png,,1\na/1.png,north,2\nx.png,east,3\nb/1.png,south,4\n")
    joined = own_columns.join(ROWS, ["site"], path)
    assert joined.index.tolist() == [4, 5, 9]
    assert joined["site"].tolist() == ["south", "north", "none"]
    assert joined["007"].tolist() == ["4", "2", "1"]
    assert joined[list(ROWS)].equals(ROWS)
    slices = {(one.of, one.value): one.members.tolist() for one in find_slices(joined)}
    assert slices["site", "north"] == [False, True, False]
    assert slices["site", "none"] == [False, False, True]


def test_a_file_as_spreadsheets_save_it(file):
    path = file("name,site\r\na/1.png,n\r\na/2.png,n\r\nb/1.png,s\r\n", "utf-8-sig")
    assert own_columns.join(ROWS, (), path)["site"].tolist() == ["s", "n", "n"]


def test_without_columns_nothing_changes(file, tmp_path):
    assert own_columns.join(ROWS, (), file("name\n")) is ROWS
    assert own_columns.join(ROWS, (), tmp_path / "missing.csv") is ROWS


@pytest.mark.parametrize(
    ("text", "needed", "said"),
    [
        ("name,site\na/1.png,n\n", (), "has no row for 2 of 3 images (b/1.png, a/2.png); add a row for each"),
        ("name,site\na/1.png,n\na/1.png,s\n", (), "has two rows for a/1.png; delete one"),
        ("image,site\na/1.png,n\n", (), "has no column 'name', it has image, site; add the images' names"),
        ("name,label\na/1.png,n\na/2.png,n\nb/1.png,n\n", (), "the column 'label' is known of every image already"),
        ("name,site\na/1.png,n\n", ("camera",), "has a column 'camera' (columns: site); add it or name"),
        ("name\n", ("site",), "nor a table of images has a column 'site' (columns: none); add it"),
        ("", (), "cannot be read (No columns to parse from file); save it as a CSV file"),
        ('name,site\n"a', (), "cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(file, text, needed, said):
    with pytest.raises(InputError) as refused:
        own_columns.join(ROWS, needed, file(text))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_not_taken_for_none(tmp_path):
    path = tmp_path / "columns.csv"
    for target in ("/dev/zero", tmp_path / "gone.csv", tmp_path):
        path.symlink_to(target)
        for read in (lambda file: own_columns.join(ROWS, path=file), corrections.read):
            with pytest.raises(InputError, match=r"columns\.csv cannot be read"):
                read(path)
        path.unlink()
