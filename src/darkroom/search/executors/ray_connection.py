"""Connect to a Ray cluster and check that it has resources for a trial. Ray is imported only when used."""

import json
import math
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from darkroom.base.errors import InputError
from darkroom.base.hooks import require_hook
from darkroom.params import RaySettings

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""Environment variables that disable Ray's usage reports and irrelevant warnings."""
OPENS_WITHIN = 3.0  # seconds to wait for a connection to an address
ANSWERS_WITHIN = 25.0  # seconds to wait for a cluster's answer; Ray itself waits for minutes
OBJECTS = 256 * 2**20  # bytes of the object store of a local cluster; Ray's default is a third of the memory
PORTS = {"ray": 10001, "gcs": 6379}
Resources = Mapping[str, float]
"""Resources of one node, by Ray's names."""


def check(settings: RaySettings) -> None:
    """Check that a cluster answers, has the same versions, and has a node with the resources of a trial.

    The check runs in a subprocess, because Ray has no connection timeout and exits the process on failure.

    Raises:
        InputError: one of the checks fails.
    """
    if settings.address is None:
        # Ray detects GPUs when it starts.
        require_room([{"CPU": os.cpu_count() or 1, "GPU": math.inf}], settings)
        return
    if settings.address != "auto":
        _check_port(settings.address)
    command = [sys.executable, "-m", __name__, settings.address]
    try:
        asked = subprocess.run(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWERS_WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unusable(settings.address, f"no answer within {ANSWERS_WITHIN:g} s") from None
    answer = json.loads((asked.stdout.splitlines() or ['"no answer"'])[-1])
    if isinstance(answer, str):
        raise _unusable(settings.address, answer)
    require_room(answer, settings)


def _check_port(address: str) -> None:
    """Check that the address accepts connections."""
    scheme, _, rest = address.rpartition("://")
    host, _, port = rest.partition(":")
    try:
        socket.create_connection((host, int(port or PORTS[scheme or "gcs"])), OPENS_WITHIN).close()
    except OSError as error:
        raise _unusable(address, error.strerror or str(error)) from None


def _unusable(address: str, reason: str) -> InputError:
    return InputError(
        f"search.ray.address: {address} cannot be used ({reason}); start the cluster (ray start --head), correct the "
        "address, or remove it to start a cluster for the search"
    )


def require_room(nodes: Iterable[Resources], settings: RaySettings) -> None:
    """Check that a node has the resources of a trial.

    Raises:
        InputError: no node has them.
    """
    nodes = list(nodes)
    for name, key, wanted in (("cpus", "CPU", settings.cpus), ("gpus", "GPU", settings.gpus)):
        most = max((node.get(key, 0) for node in nodes), default=0)
        if most < wanted:
            raise InputError(
                f"search.ray.{name}: a trial needs {wanted:g}, but no node of the cluster has more than {most:g}; "
                "reduce it, or add a larger node"
            )
    if not any(room(node, settings) for node in nodes):
        raise InputError(
            f"search.ray: a trial needs {settings.cpus} CPUs and {settings.gpus:g} GPUs, but no node of the cluster "
            "has both; reduce them, or add a larger node"
        )


def room(node: Resources, settings: RaySettings) -> int:
    """Return how many concurrent trials a node has resources for."""
    by_cpus = int(node.get("CPU", 0) / settings.cpus)
    return min(by_cpus, int(node.get("GPU", 0) / settings.gpus)) if settings.gpus else by_cpus


@contextmanager
def connected(settings: RaySettings) -> Iterator[None]:
    """Connect to the cluster at the address, or start a local cluster that ends with this context.

    Raises:
        InputError: the cluster cannot be used.
    """
    with ExitStack() as stack:
        stack.enter_context(_variables(QUIET))
        options: dict[str, Any] = {"address": settings.address}
        if settings.address is None:
            # With a new token, other users have no access and Ray does not write one to the home folder.
            own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex()}
            stack.enter_context(_variables(own))
            # A short path, because the paths of Ray's sockets in it are limited to 107 characters.
            place = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
            options = {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": OBJECTS,
                "_temp_dir": stack.enter_context(place),
            }
        import ray
        import ray._private.worker as of_ray

        # Ray would print a paragraph for each process that dies.
        require_hook(of_ray, "print_to_stdstream", "ray")
        of_ray.print_to_stdstream = lambda *_, **__: None
        try:
            ray.init(**options, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise _unusable(settings.address or "a local cluster", one_line(error)) from None
        stack.callback(ray.shutdown)
        yield


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within a context."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def one_line(error: BaseException) -> str:
    """Return an error's message as one line."""
    return " ".join(str(error).split()) or type(error).__name__


def nodes() -> list[Resources]:
    """Return the total resources of each live node of the cluster."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _answer(address: str) -> str | list[Resources]:
    """Return the resources of a cluster's nodes, or the reason why it cannot be used."""
    try:
        with connected(RaySettings(address=address)):
            return nodes()
    except InputError as error:
        return re.sub(r"^.*? cannot be used \((.*)\); start the cluster.*$", r"\1", str(error))


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1])))
