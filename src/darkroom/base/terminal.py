"""What the terminal shows of names that others chose: characters that steer it, or show nothing, as escapes."""

import json
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, TextIO

STEERING = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories of characters that move the cursor, reverse the text, break the line or show nothing."""
JOINERS = frozenset("\u200c\u200d")
"""Show nothing either, but some scripts and pictograms are not written without them."""
OF_LINES = frozenset("\n\t")


def shown(name: str) -> str:
    r"""Return a name for a line of text: each character that is not shown as itself becomes an escape of JSON.

    Bytes of file names that are not UTF-8 become ``\xf6``. Lines in JSON stay valid, and mean the same.
    """
    return _escaped(name, frozenset())


def shown_lines(text: str) -> str:
    """Return a text of several lines in the same way; line breaks and tabs stay."""
    return _escaped(text, OF_LINES)


def named(names: Iterable[str]) -> str:
    """Return names for a line of text, with commas."""
    return ", ".join(map(shown, names))


def _escaped(text: str, kept: frozenset[str]) -> str:
    if text.isascii() and text.isprintable():
        return text
    kept |= JOINERS
    return "".join(sign if sign in kept else _sign(sign) for sign in text)


def _sign(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind == "Cs":
        stands_for_byte = "\udc80" <= sign <= "\udcff"
        return sign.encode("utf-8", "surrogateescape" if stands_for_byte else "backslashreplace").decode(
            "utf-8", "backslashreplace"
        )
    if kind not in STEERING:
        return sign
    # The only one that JSON need not escape, and Python does not.
    return "\\u007f" if sign == "\x7f" else json.dumps(sign)[1:-1]


class Terminal:
    """A stream on which whatever is printed is shown as ``shown_lines`` says; everything else is the stream's."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        """Shows control characters as they are, for lines that overwrite each other."""

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        # A progress bar begins with a return, to overwrite itself; within a line, it would hide what stands before.
        rest = text.lstrip("\r")
        self.stream.write(text[: len(text) - len(rest)] + shown_lines(rest))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def guard() -> None:
    """Let standard output and error show what is printed as ``shown_lines`` says. Idempotent."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Terminal):
            setattr(sys, name, Terminal(stream))


def unguarded(stream: TextIO) -> TextIO:
    """Return a stream that takes control characters; what is written to it must be Darkroom's own text."""
    return stream.stream if isinstance(stream, Terminal) else stream
