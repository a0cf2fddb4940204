"""Faults while a small pipeline runs: is it recovered, with the results of an undisturbed run?

    python -m benchmarks.faults kills [--count 30] [--seed 0]
    python -m benchmarks.faults disk [--only PLACE …] [--seed 0]
    python -m benchmarks.faults server [--only WAY …] [--seed 0]
    python -m benchmarks.faults fine_tuning [--count 30] [--seed 0]

``kills``: all processes of `dvc repro` are killed at random moments, a search with two workers among them, then the
pipeline is run to its end. ``disk``: before each stage, the file system of the project, or of one of its folders, is
filled, then emptied; needs Linux and the right to mount. ``server``: while each stage runs, its MLflow server is
killed, hangs, or refuses. ``fine_tuning``: a pipeline on photographs is killed while it computes features, trains the
head and trains deeper layers, then trained from other weights and reproduced; needs the data sets. Prints faults as
they are found, and a Markdown table; exits with 1 if there is a fault.
"""

import argparse
import sys
from typing import Protocol, TypeVar

from benchmarks.faults import disk, fine_tuning, kills, outages
from benchmarks.recipes import machine
from darkroom.base import environment

INSIDE = "--inside"
"""Says that this process may mount file systems."""


class Outcome(Protocol):
    """What came of a fault."""

    @property
    def title(self) -> str:
        """Where the fault was."""

    @property
    def fault(self) -> str:
        """What is wrong, or nothing."""


Found = TypeVar("Found", bound=Outcome)


def main() -> int:
    """Run one kind of faults; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=str(__doc__).splitlines()[0])
    parser.add_argument("kind", choices=("kills", "disk", "server", "fine_tuning"))
    parser.add_argument("--count", type=int, default=30, help="number of kills")
    parser.add_argument("--only", nargs="+", help=f"of {', '.join(disk.PLACES)}; or of {', '.join(outages.WAYS)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    environment.prepare()
    found: list[Outcome]
    if given.kind == "kills":
        rounds = [told(each) for each in kills.run(given.count, given.seed)]
        found, table = [*rounds], kills.report(rounds)
    elif given.kind == "server":
        outed = [told(each) for each in outages.run(given.only or list(outages.WAYS), given.seed)]
        found, table = [*outed], outages.report(outed)
    elif given.kind == "fine_tuning":
        steps = [told(each) for each in fine_tuning.run(given.count, given.seed)]
        found, table = [*steps], fine_tuning.report(steps)
    elif given.inside:
        filled = [told(each) for each in disk.run(given.only or list(disk.PLACES), given.seed)]
        found, table = [*filled], disk.report(filled)
    else:
        code = disk.in_own_namespace([sys.executable, "-m", "benchmarks.faults", *sys.argv[1:], INSIDE])
        return code if code is not None else sys.exit("disk: this system allows no mounts")
    faults = sum(bool(each.fault) for each in found)
    print(f"{machine()}\n\n{table}\n\n{faults} faults")
    return 1 if faults else 0


def told(found: Found) -> Found:
    """Print what came of a fault, as soon as it is known."""
    print(f"{found.title}: {found.fault or 'recovered'}", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
