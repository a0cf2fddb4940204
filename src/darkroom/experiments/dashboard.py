"""Optuna's dashboard for the study of a running or interrupted search, or for a database of studies."""

from importlib.util import find_spec
from pathlib import Path

from darkroom.base import project
from darkroom.base.errors import InputError
from darkroom.params import read_params
from darkroom.search.study import open_storage, without_credentials

HOST = "127.0.0.1"


def serve(network: str | None, port: int) -> None:
    """Serve the dashboard until interrupted.

    Args:
        network: network of the search; None for the newest search.
        port: local port.

    Raises:
        InputError: optuna-dashboard is not installed, there is no such study, or the port is taken.
    """
    if find_spec("optuna_dashboard") is None:
        raise InputError("optuna-dashboard is not installed; pip install optuna-dashboard")
    import optuna_dashboard

    address = read_params().search.storage or f"sqlite:///{newest(network)}"
    storage = open_storage(address)
    print(f"studies in {without_credentials(address)}: http://{HOST}:{port} (Ctrl-C to stop)", flush=True)
    try:
        optuna_dashboard.run_server(storage, host=HOST, port=port)
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error.strerror}); choose another one with --port") from None


def newest(network: str | None) -> Path:
    """Return the study file of the newest unfinished search.

    Raises:
        InputError: there is no unfinished search.
    """
    files = (project.state_folder() / "search").glob(f"{network or '*'}-*.db")
    found = max(files, key=lambda file: file.stat().st_mtime, default=None)
    if found is None:
        of = f" of {network}" if network else ""
        raise InputError(
            f"no running or interrupted search{of}; finished searches are in MLflow (darkroom ui), and in the database "
            "that search.storage names"
        )
    return found
