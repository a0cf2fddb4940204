"""The measured recipes as a table in Markdown, and their curves as pictures in docs/curves/.

    python -m benchmarks.document

Reads benchmarks/results/, which benchmarks/recipes.py writes. Prints the table.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.recipes import RESULTS, row
from darkroom import figures

CURVES = Path(__file__).resolve().parents[1] / "docs" / "curves"


def main() -> None:
    """Print a row for each recipe, and draw the first seed's curves of each default recipe."""
    recipes: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        recipes.setdefault(path.stem.rpartition("-")[0], []).append(result)
    print("| network | data | recipe | accuracy | epochs | minutes of one training |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, results in recipes.items():
        recipe = results[0]["values"]["recipe"]
        print(row(results, recipe))
        if name.endswith("-default"):
            network = results[0]["network"]
            title = f"{network} on {results[0]['data']}: test accuracy {results[0]['test_accuracy']:.4f}"
            picture = CURVES / f"{network}.png"
            figures.curves(results[0]["history"], results[0]["best_epoch"] - 1, title, picture)


if __name__ == "__main__":
    main()
