"""How Great Expectations draws its Data Docs, with names escaped: a file's name must not become part of a page."""

import html
from typing import Any

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import pass_context


class EscapingView(DefaultJinjaPageView):  # type: ignore[misc]
    """Great Expectations' view of a page, which escapes the values of templates, but no other text (table cells)."""

    @pass_context
    def render_content_block(self, jinja_context: Any, content_block: Any, *arguments: Any, **named: Any) -> Any:
        """Render a part of a page; text, alone or in a list, is text and not HTML."""
        if isinstance(content_block, list):
            content_block = [_escaped(part) for part in content_block]
        elif isinstance(content_block, str):
            return _escaped(content_block)
        return super().render_content_block(jinja_context, content_block, *arguments, **named)


def _escaped(part: Any) -> Any:
    return html.escape(part) if isinstance(part, str) else part
