"""Optuna's dashboard on the study of a search that runs, was interrupted, or is kept in a database."""

from importlib.util import find_spec
from pathlib import Path

from darkroom import services
from darkroom.errors import InputError
from darkroom.params import read_params
from darkroom.search.study import open_storage, shown

HOST = "127.0.0.1"


def serve(network: str | None, port: int) -> None:
    """Open the dashboard until it is interrupted.

    Args:
        network: whose search; None takes the newest one.
        port: on this machine.

    Raises:
        InputError: optuna-dashboard is not installed, there is no such study, or the port is taken.
    """
    if find_spec("optuna_dashboard") is None:
        raise InputError("optuna-dashboard is not installed; pip install optuna-dashboard")
    import optuna_dashboard

    address = read_params().search.storage or f"sqlite:///{newest(network)}"
    storage = open_storage(address)
    print(f"the studies of {shown(address)}: http://{HOST}:{port} (Ctrl-C ends it)", flush=True)
    try:
        optuna_dashboard.run_server(storage, host=HOST, port=port)
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error.strerror}); choose another one with --port") from None


def newest(network: str | None) -> Path:
    """Return the file of the newest search that has not come to its end.

    Raises:
        InputError: there is none.
    """
    files = (services.state_folder() / "search").glob(f"{network or '*'}-*.db")
    found = max(files, key=lambda file: file.stat().st_mtime, default=None)
    if found is None:
        of = f" of {network}" if network else ""
        raise InputError(
            f"no search{of} is at work or was interrupted; a finished one is in MLflow (darkroom ui), and with "
            "search.storage in its database as well"
        )
    return found
