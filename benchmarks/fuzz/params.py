"""Mutated params.yaml through the check that every stage and command begins with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.fuzz.core import Input, Tally
from benchmarks.fuzz.mutations import mutate
from darkroom.base.errors import InputError
from darkroom.params import read_params

SHIPPED = Path(__file__).resolve().parents[2] / "params.yaml"
WORDS = (
    *(
        b"&a ",
        b"*a",
        b"<<: *a",
        b"[",
        b"]",
        b"{",
        b"}",
        b"? ",
        b": ",
        b"- ",
        b"| ",
        b"> ",
        b"---\n",
        b"...\n",
        b"# ",
        b"\t",
    ),
    *(b"!!set ", b"!!binary ", b"!!omap ", b"!!float ", b"!!timestamp ", b"!x ", b"%YAML 1.1\n", b"%TAG ! x\n"),
    *(
        b"2024-01-01",
        b"2024-99-99",
        b"1e999",
        b".nan",
        b".inf",
        b"0x",
        b"1_0",
        b"12:30:45",
        b"9" * 400,
        b"null",
        b"~",
        b"yes",
    ),
    *(b'"\\ud800"', b"'", b'"', b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\x85"),
)
Lines = list[bytes]


def family(folder: Path) -> "ParamsFiles":
    """Return the family; ``folder`` is for its files."""
    return ParamsFiles(folder)


class ParamsFiles:
    """The shipped params.yaml, mutated by lines and by bytes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "params.yaml"
        lines = SHIPPED.read_bytes().splitlines(keepends=True)
        self._lines = [line for line in lines if line.strip() and not line.strip().startswith(b"#")]

    def make(self, generator: np.random.Generator) -> Input:
        """Mutate lines, bytes or both."""
        lines = list(self._lines)
        for _ in range(int(generator.integers(4))):
            _MUTATIONS[generator.integers(len(_MUTATIONS))](lines, generator)
        content = b"".join(lines)
        if generator.random() < 0.6:  # noqa: PLR2004
            content = mutate(content, generator, WORDS)
        return Input("params.yaml", content)

    def attempt(self, given: Input) -> Tally:
        """Read and check the file; each error is one line that begins with its place."""
        self._path.write_bytes(given.content)
        try:
            read_params(self._path)
        except InputError as error:
            lines = str(error).split("\n")
            if not all(line.startswith((f"{self._path}", "networks/")) for line in lines):
                raise AssertionError(f"a line without its place: {error}") from None
            raise InputError(lines[0]) from None
        return Tally(1, 1, 0)


def _at(lines: Lines, generator: np.random.Generator) -> int:
    return int(generator.integers(len(lines)))


def _indent(lines: Lines, generator: np.random.Generator) -> None:
    place = _at(lines, generator)
    lines[place] = b" " * int(generator.integers(1, 5)) + lines[place]


def _outdent(lines: Lines, generator: np.random.Generator) -> None:
    place = _at(lines, generator)
    lines[place] = lines[place].lstrip()


def _remove(lines: Lines, generator: np.random.Generator) -> None:
    del lines[_at(lines, generator)]


def _repeat(lines: Lines, generator: np.random.Generator) -> None:
    lines.insert(_at(lines, generator), lines[_at(lines, generator)])


def _replace_value(lines: Lines, generator: np.random.Generator) -> None:
    place = _at(lines, generator)
    word = WORDS[generator.integers(len(WORDS))]
    lines[place] = lines[place].partition(b":")[0] + b": " + word + b"\n"


def _exchange_values(lines: Lines, generator: np.random.Generator) -> None:
    place, other = _at(lines, generator), _at(lines, generator)
    lines[place] = lines[place].partition(b":")[0] + b":" + lines[other].partition(b":")[2]


_MUTATIONS: tuple[Callable[[Lines, np.random.Generator], None], ...] = (
    *(_indent, _outdent, _remove, _repeat),
    *(_replace_value, _exchange_values) * 2,
)
