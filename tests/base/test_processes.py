"""Identities of processes: what is written, what of earlier versions is read, and who is dead for certain."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from darkroom.base import processes
from darkroom.base.processes import ProcessId

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is dead for certain")


@pytest.fixture
def sleeping():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def written_by_earlier_versions(pid):
    """The text as it was put together before psutil: the start time is field 22 of the kernel's status."""
    proc = Path("/proc")
    boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    started = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    return f"{os.uname().nodename} {boot} {(proc / 'self/ns/pid').readlink()} {pid} {started}"


def test_the_text_is_that_of_earlier_versions_and_is_read_again(sleeping):
    for identity in (ProcessId.of(sleeping.pid), ProcessId.current()):
        assert str(identity) == written_by_earlier_versions(identity.pid)
        assert ProcessId.parse(str(identity)) == identity


def test_a_process_has_ended_once_it_is_dead(sleeping):
    earlier = ProcessId.parse(written_by_earlier_versions(sleeping.pid))
    assert earlier.is_running()
    assert not earlier.has_ended()
    sleeping.kill()
    deadline = time.monotonic() + 10
    # A zombie: nobody has waited for it yet.
    while psutil.Process(sleeping.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
    assert earlier.has_ended()
    assert not earlier.is_running()
    sleeping.wait()
    assert earlier.has_ended()
    assert not earlier.is_running()


def test_another_process_of_the_same_number_is_another():
    now = ProcessId.current()
    before = dataclasses.replace(now, started=now.started - 10 * processes.TICKS)
    assert before.has_ended()
    assert not before.is_running()
    assert not now.has_ended()
    # psutil derives start times from the clock, which may be corrected meanwhile.
    assert not dataclasses.replace(now, started=now.started + processes.TICKS).has_ended()


def test_a_process_that_had_gone_before_it_was_identified_has_ended(sleeping):
    sleeping.kill()
    sleeping.wait()
    identity = ProcessId.of(sleeping.pid)
    assert str(identity).endswith(" unknown")
    assert ProcessId.parse(str(identity)).has_ended()
    assert not identity.is_running()


@pytest.mark.parametrize(
    ("changed", "ended", "ended_on_own_host"),
    [
        ({"host": "otherhost"}, False, False),
        ({"boot": "another"}, False, True),
        ({"boot": "unknown"}, False, False),
        ({"namespace": "pid:[1]"}, False, False),
    ],
)
def test_what_cannot_be_seen_from_here_is_not_taken_for_dead(changed, ended, ended_on_own_host):
    of = dataclasses.replace(ProcessId.current(), started=1, **changed)
    assert of.has_ended() is ended
    assert of.has_ended(own_host=True) is ended_on_own_host
    assert not of.is_running()


@pytest.mark.parametrize("text", ["", "a b c", "host boot namespace number 1", "host boot namespace 1 soon"])
def test_any_other_text_names_no_process(text):
    assert ProcessId.parse(text) is None


def test_a_number_that_no_process_can_have_is_not_taken_for_dead_nor_alive():
    of = dataclasses.replace(ProcessId.current(), pid=-1)
    assert not of.has_ended()
    assert not of.is_running()
