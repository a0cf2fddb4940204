"""The page of ``darkroom compare``: the scores of two models, and the images that they answer differently."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkroom import comparing
from darkroom.comparing import Compared
from darkroom.images import Pixels
from darkroom.pages import address_of, document

SHOWN = 60  # pictures of each kind
STYLE = """
figure, figure img { width: 112px; }
.right { color: var(--good); }
.wrong { color: var(--new); }
"""


def find_pictures(prepared: Path, found: Compared) -> dict[str, Pixels]:
    """Return the images that are answered differently, by their SHA-256, as far as the prepared test images hold them.

    Args:
        prepared: folder of the packed images.
        found: the comparison.
    """
    folder = prepared / "test"
    if not (folder / "manifest.parquet").is_file() or not (folder / "images.npy").is_file():
        return {}
    manifest = pd.read_parquet(folder / "manifest.parquet", columns=["sha256"])
    packed = np.load(folder / "images.npy", mmap_mode="r")
    first = manifest.reset_index(drop=True).drop_duplicates("sha256")
    wanted = first[first["sha256"].isin(found.disagreeing.index)]
    return {sha256: np.asarray(packed[row]) for row, sha256 in wanted["sha256"].items()}


def page(one: str, other: str, found: Compared, pictures: Mapping[str, Pixels]) -> str:
    """Write the page.

    Args:
        one: name of the first model.
        other: name of the second.
        found: what came of the comparison.
        pictures: the images, by their SHA-256; uint8 of shape (height, width, channels).
    """
    apart = found.disagreeing
    right = {name: (apart[name] == apart["label"]).to_numpy() for name in (one, other)}
    kinds = {
        f"Only {other} is right": right[other],
        f"Only {one} is right": right[one],
        "Both are wrong, in different ways": ~right[one] & ~right[other],
    }
    title = f"{one} against {other}"
    body = f"<h1>{escape(title)}</h1><p>{escape(comparing.sentence(other, found))}.</p>{_table(found.rows)}"
    for kind, chosen in kinds.items():
        body += _section(kind, apart[chosen], found.certainty[chosen], pictures)
    return document(title, body, STYLE)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{escape(name)}" for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(value))}' for value in row.values())}" for row in rows)
    return f"<div class=scroll><table><thead><tr>{head}</thead><tbody>{body}</tbody></table></div>"


def _text(value: object) -> str:
    return f"{value:+.4f}" if isinstance(value, float) else str(value).replace("_", " ")


def _section(kind: str, rows: pd.DataFrame, certainty: pd.DataFrame, pictures: Mapping[str, Pixels]) -> str:
    """Show the images of one kind, the ones that both are most certain of first."""
    order = certainty.min(axis=1).sort_values(ascending=False, kind="stable").index[:SHOWN]
    shown = "".join(_figure(rows.loc[sha256], certainty.loc[sha256], pictures.get(str(sha256))) for sha256 in order)
    more = len(rows) - len(order)
    left = f"<p class=facts>{more} more are not shown.</p>" if more else ""
    none = "" if len(rows) else "<p class=facts>None.</p>"
    return f"<h2>{escape(kind)}: {len(rows)}</h2><div class=pictures>{shown}</div>{left}{none}"


def _figure(row: pd.Series, certainty: pd.Series, pixels: Pixels | None) -> str:
    picture = "<p>no picture here</p>" if pixels is None else f'<img alt="" src="{address_of(pixels)}">'
    answers = "".join(
        f"<br><span class={'right' if row[name] == row['label'] else 'wrong'}>{escape(str(name))} says "
        f"{escape(str(row[name]))} ({certainty[name]:.2f})</span>"
        for name in certainty.index
    )
    label = f"label {escape(str(row['label']))}"
    return f"<figure>{picture}<figcaption>{escape(str(row['image']))}<br>{label}{answers}</figcaption></figure>"
