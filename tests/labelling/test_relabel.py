"""Corrections: a table is merged into data/labels.csv, and ingestion applies it."""

import pandas as pd
import pytest

from darkroom.base import spreadsheets
from darkroom.base.errors import InputError
from darkroom.data.formats import corrections
from darkroom.labelling.relabel import relabel

PICTURES = {name: f"{number:064x}" for number, name in enumerate(["a1", "a2", "b1", "b2"], start=10)}


def rows():
    table = pd.DataFrame({"name": list(PICTURES), "picture": list(PICTURES.values()), "label": ["a", "a", "b", "b"]})
    return table.assign(split=["train", "test", "train", "validation"])


def merge(tmp_path, lines, columns=("name", "picture", "correct"), manifest=None):
    table = tmp_path / "table.csv"
    spreadsheets.write(table, pd.DataFrame(lines, columns=list(columns)))
    labels = tmp_path / "labels.csv"
    return relabel(table, rows() if manifest is None else manifest, labels, {"who": "Ada", "why": ""}), labels


def test_filled_in_rows_become_corrections(tmp_path):
    done, labels = merge(
        tmp_path,
        [
            ("a1", PICTURES["a1"], "b"),
            ("a2", PICTURES["a2"], " b "),
            ("b1", PICTURES["b1"], "b"),
            ("b2", PICTURES["b2"], ""),
        ],
    )
    assert (done.corrected, done.confirmed, done.test, done.images) == (2, 1, 1, 3)
    table = corrections.read(labels)
    assert dict(zip(table["picture"], table["label"], strict=True)) == {
        PICTURES[name]: "b" for name in ("a1", "a2", "b1")
    }
    assert set(table["who"]) == {"Ada"}


def test_a_later_correction_replaces_an_earlier_one_and_others_stay(tmp_path):
    merge(tmp_path, [("a1", PICTURES["a1"], "b"), ("b1", PICTURES["b1"], "a")])
    _, labels = merge(tmp_path, [("a1", PICTURES["a1"], "a")])
    table = corrections.read(labels).set_index("picture")["label"]
    assert table.to_dict() == {PICTURES["a1"]: "a", PICTURES["b1"]: "a"}


def test_a_table_of_names_is_enough(tmp_path):
    _, labels = merge(tmp_path, [("a1", "b")], columns=("name", "correct"))
    assert corrections.read(labels)["picture"].tolist() == [PICTURES["a1"]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("a1", "f" * 64, "b")], "line 2: the picture .* is not in the data; use a table"),
        ([("gone", "", "b")], "line 2: the name 'gone' is not in the data"),
        ([("a1", PICTURES["a1"], "")], "no row has a value in the column correct; fill in"),
        ([("a1", PICTURES["a1"], "bb")], "line 2: 'bb' is not a class of the data .did you mean 'b'"),
        (
            [("a1", PICTURES["a1"], "a"), ("x", PICTURES["a1"], "b")],
            "lines 2 and 3: the same picture is corrected to 'a' and",
        ),
    ],
)
def test_what_cannot_be_merged_is_told_and_nothing_is_written(tmp_path, lines, message):
    with pytest.raises(InputError, match=message) as error:
        merge(tmp_path, lines)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "labels.csv").exists()


def test_other_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected correct, and picture or name"):
        merge(tmp_path, [("a1", "b")], columns=("name", "label"))
    with pytest.raises(InputError, match="no such file"):
        relabel(tmp_path / "gone.csv", rows(), tmp_path / "labels.csv", {"who": "", "why": ""})


def test_corrections_change_labels_and_keep_what_the_source_said(tmp_path):
    _, labels = merge(tmp_path, [("a1", PICTURES["a1"], "b"), ("b1", PICTURES["b1"], "b")])
    copies = pd.concat([rows(), rows().iloc[:1].assign(name="copy of a1")], ignore_index=True)
    applied = corrections.apply(copies, corrections.read(labels))
    assert applied["label"].tolist() == ["b", "a", "b", "b", "b"]
    assert applied["source_label"].tolist() == ["a", "", "", "", "a"]
    (line,) = corrections.report(applied, corrections.read(labels), labels)
    assert "2 images with a corrected label; 2 pictures judged by people" in line
    gone = corrections.report(applied.iloc[1:2], corrections.read(labels), labels)
    assert "2 corrected pictures are not in the data" in gone[1]


def test_without_corrections_nothing_changes(tmp_path):
    applied = corrections.apply(rows(), corrections.read(tmp_path / "none.csv"))
    assert applied["label"].tolist() == rows()["label"].tolist()
    assert set(applied["source_label"]) == {""}


HEAD = "picture,label,who,when,why\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\n1.png,a\n", "its columns are image, label, expected picture, label"),
        (f"{HEAD}xyz,a,,,\n", "line 2: 'xyz' is not the hash of a picture"),
        (f"{HEAD}{'1' * 64},,,,\n", "line 2: the label is empty"),
        (f"{HEAD}{'1' * 64},a,,,\n{'1' * 64},b,,,\n", "stands twice, as a and b; delete one"),
        ("<<<<<<< HEAD\n" + HEAD, r"conflict markers of git, <<<<<<<\); restore it"),
        ("", "cannot be read"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        corrections.read(path)
    assert "\n" not in str(error.value)


def test_a_correction_to_no_class_is_refused_unless_its_picture_is_gone(tmp_path):
    table = pd.DataFrame([(PICTURES["a1"], "zebra", "", "", "")], columns=list(corrections.COLUMNS))
    with pytest.raises(InputError, match=r"'zebra' of picture .* is not a class of the data .a, b."):
        corrections.require_known_labels(rows(), table, tmp_path)
    corrections.require_known_labels(rows().iloc[1:], table, tmp_path)


def test_the_file_of_the_repository_has_no_corrections():
    from support.projects import ROOT

    assert corrections.read(ROOT / "data/labels.csv").empty


def test_who_and_why_stay_on_one_line_and_steer_nothing(tmp_path):
    table, labels = tmp_path / "table.csv", tmp_path / "labels.csv"
    why = "a\r\n\x1b[2Jb"
    spreadsheets.write(table, pd.DataFrame([{"picture": PICTURES["a1"], "correct": "b", "why": why}]))
    relabel(table, rows(), labels, {"who": "=cmd\n\u202ex", "why": ""})
    row = corrections.read(labels).iloc[0]
    assert (row["who"], row["why"]) == (r"=cmd \u202ex", r"a \u001b[2Jb")
