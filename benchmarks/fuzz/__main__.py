"""Mutated inputs through the code that reads them.

    python -m benchmarks.fuzz FAMILY [--inputs 10000] [--seed 0] [--only NUMBER] [--keep FOLDER]

FAMILY is a module of benchmarks/fuzz: images, archives, tables, params, requests. Prints a line per fault and a
summary; exits with 1 if there is a fault. An input depends on the seed and its number alone: ``--only`` repeats one,
and ``--keep`` writes the inputs with faults and their tracebacks to a folder.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.fuzz import core

FAMILIES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in {"__init__", "__main__", "core", "mutations"}
)


def main() -> int:
    """Run a family, print the summary and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=str(__doc__).splitlines()[0])
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of the one input to run")
    parser.add_argument("--keep", type=Path, help="folder for inputs with faults")
    given = parser.parse_args()
    numbers = range(given.inputs) if given.only is None else [given.only]
    module = f"{__package__}.{given.family}"
    summary = core.run(module, numbers, given.seed)
    for outcome in summary.faults if given.keep else ():
        made = core.make(module, outcome.number, given.seed)
        given.keep.mkdir(parents=True, exist_ok=True)
        stem = f"{given.family}-{outcome.number}"
        (given.keep / f"{stem}{Path(made.name).suffix}").write_bytes(made.content)
        (given.keep / f"{stem}.txt").write_text(f"{outcome.fault}\n{outcome.report}", encoding="utf-8")
    print(summary)
    return 1 if summary.faults else 0


if __name__ == "__main__":
    sys.exit(main())
