"""Names in Markdown: they are shown as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from darkroom.base.markdown import plain
from darkroom.base.terminal import shown

PIECES = (
    "![x](y)",
    "<img src=x>",
    "`",
    "**",
    "_a_",
    "|",
    "@team",
    "fixes #1",
    "\\",
    "&lt;",
    "$x$",
    "~~",
    "[a]: b",
    "\n\n# ",
)
NAMES = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5) | st.sampled_from(PIECES)).map("".join)


@given(NAMES)
def test_a_text_is_shown_as_it_is(name):
    inline = MarkdownIt("gfm-like", {"linkify": False}).parseInline(f"x{plain(name)}x".replace("<!-- -->", ""))
    (line,) = inline
    assert {token.type for token in line.children} <= {"text", "text_special"}
    assert "".join(token.content for token in line.children) == f"x{shown(name)}x"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a|b", "a\\|b"),
        ("@team", "@<!-- -->team"),
        ("fixes #1", "fixes #<!-- -->1"),
        ("a\n- b", "a\\\\n- b"),
        ("accuracy 0.9 (lenet5)", "accuracy 0.9 (lenet5)"),
    ],
)
def test_what_is_written(name, written):
    assert plain(name) == written
