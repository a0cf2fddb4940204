"""``darkroom runs``: git commit, dvc.lock, DVC experiment, MLflow run and model version in one table."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from darkroom.base.files import is_there, parse_record
from darkroom.base.git import git, networks_at
from darkroom.registry import versions as registry_versions
from darkroom.registry.versions import run_of
from darkroom.reporting.results import Results
from darkroom.tracking import lineage, store

SHORT = 8


def rows(name: str, revision: str | None = None) -> list[dict[str, Any]]:
    """Return a row per training run of the store, newest first.

    Args:
        name: the registered model.
        revision: a git revision; only runs with results in it are listed.

    Returns:
            One mapping per run, by column name.
    """
    store.open_store(reading=True)
    aliases = registry_versions.aliases(name)
    # For a run with several versions, keep the newest with an alias, else the newest.
    newest_last = reversed(registry_versions.versions(name))
    ranked = sorted(newest_last, key=lambda version: str(version.version) in aliases)
    versions = {run_of(version): version for version in ranked}
    recorded = lineage.recorded_runs()
    here = workspace_runs(revision)
    found = []
    for run in store.training_runs():
        tags, metrics = run.data.tags, run.data.metrics
        run_id = tags.get(store.ORIGINAL, run.info.run_id)
        version = versions.get(run_id)
        if revision is not None and run_id not in here:
            continue
        found.append(
            {
                "run": run_id,
                "network": tags.get("network", ""),
                "status": run.info.status.lower(),
                "started": datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
                "validation": metrics.get("validation_accuracy"),
                "test": metrics.get("test_accuracy"),
                "trained at": _commit(tags),
                "recorded in": recorded.get(run_id, ""),
                "dvc.lock": tags.get("dvc_lock", ""),
                "experiment": "" if tags.get("dvc_experiment") == "none" else tags.get("dvc_experiment", ""),
                "version": int(version.version) if version else None,
                "alias": ", ".join(aliases.get(str(version.version), [])) if version else "",
                "workspace": run_id in here,
            }
        )
    return found


def _commit(tags: dict[str, str]) -> str:
    """Return the run's commit, with a + for uncommitted changes."""
    commit = tags.get("git_commit", "none")
    return commit + ("+" if tags.get("git_uncommitted_diff", "none") != "none" else "")


def workspace_runs(revision: str | None = None) -> set[str]:
    """Return the runs with results in the workspace or in a revision."""
    networks = networks_at(revision) if revision else [one.network for one in Results.all_of(Path())]
    paths = [Results(Path(), network).run_record.as_posix() for network in networks]
    texts = {path: git("show", f"{revision}:./{path}") if revision else _read(Path(path)) for path in paths}
    return {parse_record(text, path)["run_id"] for path, text in texts.items() if text is not None}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if is_there(path) else None


def shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for the terminal with shortened ids and digests, and empty cells for None."""
    commit = row["trained at"]
    return {
        **{key: "" if value is None else value for key, value in row.items()},
        "run": row["run"][:SHORT],
        "trained at": commit[:SHORT] + ("+" if commit.endswith("+") else ""),
        "recorded in": row["recorded in"][:SHORT],
        "dvc.lock": row["dvc.lock"][:SHORT],
        "workspace": "*" if row["workspace"] else "",
    }
