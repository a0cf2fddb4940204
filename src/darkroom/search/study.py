"""Store an Optuna study until its search is finished, and read its trials."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from darkroom.base.credentials import hide, split_login
from darkroom.base.errors import DarkroomError, InputError, TrainingError
from darkroom.base.failures import first_line
from darkroom.base.files import set_aside
from darkroom.base.project import lock
from darkroom.params import SearchParams
from darkroom.search import sampling
from darkroom.search.executors.protocol import Trial

Study = optuna.Study
# Attributes of a trial in the study.
NUMBER = "number"
"""The trial's number; a retry has the number of the lost trial."""
TRIED = "tried"
DIVERGED = "diverged"
LOST = "lost"
WITH_THE_SEARCH = "the search was interrupted"
"""Why a trial was lost if the whole search ended while it ran."""
INTERRUPTED = "interrupted"
"""Of a lost trial: the user interrupted the search, so the trial is not at fault."""
DUPLICATE = "known"
"""Of a trial that was not started, because its values had been tried before."""
SECONDS = "seconds"
# Attributes of the study.
SECONDS_SPENT = "seconds"
FINISHED = "finished"
NAME = "search"
ANSWER_WITHIN = 5  # seconds
WAIT_FOR_A_FILE = 60  # seconds


def open_study(params: SearchParams, storage: RDBStorage | None = None, name: str = NAME) -> Study:
    """Open or create a study in a storage, or in memory."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=True,
        pruner=sampling.pruner(params.pruner, params.epochs),
    )


@contextmanager
def persistent_study(path: Path, params: SearchParams) -> Iterator[Study]:
    """Open a study that is kept until its search has finished, so that an interrupted search can continue.

    It is stored in an SQLite file, or in the database of ``search.storage``, where a finished study remains until the
    same search starts again. Only this process accesses it; trials in other processes report to this one
    (``executors``). So concurrent requests cannot exceed the budget, a dead worker is detected without heartbeats, and
    SQLite with its single writer suffices.

    Args:
        path: the file, named by everything that determines the outcome. A second process waits for the first.
        params: budget, seed and pruning.

    Raises:
        InputError: the database is not reachable.
        DarkroomError: a write to the database or file failed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path.with_suffix(".lock")), _readable_errors(params.storage), ExitStack() as stack:
        if not params.storage:
            _set_aside_damaged(path)
        storage = open_storage(params.storage or f"sqlite:///{path}")
        # Close connections, because a database server waits for them when it shuts down.
        stack.callback(storage.engine.dispose)
        name = path.stem if params.storage else NAME
        study = open_study(params, storage, name)
        if study.user_attrs.get(FINISHED):
            optuna.delete_study(study_name=name, storage=storage)
            study = open_study(params, storage, name)
        # This process has the lock, so running trials belong to a dead process.
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            mark_lost(study, trial, WITH_THE_SEARCH)
        try:
            yield study
        except TrainingError:
            # The search ended without a result; the next one starts from scratch.
            _finish(study, path, params)
            raise
        _finish(study, path, params)


def _set_aside_damaged(path: Path) -> None:
    """Set a study file aside that is not a sound SQLite file; otherwise it would fail every later search."""
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_FOR_A_FILE)) as database:
            found = str(database.execute("PRAGMA quick_check").fetchone()[0])
    except sqlite3.OperationalError:
        return  # not damaged: locked, or not accessible
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found == "ok":
        return
    # A journal belongs to its database.
    for beside in path.parent.glob(f"{path.name}-*"):
        set_aside(beside)
    print(
        f"the study of the interrupted search is damaged ({found}); kept as {set_aside(path)}, the search starts over"
    )


def _finish(study: Study, path: Path, params: SearchParams) -> None:
    if params.storage:
        study.set_user_attr(FINISHED, True)  # noqa: FBT003 - Optuna's signature
    else:
        path.unlink()


def open_storage(address: str) -> RDBStorage:
    """Open a database.

    Raises:
        InputError: the driver is not installed, or the database is not reachable.
    """
    local = address.startswith("sqlite")
    # A dashboard that reads an SQLite file blocks its writer.
    connect = {"timeout": WAIT_FOR_A_FILE} if local else {"connect_timeout": ANSWER_WITHIN}
    options = {"connect_args": connect, "pool_pre_ping": not local}
    try:
        return RDBStorage(_with_driver(address), engine_kwargs=options)
    except ImportError:
        raise InputError(
            f"search.storage: {without_credentials(address)} needs a driver that is not installed; pip install "
            "psycopg2-binary for PostgreSQL or pymysql for MySQL (with mysql+pymysql://), or remove search.storage"
        ) from None
    except (SQLAlchemyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"search.storage: {without_credentials(address)} cannot be used ({_reason(error, address)}); start the "
            "database, correct the address, or remove search.storage to keep the study in a file"
        ) from None


def _with_driver(address: str) -> str:
    """Add the installed PostgreSQL driver to an address that does not name one."""
    if address.startswith("postgresql://") and not find_spec("psycopg") and find_spec("psycopg2"):
        return address.replace("postgresql://", "postgresql+psycopg2://", 1)
    return address


@contextmanager
def _readable_errors(address: str | None) -> Iterator[None]:
    """Turn storage errors during the search into a one-line error without secrets."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        where = f"search.storage {without_credentials(address)}" if address else "the study in .darkroom/search"
        reason = _reason(error.__cause__ or error, address or "")
        raise DarkroomError(
            f"{where} can no longer be written to ({reason}); finished trials are kept: free disk space or start the "
            "database, then run dvc repro again"
        ) from None


def without_credentials(address: str) -> str:
    """Return a storage's address without user, password and options."""
    return split_login(address)[0].partition("?")[0]


def _reason(error: BaseException, address: str) -> str:
    """Return the first line of an error, with the secrets of the address hidden."""
    return hide(first_line(error), address)


def mark_lost(study: Study, trial: optuna.Trial | FrozenTrial, reason: str) -> None:
    """Record that a trial was lost: the process that ran it is gone."""
    # If the storage fails, the trial stays in state running, which the next start treats as lost.
    with suppress(SQLAlchemyError, StorageInternalError):
        if isinstance(trial, optuna.Trial):
            trial.set_user_attr(LOST, reason)
        study.tell(trial.number, state=TrialState.FAIL)


def attempts(study: Study) -> dict[int, list[FrozenTrial]]:
    """Return the attempts at each trial number: one, or more if earlier ones were lost."""
    found: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        # A trial without a number was lost before its values were chosen.
        if NUMBER in trial.user_attrs:
            found.setdefault(trial.user_attrs[NUMBER], []).append(trial)
    return found


def was_lost(trial: FrozenTrial) -> bool:
    """Return whether a trial was lost, that is, its process is gone."""
    return trial.state == TrialState.FAIL and DIVERGED not in trial.user_attrs


def results(study: Study) -> list[Trial]:
    """Return the last result of each finished trial, by number."""
    last = {number: tries[-1] for number, tries in sorted(attempts(study).items())}
    return [result(trial) for trial in last.values() if trial.state.is_finished()]


def result(trial: FrozenTrial) -> Trial:
    """Return the result of a finished trial of the study."""
    attributes: dict[str, Any] = trial.user_attrs
    reported = trial.intermediate_values
    state = trial.state.name.lower()
    if trial.state == TrialState.FAIL:
        state = LOST if was_lost(trial) else DIVERGED
    return Trial(
        attributes[NUMBER],
        state,
        trial.value if trial.value is not None else min(reported.values(), default=None),
        attributes[TRIED],
        len(reported),
        attributes.get(SECONDS, 0.0),
        attributes.get(DIVERGED) or attributes.get(LOST) or ("" if state != LOST else WITH_THE_SEARCH),
    )
