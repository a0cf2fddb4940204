"""Where a study is kept while its search is not finished, and what is read out of it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from darkroom.errors import DarkroomError, InputError, TrainingError
from darkroom.params import SearchParams
from darkroom.search import sampling
from darkroom.search.trials import Trial

Study = optuna.Study

# Attributes of a trial in the study.
NUMBER = "number"
"""The trial's number; what is tried once more has the number of what was lost."""
TRIED = "tried"
DIVERGED = "diverged"
LOST = "lost"
INTERRUPTED = "interrupted"
"""Of a lost trial: a person ended the search, so that it is no sign that the trial is at fault."""
KNOWN = "known"
"""Of a trial that was not begun, because its values had been tried before."""
TOOK = "seconds"
# Attributes of the study.
SPENT = "seconds"
FINISHED = "finished"

NAME = "search"
ANSWER_WITHIN = 5  # seconds
WAIT_FOR_A_FILE = 60  # seconds


def open_study(params: SearchParams, storage: RDBStorage | None = None, name: str = NAME) -> Study:
    """Open a study in a storage, or in memory alone."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=True,
        pruner=sampling.pruner(params.pruner, params.epochs),
    )


@contextmanager
def kept_study(path: Path, params: SearchParams) -> Iterator[Study]:
    """Open a study that outlives an interruption: it is kept until the search has come to its end.

    It is in an SQLite file, unless ``search.storage`` names a database; a finished study stays there to be looked at
    until the same search begins anew. One process alone, this one, reads and writes it: trials in other processes
    report to it (``workers.py``). So no two ask for the same trial, none is asked for too many, a worker that dies is
    known at once instead of by a heartbeat that fails to come, and SQLite, which knows one writer, is enough.

    Args:
        path: the file, named by everything that the outcome depends on. A second process waits for the first.
        params: budget, seed and pruning.

    Raises:
        InputError: the database does not answer.
        DarkroomError: it can no longer be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")), _one_line(params.storage), ExitStack() as at_the_end:
        storage = open_storage(params.storage or f"sqlite:///{path}")
        # A server waits for its clients before it ends.
        at_the_end.callback(storage.engine.dispose)
        name = path.stem if params.storage else NAME
        study = open_study(params, storage, name)
        if study.user_attrs.get(FINISHED):
            optuna.delete_study(study_name=name, storage=storage)
            study = open_study(params, storage, name)
        # Nobody else has the lock: what is running there belongs to a process that is gone.
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            lose(study, trial, "the search was interrupted")
        try:
            yield study
        except TrainingError:
            # It came to its end without a result; begun again, it is to try again.
            _finish(study, path, params)
            raise
        _finish(study, path, params)


def _finish(study: Study, path: Path, params: SearchParams) -> None:
    if params.storage:
        study.set_user_attr(FINISHED, True)  # noqa: FBT003 - Optuna's signature
    else:
        path.unlink()


def open_storage(address: str) -> RDBStorage:
    """Open a database.

    Raises:
        InputError: it does not answer.
    """
    local = urlsplit(address).scheme.startswith("sqlite")
    # A dashboard that reads an SQLite file keeps the one who writes waiting.
    connect = {"timeout": WAIT_FOR_A_FILE} if local else {"connect_timeout": ANSWER_WITHIN}
    options = {"connect_args": connect, "pool_pre_ping": not local}
    try:
        return RDBStorage(_with_driver(address), engine_kwargs=options)
    except ImportError:
        raise InputError(
            f"search.storage: {shown(address)} needs a driver that is not installed; pip install psycopg2-binary for "
            "PostgreSQL or pymysql for MySQL (and write mysql+pymysql://), or take search.storage out"
        ) from None
    except (SQLAlchemyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"search.storage: {shown(address)} cannot be used ({_reason(error, address)}); start the database, correct "
            "the address, or take search.storage out to keep the study in a file"
        ) from None


def _with_driver(address: str) -> str:
    """Name the driver of PostgreSQL that is installed, where the address leaves it open."""
    if address.startswith("postgresql://") and not find_spec("psycopg") and find_spec("psycopg2"):
        return address.replace("postgresql://", "postgresql+psycopg2://", 1)
    return address


@contextmanager
def _one_line(address: str | None) -> Iterator[None]:
    """Say in one line, and without a secret, that a storage failed in the middle of the search."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        where = f"search.storage {shown(address)}" if address else "the study in .darkroom/search"
        reason = _reason(error.__cause__ or error, address or "")
        raise DarkroomError(
            f"{where} can no longer be written to ({reason}); what has ended is kept: make room or start the "
            "database, and run dvc repro again"
        ) from None


def shown(address: str) -> str:
    """Return the address of a storage without user, password and options."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _reason(error: BaseException, address: str) -> str:
    """Return the first line of an error, without the secrets of an address."""
    parts = urlsplit(address)
    secrets = [part for _, part in parse_qsl(parts.query)]
    if parts.password:
        secrets += [parts.netloc.rpartition("@")[0], parts.password, unquote(parts.password)]
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def lose(study: Study, trial: optuna.Trial | FrozenTrial, reason: str) -> None:
    """Take down that what ran a trial is gone."""
    # Of a storage that fails, the next start reads that the trial is running, which comes to the same.
    with suppress(SQLAlchemyError, StorageInternalError):
        if isinstance(trial, optuna.Trial):
            trial.set_user_attr(LOST, reason)
        study.tell(trial.number, state=TrialState.FAIL)


def attempts(study: Study) -> dict[int, list[FrozenTrial]]:
    """Return for each number the trials that had it: one, or two where the first was lost."""
    found: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        # Without a number, it was lost before it was known what it would try.
        if NUMBER in trial.user_attrs:
            found.setdefault(trial.user_attrs[NUMBER], []).append(trial)
    return found


def was_lost(trial: FrozenTrial) -> bool:
    """Say whether what ran a trial is gone."""
    return trial.state == TrialState.FAIL and DIVERGED not in trial.user_attrs


def results(study: Study) -> list[Trial]:
    """Return what came of each number that is no longer at work, in their order."""
    last = {number: tries[-1] for number, tries in sorted(attempts(study).items())}
    return [result(trial) for trial in last.values() if trial.state.is_finished()]


def result(trial: FrozenTrial) -> Trial:
    """Return what came of a trial of the study."""
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
        attributes.get(TOOK, 0.0),
        attributes.get(DIVERGED) or attributes.get(LOST) or ("" if state != LOST else "the search was interrupted"),
    )
