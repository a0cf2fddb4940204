"""What pages that need nothing but themselves have in common."""

import base64
import io
from html import escape

from PIL import Image

from darkroom.images import Pixels

SIDE = 96
"""Pixels of a picture at most."""
STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1f2328; --faint: #59636e; --line: #d1d9e0;
  --known: #6e7781; --new: #c2410c; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --faint: #9198a1; --line: #3d444d;
  --known: #9aa4af; --new: #ff9a57; --good: #4ac26b; } }
body { background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { border-top: 1px solid var(--line); font-size: 1.2rem; margin-top: 2rem; padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
p.facts, figcaption { color: var(--faint); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; }
.pictures { display: flex; flex-wrap: wrap; gap: .7rem; }
figure { margin: 0; width: 96px; }
figure img { border: 1px solid var(--line); display: block; image-rendering: pixelated; width: 96px; }
figcaption { font-size: .75rem; overflow-wrap: anywhere; }
"""


def document(title: str, body: str, style: str = "") -> str:
    """Return a page.

    Args:
        title: plain text.
        body: HTML.
        style: what it needs besides ``STYLE``.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body>{body}</body></html>\n"
    )


def address_of(pixels: Pixels) -> str:
    """Return an image, uint8 of shape (height, width, channels), as an address that holds it."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
