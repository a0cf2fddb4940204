"""Identify processes across hosts and reboots, check whether they have ended, and end a stage when its DVC dies."""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux only; without it no process counts as ended
PID_NAMESPACE = Path("/proc/self/ns/pid")
UNKNOWN = "unknown"
PR_SET_PDEATHSIG = 1
POLL_INTERVAL = 0.2  # seconds
DEAD = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})
TICKS = os.sysconf("SC_CLK_TCK")  # per second, the unit of the kernel's start times
MARGIN = 2 * TICKS
"""Tolerance for equal start times: psutil derives them from the boot time, which shifts with clock adjustments."""


@dataclass(frozen=True)
class ProcessId:
    """Globally unique identity of a process.

    A PID alone is reused, and is meaningless on another host or in another container.
    """

    host: str
    boot: str
    """Linux boot ID; ``unknown`` on other systems."""
    namespace: str
    """Linux PID namespace, one per container; ``unknown`` on other systems."""
    pid: int
    started: int | None
    """Start time in clock ticks since boot; None if the process had already ended."""

    @classmethod
    def current(cls) -> Self:
        """Identify this process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a process of this host by its PID."""
        try:
            process = psutil.Process(pid)
            started = None if process.status() in DEAD else _started(process)
        except psutil.Error:
            started = None
        return cls(socket.gethostname(), _boot(), _namespace(), pid, started)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse the output of ``str()``, of this or an earlier version; None for any other text."""
        try:
            host, boot, namespace, pid, started = text.split()
            return cls(host, boot, namespace, int(pid), None if started == UNKNOWN else int(started))
        except ValueError:
            return None

    def __str__(self) -> str:
        """Return five words that ``parse`` reads. The format is fixed, since it is stored in MLflow tags."""
        started = UNKNOWN if self.started is None else str(self.started)
        return f"{self.host} {self.boot} {self.namespace} {self.pid} {started}"

    def has_ended(self, *, own_host: bool = False) -> bool:
        """Whether the process has certainly ended; False if that cannot be determined from here.

        Args:
            own_host: whether the host name is unique, so that another boot ID means that this host has rebooted.
        """
        if self.host != socket.gethostname() or self.boot == UNKNOWN:
            return False
        if self.boot != _boot():
            return own_host
        return self.namespace == _namespace() and _has_ended(self.pid, self.started)

    def is_running(self) -> bool:
        """Whether the process is certainly running on this host."""
        here = (socket.gethostname(), _boot(), _namespace())
        if (self.host, self.boot, self.namespace) != here or self.started is None:
            return False
        return bool(psutil.pid_exists(self.pid)) and not _has_ended(self.pid, self.started)


def _boot() -> str:
    return BOOT_ID.read_text().strip() if BOOT_ID.is_file() else UNKNOWN


def _namespace() -> str:
    return str(PID_NAMESPACE.readlink()) if PID_NAMESPACE.is_symlink() else UNKNOWN


def _started(process: psutil.Process) -> int:
    seconds: float = process.create_time() - psutil.boot_time()
    return round(seconds * TICKS)


def _has_ended(pid: int, started: int | None) -> bool:
    """Whether a process of this host and namespace has ended; False if access is denied."""
    try:
        process = psutil.Process(pid)
        return started is None or process.status() in DEAD or abs(_started(process) - started) > MARGIN
    except psutil.ZombieProcess:
        return True
    except psutil.NoSuchProcess:
        return not psutil.pid_exists(pid)  # /proc may hide the processes of other users (hidepid)
    except (psutil.AccessDenied, ValueError):
        return False


@contextmanager
def try_lock(name: str) -> Iterator[bool]:
    """Try to hold a lock among all processes of this host; yield whether it succeeded. Always False outside Linux.

    The lock is an abstract Unix socket, which the system releases when its holder dies.
    """
    with socket.socket(socket.AF_UNIX) as held:
        try:
            held.bind(f"\0{name}")
        except OSError:
            yield False
        else:
            yield True


def end_with_dvc() -> None:
    """End this stage process when the DVC process that runs it dies, even by ``kill -9``.

    Otherwise a stage would outlive its DVC and overwrite the outputs of the next run. Linux only.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = os.getppid()
    pid = _dvc_pid()
    if pid == 0:
        return  # DVC runs outside this container and cannot be watched
    started = None if pid is None else ProcessId.of(pid).started
    if pid is None or started is None:
        # A killed DVC remains the parent until its last thread has ended.
        os._exit(1)
    if pid == parent:
        return  # the death signal suffices
    # A shell between DVC and the stage (dash, DVC's default if SHELL is not set) does not die with DVC.
    threading.Thread(target=_end_with, args=(pid, started), daemon=True).start()


def end_with_parent(parent: int) -> None:
    """End this process when its parent dies, even by ``kill -9``. Linux only.

    Args:
        parent: the parent's PID, passed by the parent, which may have died since.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _end_with(pid: int, started: int) -> None:
    while not _has_ended(pid, started):
        time.sleep(POLL_INTERVAL)
    os.kill(os.getpid(), signal.SIGKILL)


def _dvc_pid() -> int | None:
    """Return the PID of DVC, the nearest ancestor outside the stage; None if it has died, 0 if in another container."""
    stage = os.environ["DVC_STAGE"]
    try:
        above = os.getppid()
        while _stage_of(above) == stage:
            above = psutil.Process(above).ppid()
        # An orphan is reparented to process 1 or a session manager, outside DVC's session. A session that the stage
        # itself started is no evidence of that.
        handed_over = os.getsid(above) != os.getsid(0) and _stage_of(os.getsid(0)) != stage
    except (OSError, psutil.Error):
        return None  # the ancestor has just died
    return None if handed_over else above


def _stage_of(pid: int) -> str | None:
    """Return the DVC stage in a process's environment; None if there is none or the environment is not readable."""
    try:
        variables: dict[str, str] = psutil.Process(pid).environ()
    except (OSError, psutil.Error):
        return None
    return variables.get("DVC_STAGE")
