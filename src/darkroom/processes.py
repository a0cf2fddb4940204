"""Which process writes a run, and whether it still lives; and how a stage ends together with its DVC."""

import ctypes
import os
import signal
import socket
from pathlib import Path

PROC = Path("/proc")  # Linux; elsewhere no process is ever taken for dead, nor ended with its parent
PR_SET_PDEATHSIG = 1


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
        status = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name in the second field may hold spaces and brackets of its own.
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields[19]


def end_with_parent() -> None:
    """Let the kernel end this process when the one that started it dies, even by ``kill -9``.

    Otherwise a stage would outlive its DVC, and write over the outputs of the next one.
    """
    if not PROC.is_dir():
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before that, and its children have been handed to process 1.
    if os.getppid() == 1 and b"dvc" not in (PROC / "1" / "cmdline").read_bytes():
        os._exit(1)
