"""The table of networks that ``darkroom models`` prints.

Building every network to count parameters would take TensorFlow and ten seconds, so network files state the totals; a
test compares them with the built networks.
"""

from collections.abc import Iterator
from typing import Any

from darkroom.params.network_files import PARAMS, file_of, load, names


def networks() -> Iterator[dict[str, Any]]:
    """Yield one row per network, at its published size; values that its file does not state are None."""
    for name in names():
        file, side = load(name), PARAMS[name]().smallest_side
        size = getattr(file, "PUBLISHED_INPUT", None)
        yield {
            "name": name,
            "input": format_shape(size) if size else None,
            "classes": getattr(file, "PUBLISHED_CLASSES", None),
            "parameters": getattr(file, "PUBLISHED_PARAMETERS", None),
            "multiply-adds": getattr(file, "PUBLISHED_MULTIPLY_ADDS", None),
            "smallest input": format_shape((side, side)),
            "source": getattr(file, "SOURCE", f"networks/{file_of(name).name}"),
        }


def format_shape(shape: tuple[int, ...]) -> str:
    """Format a shape as ``28×28×1``."""
    return "×".join(map(str, shape))
