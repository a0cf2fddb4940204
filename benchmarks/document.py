"""Measured recipes as Markdown tables, and their training curves as pictures in docs/curves/.

    python -m benchmarks.document

Reads benchmarks/results/, written by benchmarks/recipes.py and benchmarks/full_size.py. Prints the tables.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks import full_size, recipes
from darkroom.reporting import figures

CURVES = Path(__file__).resolve().parents[1] / "docs" / "curves"


def main() -> None:
    """Print a row per measured recipe, and draw the curves of its first seed."""
    large = [_read(path) for path in sorted(recipes.RESULTS.glob("full_size-*.json"))]
    by_seed = sorted(recipes.RESULTS.glob("*-*-*-*.json"))  # data, network, recipe, seed
    measured: dict[str, list[dict[str, Any]]] = {}
    for path in by_seed:
        measured.setdefault(path.stem.rpartition("-")[0], []).append(_read(path))
    print(recipes.HEADER)
    for results in measured.values():
        print(recipes.row(results))
    print(f"\n{full_size.HEADER}")
    for result in large:
        print(full_size.row(result))
    for name, (first, *_) in measured.items():
        values = first["values"]
        title = f"{first['network']} on {first['data']}, recipe {values['recipe']}: test {first['test_accuracy']:.4f}"
        figures.curves(first["history"], first["best_epoch"] - 1, title, CURVES / f"{name}.png")


def _read(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


if __name__ == "__main__":
    main()
