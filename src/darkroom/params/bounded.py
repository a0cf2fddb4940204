"""Call a function in a process of its own, with limits of time and memory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darkroom.base.errors import DarkroomError

SECONDS = 10
"""Limit of processor time, with imports."""
PATIENCE = 120
"""Seconds after which the process is stopped, on a system without limits too."""
MEMORY = 4 * 10**9
"""Limit of the address space in bytes, above what the process has when it starts; on Linux."""
NO_ANSWER = object()
PROGRAM = """
import json, sys
module, function, arguments, path, seconds, memory = json.loads(sys.argv[1])
sys.path[:] = path
from darkroom.params import bounded
bounded.limit(seconds, memory)
from importlib import import_module
print(json.dumps(getattr(import_module(module), function)(*arguments)))
"""


def ask(module: str, function: str, arguments: Sequence[Any]) -> Any:
    """Call a function in a process of its own.

    Args:
        module: where it is.
        function: its name.
        arguments: values that JSON can hold.

    Returns:
        What it returns, which JSON can hold; ``NO_ANSWER`` if it needs more time or memory.

    Raises:
        DarkroomError: it failed for another reason.
    """
    given = json.dumps([module, function, arguments, sys.path, SECONDS, MEMORY])
    try:
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", PROGRAM, given], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return NO_ANSWER
    if done.returncode == 0:
        return json.loads(done.stdout)
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    # A signal ends a process that exceeds its time.
    if done.returncode < 0 or last.startswith("MemoryError"):
        return NO_ANSWER
    raise DarkroomError(
        f"{module}.{function} failed in a process of its own ({last}); report this with your params.yaml"
    )


def limit(seconds: int, memory: int) -> None:
    """Limit this process, where the system can do that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    pages = Path("/proc/self/statm")
    if pages.is_file():
        most = int(pages.read_text().split()[0]) * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
