"""Texts from outside in the HTML pages."""

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

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


@pytest.mark.parametrize(("side", "form"), [(4, "png"), (400, "webp")])
def test_figures_of_photographs_do_not_make_a_page_large(tmp_path, side, form):
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "figure.png")
    content = pages.embed_file(tmp_path / "figure.png")
    assert content.startswith(f"data:image/{form};base64,")
    assert len(content) < pages.LARGE
    assert pages.size_of(tmp_path / "figure.png") == (side, side)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "right on 66.7 % of 30 images (95 % interval), p < 0.0001",
            "right on 66.7_% of 30 images (95_% interval), p_<_0.0001",
        ),
        ("p 0.0003; step 4", "p_0.0003; step 4"),
    ],
)
def test_no_line_ends_between_a_number_and_its_unit(text, lines):
    shown = pages.ENVIRONMENT.from_string("{{ text | unbroken }}").render(text=text)
    assert shown.replace("\N{NO-BREAK SPACE}", "_").replace("&lt;", "<") == lines
