"""A lock that allows one promotion at a time, across processes and hosts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from darkroom.base import processes, project
from darkroom.base.errors import InputError
from darkroom.base.processes import ProcessId
from darkroom.tracking import address
from darkroom.tracking.outages import ABSENT

LOCKED_FOR = 600.0  # seconds to wait for another promotion


@contextmanager
def promotion_lock(name: str) -> Iterator[None]:
    """Lock a registered model, so that no other promotion runs between a decision and its execution.

    A local store uses a file lock, which the system releases when its process dies. A server uses a registered model
    with a reserved name: creating one is the only operation that is exclusive in all of MLflow's stores.

    Raises:
        InputError: another promotion held the lock for too long.
    """
    if address.is_local():
        with project.locked("promotion", LOCKED_FOR):
            yield
        return
    guard = f"{name}.promotion"
    _acquire(guard)
    try:
        yield
    finally:
        _release(guard)


def _acquire(guard: str) -> None:
    client = MlflowClient()
    until = time.monotonic() + LOCKED_FOR
    while True:
        try:
            client.create_registered_model(
                guard, {"process": str(ProcessId.current())}, "Lock: exists while a promotion runs."
            )
        except MlflowException as error:
            # RESOURCE_DOES_NOT_EXIST: the guard was deleted between the server's two queries.
            if error.error_code not in {"RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"}:
                raise
        else:
            return
        if _is_stale(guard):
            _release_stale(guard)
        elif time.monotonic() > until:
            raise InputError(
                f"another promotion has held the lock, the registered model {guard}, for more than {LOCKED_FOR:g} "
                "seconds; wait for it, or delete that model if the machine that created it is gone"
            )
        else:
            time.sleep(1)


def _release(guard: str) -> None:
    try:
        MlflowClient().delete_registered_model(guard)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise


def _release_stale(guard: str) -> None:
    """Release the guard of a dead process, unless another process has just released it and may hold a new guard.

    A local lock suffices: only processes on the dead process's host can tell that it is dead.
    """
    with processes.try_lock(f"darkroom {guard}") as alone:
        if alone and _is_stale(guard):
            _release(guard)


def _is_stale(guard: str) -> bool:
    """Return whether the process that holds a guard is dead."""
    try:
        holder = ProcessId.parse(MlflowClient().get_registered_model(guard).tags.get("process", ""))
    except MlflowException as error:
        if error.error_code in ABSENT:
            return False  # just released
        raise
    return holder is not None and holder.has_ended()
