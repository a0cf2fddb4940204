"""Which process writes a run, and whether it still lives; and how a stage ends together with its DVC."""

import ctypes
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROC = Path("/proc")  # Linux; elsewhere no process is ever taken for dead, nor ended with its parent
PR_SET_PDEATHSIG = 1
LOOKED_AT_EVERY = 0.2  # seconds


def identity(pid: int | None = None) -> str:
    """Name a process, this one unless told: host, boot, process-number namespace, number and start time.

    A number alone would be given to another process one day, and means nothing on another host or in another container.
    """
    pid = pid or os.getpid()
    return " ".join((socket.gethostname(), _boot(), _namespace(), str(pid), _started(pid) or "unknown"))


def has_ended(named: str, *, own_host: bool = False) -> bool:
    """Say whether a process that ``identity`` named is dead for certain; False where that cannot be known from here.

    Args:
        named: what ``identity`` returned.
        own_host: whether a host of this name can be no other than this one, so that another boot means a restart.
    """
    try:
        host, boot, namespace, pid, started = named.split()
    except ValueError:
        return False
    if host != socket.gethostname() or boot == "unknown":
        return False
    if boot != _boot():
        return own_host
    return namespace == _namespace() and _started(int(pid)) != started


def _boot() -> str:
    file = PROC / "sys" / "kernel" / "random" / "boot_id"
    return file.read_text().strip() if file.is_file() else "unknown"


def _namespace() -> str:
    link = PROC / "self" / "ns" / "pid"
    return str(link.readlink()) if link.is_symlink() else "unknown"


def _started(pid: int) -> str | None:
    """When a living process started, in clock ticks since the boot; None where there is no such process."""
    try:
        fields = _status(pid)
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Say whether no other process of this host is in here under this name; never so where there is no Linux.

    The name is that of a socket without a file, which the system frees when its holder dies, whoever that was.
    """
    with socket.socket(socket.AF_UNIX) as held:
        try:
            held.bind(f"\0{name}")
        except OSError:
            yield False
        else:
            yield True


def end_with_dvc() -> None:
    """End this process, a stage's, when the DVC that runs it dies, even by ``kill -9``.

    Otherwise a stage would outlive its DVC, and write over the outputs of the next one.
    """
    if not PROC.is_dir():
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = os.getppid()
    dvc = _starter()
    if dvc == 0:
        return  # a container's end is as far as one can see
    started = _started(dvc) if dvc else None
    if dvc is None or started is None:
        # A killed DVC stays the parent until the last of its threads has ended.
        os._exit(1)
    if dvc == parent:
        return  # the kernel does it
    # Some shells stay in between (dash, DVC's choice where SHELL is not set), and do not die with DVC.
    threading.Thread(target=_end_with, args=(dvc, started), daemon=True).start()


def end_with_parent(parent: int) -> None:
    """End this process when its parent dies, even by ``kill -9``.

    Args:
        parent: the parent's number, as it knows it: it may be dead by now.
    """
    if not PROC.is_dir():
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _end_with(pid: int, started: str) -> None:
    while _started(pid) == started:
        time.sleep(LOOKED_AT_EVERY)
    os.kill(os.getpid(), signal.SIGKILL)


def _starter() -> int | None:
    """Return the nearest process above this one that is not part of the stage: DVC; None where DVC died already.

    0 stands for a process outside of this container.
    """
    mark = f"DVC_STAGE={os.environ['DVC_STAGE']}".encode()
    try:
        above = os.getppid()
        while mark in _environment(above):
            above = _parent(above)
        # An orphan goes to process 1 or to a session's manager, which are not of DVC's session. One that the stage
        # opened for itself says nothing.
        handed_over = os.getsid(above) != os.getsid(0) and mark not in _environment(os.getsid(0))
    except OSError:
        return None  # died in this moment
    return None if handed_over else above


def _environment(pid: int) -> list[bytes]:
    """Return what a process was started with; nothing where that cannot be known."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _parent(pid: int) -> int:
    return int(_status(pid)[1])


def _status(pid: int) -> list[str]:
    """Return what the kernel says of a process, from its state on."""
    # The name before that may hold spaces and brackets of its own.
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
