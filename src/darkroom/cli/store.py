"""Commands on the tracking store and the disk: runs, restore, clean, ui, dashboard."""

import argparse

from darkroom.base.errors import InputError
from darkroom.base.files import as_json
from darkroom.cli.arguments import CLEANABLE, cleanable
from darkroom.cli.progress import step
from darkroom.cli.settings import registered_model
from darkroom.reporting.tables import plain_table


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this group."""
    runs = commands.add_parser("runs", help="list training runs with commit, dvc.lock, experiment and model version")
    runs.add_argument("--rev", metavar="REVISION", help="only runs whose results are in this git revision")
    runs.add_argument("--json", action="store_true", help="print JSON")
    runs.set_defaults(command=_runs)

    restore = commands.add_parser("restore", help="rebuild a lost or empty tracking store from git and DVC")
    restore.add_argument("--all", action="store_true", help="all runs in git's history, not only the workspace's")
    restore.set_defaults(command=_restore)

    clean = commands.add_parser("clean", help="show disk usage, and free what nothing needs")
    clean.add_argument("what", nargs="*", type=cleanable, metavar="WHAT", help=f"free {', '.join(CLEANABLE)}")
    clean.add_argument("--json", action="store_true", help="print JSON, with sizes in bytes")
    clean.set_defaults(command=_clean)

    ui = commands.add_parser("ui", help="open the MLflow UI on this project's store")
    ui.add_argument("--port", type=int, default=5000)
    ui.set_defaults(command=_ui)

    dashboard = commands.add_parser("dashboard", help="open Optuna's dashboard on a running or interrupted search")
    dashboard.add_argument("network", nargs="?", help="network of the search; default: the newest search")
    dashboard.add_argument("--port", type=int, default=8080)
    dashboard.set_defaults(command=_dashboard)


def _runs(chosen: argparse.Namespace) -> int:
    from darkroom.base.git import git
    from darkroom.tracking import address

    if chosen.rev and git("rev-parse", "--verify", "--quiet", f"{chosen.rev}^{{commit}}") is None:
        raise InputError(f"--rev {chosen.rev}: no such revision; git log lists them")
    with step("reading the tracking store"):
        address.check_tracking(must_exist=True, reading=True)
        from darkroom.maintenance import runs as maintenance_runs
        from darkroom.maintenance.runs import shortened

        rows = maintenance_runs.rows(registered_model(), chosen.rev)
    shown = as_json(rows) if chosen.json else plain_table([shortened(row) for row in rows]) or "no runs\n"
    print(shown, end="")
    return 0


def _restore(chosen: argparse.Namespace) -> int:
    with step("restoring what the tracking store lacks from git and DVC"):
        from darkroom.maintenance import restore as maintenance_restore

        lines = list(maintenance_restore.restore(every=chosen.all)) or ["nothing is missing"]
    print("\n".join(lines))
    return 0


def _clean(chosen: argparse.Namespace) -> int:
    from darkroom.tracking import address

    address.check_tracking(must_exist=True)
    with step("loading MLflow"):
        from darkroom.maintenance import cleaning

    if not chosen.what:
        with step("measuring disk usage"):
            rows = cleaning.rows()
        print(as_json(rows) if chosen.json else plain_table([cleaning.shortened(row) for row in rows]), end="")
        return 0
    freed = []
    with step(f"freeing {', '.join(chosen.what)}"):
        for row in cleaning.free(chosen.what, registered_model()):
            freed.append(row)
            if not chosen.json:
                print(cleaning.line(row), flush=True)
    left = cleaning.remainder(freed)
    if chosen.json:
        print(as_json(freed), end="")
    elif left:
        print(left)
    return 0


def _ui(chosen: argparse.Namespace) -> int:
    from darkroom.tracking import address, ui

    address.check_tracking()
    if not address.is_server():
        ui.serve(chosen.port)
    print(f"the MLflow UI is on the server: {address.shown_uri()}")
    return 0


def _dashboard(chosen: argparse.Namespace) -> int:
    with step("loading Optuna"):
        from darkroom.experiments.dashboard import serve

    serve(chosen.network, chosen.port)
    return 0
