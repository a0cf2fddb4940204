"""Texts from outside in the HTML pages."""

import pytest
from markupsafe import Markup

from darkroom.reporting import pages


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Öl & <b>", "Öl &amp; &lt;b&gt;"),
        ("a\u202e<b", "a\\u202e&lt;b"),
        ("two\nlines\x1b[31m", "two\nlines\\u001b[31m"),
        ("\udcf6", "\\xf6"),
        (Markup("<b>"), "<b>"),
        (3, "3"),
    ],
)
def test_no_text_reverses_hides_or_becomes_a_part_of_a_page(text, expected):
    assert pages.ENVIRONMENT.from_string("<td>{{ text }}</td>").render(text=text) == f"<td>{expected}</td>"
