"""Mutation tests: do the tests of a module notice a wrong line in it?

    python tests/mutants.py [--most N] [--seed N] [--workers N] [MODULE ...]

Draws mutations of each module in ``mutants.toml``, runs the module's tests against each, and prints a table and every
mutation that no test caught. Exit status 1 if fewer than 90 % were caught in a module, equivalent ones not counted.
``mutants.toml`` lists these, each with its reason: no test can tell them from the original.

No file is changed: processes of their own import the mutated source.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import multiprocessing
import os
import random
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from tabulate import tabulate

from darkroom.base import environment
from support.mutations import Mutation, mutations

ROOT = Path(__file__).resolve().parents[1]
LEAST = 0.9  # share of mutations to be caught in each module
# Imported once, by the process that the others are forked from; nothing of Darkroom that is mutated.
PRELOADED = (
    "pandas",
    "pyarrow",
    "scipy.stats",
    "scipy.sparse.csgraph",
    "sklearn.metrics",
    "cv2",
    "albumentations",
    "matplotlib.figure",
    "mlflow",
    "darkroom.base.backend",
)


class Mutated(importlib.machinery.SourceFileLoader, importlib.abc.MetaPathFinder):
    """Imports one module from a given source."""

    def __init__(self, module: str, source: str) -> None:
        super().__init__(module.removeprefix("src/").removesuffix(".py").replace("/", "."), str(ROOT / module))
        self.source = source

    def find_spec(self, fullname: str, _path: Any, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        return (
            importlib.util.spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None
        )

    def get_code(self, _fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


def attempt(module: str, source: str, tests: Sequence[str], folder: str) -> None:
    """Run tests with a module's changed source, in a process of its own; exit with pytest's status."""
    log = os.open(f"{folder}.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(ROOT)
    # An example that Hypothesis found for one mutation would help with the next.
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = f"{folder}.hypothesis"
    mutated = Mutated(module, source)
    sys.meta_path.insert(0, mutated)
    # Hypothesis brings a plugin for pytest, which wants to import it first.
    always = (
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-x",
        "-q",
        "--hypothesis-seed=0",
        "--hypothesis-profile=mutants",
        f"--basetemp={folder}",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    )
    status = int(pytest.main([*always, *tests]))
    if not status and not isinstance(getattr(sys.modules.get(mutated.name), "__loader__", None), Mutated):
        sys.exit(f"these tests do not import {mutated.name}")
    sys.exit(status)


class Runner:
    """Runs tests in processes that begin with the libraries imported."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.numbers, self.pool = folder, itertools.count(), ThreadPoolExecutor(workers)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["__main__", *PRELOADED])

    def survivors(self, module: str, tests: Sequence[str], drawn: Sequence[Mutation]) -> list[Mutation]:
        """Return the mutations that no test catches."""
        begun = time.monotonic()
        if not self._pass(module, (ROOT / module).read_text(encoding="utf-8"), tests, None):
            logs = max(self.folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
            sys.exit(f"{module}: the tests fail without a mutation\n{logs.read_text(encoding='utf-8')}")
        timeout = 60 + 5 * (time.monotonic() - begun)
        passed = self.pool.map(lambda each: self._pass(module, each.source, tests, timeout), drawn)
        return [each for each, survived in zip(drawn, passed, strict=True) if survived]

    def _pass(self, module: str, source: str, tests: Sequence[str], timeout: float | None) -> bool:
        folder = str(self.folder / str(next(self.numbers)))
        process = self.context.Process(target=attempt, args=(module, source, tests, folder))
        process.start()
        process.join(timeout)
        process.kill()  # one that hangs is caught
        process.join()
        return process.exitcode == 0


def chosen(table: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each module's path and the arguments of pytest that run its tests."""
    for row in table:
        for pattern in row["modules"]:
            paths = sorted(ROOT.glob(pattern))
            if not paths:
                sys.exit(f"mutants.toml: no module matches {pattern}")
            for module in (path.relative_to(ROOT).as_posix() for path in paths):
                if not wanted or any(part in module for part in wanted):
                    yield module, row["tests"]


def key(module: str, mutation: Mutation) -> tuple[str, ...]:
    """Return what names a mutation in ``mutants.toml``, wherever its line moves to."""
    return module, mutation.function, mutation.before, mutation.after


def main() -> int:
    """Test each module; print what was not caught and a table; return the exit status."""
    parser = argparse.ArgumentParser(description="mutation tests of the modules in tests/mutants.toml")
    parser.add_argument("modules", nargs="*", help="parts of their paths; default: all")
    parser.add_argument("--most", type=int, default=25, help="mutations drawn per module (default 25)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw (default 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (default 2)")
    arguments = parser.parse_args()
    environment.prepare()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["DARKROOM_COLD"] = "1"  # these tests start no stage or command: no server for them per mutation
    listed = tomllib.loads((ROOT / "tests/mutants.toml").read_text(encoding="utf-8"))
    equivalent = {(row["module"], row["function"], row["before"], row["after"]) for row in listed.get("equivalent", ())}
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder), arguments.workers)
        for module, tests in chosen(listed["tests"], arguments.modules):
            every, begun = list(mutations((ROOT / module).read_text(encoding="utf-8"))), time.monotonic()
            drawn = random.Random(f"{arguments.seed} {module}").sample(every, min(arguments.most, len(every)))
            survived = runner.survivors(module, tests, drawn)
            excused = [each for each in drawn if key(module, each) in equivalent]
            wrong = [each for each in survived if each not in excused]
            for each in wrong:
                print(f"{module}:{each.line} {each.function}\n- {each.before}\n+ {each.after}", flush=True)
            # Of the list: what the module no longer has, and what a test can tell from the original after all.
            stale = {row for row in equivalent if row[0] == module} - {key(module, each) for each in every}
            stale |= {key(module, each) for each in excused if each not in survived}
            for row in sorted(stale):
                print(f"mutants.toml: not an equivalent mutation of {module}: {row[2]} => {row[3]}", flush=True)
            counted = len(drawn) - len(excused)
            share = 1 - len(wrong) / counted if counted else 1.0
            failed |= share < LEAST or bool(stale)
            seconds = time.monotonic() - begun
            print(
                f"{module}: {counted - len(wrong)} of {counted} caught in {seconds:.0f} s", file=sys.stderr, flush=True
            )
            rows.append((module, len(every), len(drawn), len(excused), counted - len(wrong), f"{share:.0%}", seconds))
    headers = ("module", "mutations", "drawn", "equivalent", "caught", "share", "seconds")
    print(tabulate(rows, headers, floatfmt=".0f"))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
