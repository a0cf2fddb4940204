"""How Great Expectations draws its Data Docs: names are escaped, and a page that cannot be written is an error."""

import html
import logging
import sys
from typing import Any

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import BytecodeCache, pass_context
from jinja2.bccache import Bucket

from darkroom.base.terminal import shown_lines


class _CompiledTemplates(BytecodeCache):
    """Templates compiled in this process: each page has a view of its own, which would compile them again."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill in the compiled template, if it is known."""
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _CompiledTemplates()


class EscapingView(DefaultJinjaPageView):  # type: ignore[misc]
    """Great Expectations' view of a page, which escapes the values of templates, but no other text (table cells).

    With this one, no file's name becomes part of a page, and no character of it reverses or hides its neighbours.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.env.bytecode_cache = _COMPILED
        self.env.finalize = _visible

    @pass_context
    def render_content_block(self, jinja_context: Any, content_block: Any, *arguments: Any, **named: Any) -> Any:
        """Render a part of a page; text, alone or in a list, is text and not HTML."""
        if isinstance(content_block, list):
            content_block = [_escaped(part) for part in content_block]
        elif isinstance(content_block, str):
            return _escaped(content_block)
        return super().render_content_block(jinja_context, content_block, *arguments, **named)


def _raise_instead(record: logging.LogRecord) -> bool:
    """Raise the error that Great Expectations is about to log with its traceback, to go on without the page."""
    if record.levelno >= logging.ERROR and (error := sys.exc_info()[1]) is not None:
        raise error
    return True


logging.getLogger("great_expectations.render.renderer.site_builder").addFilter(_raise_instead)


def _visible(value: Any) -> Any:
    return shown_lines(value) if type(value) is str else value


def _escaped(part: Any) -> Any:
    return html.escape(part) if isinstance(part, str) else part
