"""params.yaml that is small and would cost much, or that YAML reads as something odd: one line each."""

import pytest

from benchmarks.fuzz import core, params
from darkroom.base.errors import InputError
from darkroom.base.yaml_files import MAXIMUM_BYTES, parse_yaml
from darkroom.params import read_params
from support.sources import cheap

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 10)}]}}\n"
    for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
REFUSED = {
    "aliases": (BOMB, r"line 1: .* values with its aliases written out"),
    "merges": (MERGES, r"values with its aliases written out"),
    "a value in itself": ("x: &x [*x]", r"line 1: .*contains itself"),
    "a mapping in itself": ("x: &x {y: {z: *x}}", r"contains itself"),
    "nested lists": ("x: " + "[" * 20_000, r"line 1: .*more than 50 nested levels"),
    "nested mappings": ("x: " + "{a: " * 10_000, r"more than 50 nested levels"),
    "nested by indentation": (
        "\n".join(" " * depth + "a:" for depth in range(200)),
        r"line 5\d: .*more than 50 nested",
    ),
    "bytes": ("#" * (MAXIMUM_BYTES + 1), r"65,537 bytes; at most 65,536"),
    "digits": ("x: " + "9" * 5000, r"invalid YAML"),
    "hexadecimal digits": ("train: {seed: 0x" + "f" * 5000 + "}", r"line 1: .*whole number of 5,002 signs"),
    "more than 64 bits": ("train: {mlp: {epochs: 10000000000000000000000}}", r"a whole number of 23 signs"),
    "a picture of gigabytes": (
        "preprocess: {size: [99999, 99999, 3]}",
        r"size\[0\]: 99999 given; it should",
    ),
    "no date": ("x: 2024-99-99", r"invalid YAML \(month must be in"),
    "a date as key": ("2024-01-01: 3", r"invalid key"),
    "a list as key": ("? [1, 2]\n: 3", r"invalid key"),
    "half a character": ('x: "\\ud800"', r"invalid text"),
    "code": ("x: !!python/object/apply:os.system [true]", r"invalid YAML"),
    "many errors": ("models: [" + "x, " * 5000 + "]", r"\d+ errors, of which the first 20 are shown"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFUSED)
def test_odd_and_hostile_params_are_refused_in_one_line_per_error(tmp_path, kind):
    content, what = REFUSED[kind]
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with cheap(), pytest.raises(InputError, match=what) as raised:
        read_params(path)
    assert all(line.startswith(f"{path}") for line in str(raised.value).split("\n"))
    assert len(str(raised.value).split("\n")) <= 21


def test_anchors_aliases_and_merges_are_read():
    read = parse_yaml("a: &a {x: 1, y: [1, 2]}\nb: {<<: *a, x: 2}\nc: *a\n", "file")
    assert read == {"a": {"x": 1, "y": [1, 2]}, "b": {"x": 2, "y": [1, 2]}, "c": {"x": 1, "y": [1, 2]}}


def test_some_inputs_of_the_fuzzer(tmp_path):
    family = params.family(tmp_path)
    for number in range(12):
        outcome = core.attempt(family, family.make(core._generator(1, number)), number)  # noqa: SLF001
        assert not outcome.fault, outcome
