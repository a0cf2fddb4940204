"""Texts with names that others chose in Markdown, as in the body of a pull request."""

import re

from darkroom.base.terminal import shown

MARKS = re.compile(r"[\\`*_{}\[\]<>|~$&!]")
REFERENCES = re.compile(r"[@#]")
"""In GitHub, they call a person, and close an issue, in spite of a backslash."""


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is: no link, picture, formula or HTML, and nobody is called."""
    return REFERENCES.sub(r"\g<0><!-- -->", MARKS.sub(r"\\\g<0>", shown(text)))
