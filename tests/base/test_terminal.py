"""Names on the terminal: nothing steers it, nothing hides."""

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base import failures, terminal
from darkroom.base.errors import InputError
from darkroom.reporting.tables import plain_table


@given(st.text(st.characters()))
def test_no_character_steers_the_terminal_or_hides(name):
    line = terminal.shown(name)
    kinds = {unicodedata.category(sign) for sign in line if sign not in terminal.JOINERS}
    assert not kinds & {*terminal.STEERING, "Cs"}
    assert line.count("\n") == 0


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_json_stays_the_same_json(name):
    text = json.dumps({"name": name}, ensure_ascii=False)
    assert json.loads(terminal.shown(text)) == {"name": name}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("\x1b[2Jcat", "\\u001b[2Jcat"),
        ("a\nb", "a\\nb"),
        ("gpj.\u202ecod", "gpj.\\u202ecod"),
        ("a\u200bb", "a\\u200bb"),
        ("\x9b2J", "\\u009b2J"),
        ("\x7f", "\\u007f"),
        ("\udcf6", "\\xf6"),
        ("Katze ö 猫 \U0001f469\u200d\U0001f4bb", "Katze ö 猫 \U0001f469\u200d\U0001f4bb"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_what_is_shown(name, line):
    assert terminal.shown(name) == line


def test_whatever_a_program_prints_is_guarded(capsys):
    terminal.guard()
    terminal.guard()
    print("first \x1b]0;title\x07\n\tsecond \rthird")
    print("\x1b[31m", file=sys.stderr)
    told = capsys.readouterr()
    assert told.out == "first \\u001b]0;title\\u0007\n\tsecond \\rthird\n"
    assert told.err == "\\u001b[31m\n"


def test_progress_bars_overwrite_themselves():
    under = io.StringIO()
    guarded = terminal.Terminal(under)
    guarded.writelines(["\r 50 %", "\r100 %", "\n"])
    assert under.getvalue() == "\r 50 %\r100 %\n"
    terminal.unguarded(guarded).write("\x1b[K")
    assert under.getvalue().endswith("\x1b[K")


def test_errors_name_files_as_they_can_be_shown(capsys):
    assert failures.tell("darkroom check", InputError("a\x1b[2J: bad\nb\u2028c: bad")) == 2
    assert capsys.readouterr().err == "darkroom check: a\\u001b[2J: bad\ndarkroom check: b\\u2028c: bad\n"


def test_cells_of_tables_stay_in_their_line():
    assert plain_table([{"image": "a\n\x1b[2Jb", "label": "=1"}], head=False) == "a\\n\\u001b[2Jb  =1\n"
