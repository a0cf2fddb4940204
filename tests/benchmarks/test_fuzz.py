"""The fuzzer: its faults are found, its inputs can be repeated."""

import re

import numpy as np
import pytest

from benchmarks.fuzz import core, images
from support import faulty_inputs

MODULE = faulty_inputs.__name__


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch):
    monkeypatch.setattr(core, "SECONDS", faulty_inputs.SECONDS)
    monkeypatch.setattr(core, "PATIENCE", 5)
    monkeypatch.setattr(core, "MEMORY", faulty_inputs.MEMORY)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("sound", ""),
        ("refused", ""),
        ("lost", r"lost: Tally\(found=3, used=1, left_out=1\)"),
        ("raises", r"KeyError: 'a\\nb'"),
        ("two lines", "an error that is not one line"),
        ("slow", "takes 0.5 s"),
        ("large", "needs 1[0-9]{2} MB"),
    ],
)
def test_each_kind_of_fault_is_found(kind, fault):
    outcome = core.attempt(faulty_inputs.Faulty(), core.Input(kind, b""))
    assert bool(outcome.fault) == bool(fault)
    assert re.match(fault, outcome.fault)
    assert ("Traceback" in outcome.report) == (kind == "raises")


@pytest.mark.slow
def test_a_worker_that_dies_or_hangs_is_replaced():
    kinds = {core.make(MODULE, number, 7).name: number for number in range(40)}
    assert set(kinds) == set(faulty_inputs.KINDS)
    order = ("dies", "sound", "hangs", "refused", "sound")
    summary = core.run(MODULE, [kinds[kind] for kind in order], 7)
    assert [outcome.number for outcome in summary.faults] == [kinds["dies"], kinds["hangs"]]
    assert [outcome.fault for outcome in summary.faults] == ["the process died (3)", "no answer after 5 s"]
    assert (summary.inputs, summary.refused, summary.tally["found"]) == (5, 1, 4)


def test_mutated_images_are_used_or_left_out_alike_by_all_commands(tmp_path):
    family = images.family(tmp_path)
    outcomes = [core.attempt(family, family.make(np.random.default_rng([1, number]))) for number in range(80)]
    assert [outcome for outcome in outcomes if outcome.fault] == []
    assert 10 < sum(outcome.tally.used for outcome in outcomes) < 70
