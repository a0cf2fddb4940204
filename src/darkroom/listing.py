"""``darkroom runs``: git commit, dvc.lock, DVC experiment, MLflow run and model version in one table."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from darkroom import lineage, registry, tracking
from darkroom.lineage import git
from darkroom.networks import NETWORKS

SHORT = 8


def rows(name: str, revision: str | None = None) -> list[dict[str, Any]]:
    """Describe all training runs of the store, the newest first.

    Args:
        name: the registered model.
        revision: a git revision; only the runs whose results it holds are listed.

    Returns:
        One mapping for each run, with the names of the table's columns.
    """
    tracking.open_store()
    aliases = registry.aliases(name)
    # Of several versions of a run, the last one stays here: the newest that has an alias, else the newest.
    newest_last = reversed(registry.versions(name))
    ranked = sorted(newest_last, key=lambda version: str(version.version) in aliases)
    versions = {registry.run_of(version): version for version in ranked}
    recorded = lineage.recorded_runs()
    here = workspace_runs(revision)
    found = []
    for run in tracking.training_runs():
        tags, metrics = run.data.tags, run.data.metrics
        run_id = tags.get(tracking.ORIGINAL, run.info.run_id)
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
    """Return the commit that was checked out, with a + where files differed from it."""
    commit = tags.get("git_commit", "none")
    return commit + ("+" if tags.get("git_uncommitted_diff", "none") != "none" else "")


def workspace_runs(revision: str | None = None) -> set[str]:
    """Return the runs whose results the workspace, or a revision, holds."""
    texts = [
        git("show", f"{revision}:./runs/{network}/run.json") if revision else _read(Path("runs") / network / "run.json")
        for network in NETWORKS
    ]
    return {json.loads(text)["run_id"] for text in texts if text}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for a terminal: ids and digests to their first characters, nothing where there is nothing."""
    commit = row["trained at"]
    return {
        **{key: "" if value is None else value for key, value in row.items()},
        "run": row["run"][:SHORT],
        "trained at": commit[:SHORT] + ("+" if commit.endswith("+") else ""),
        "recorded in": row["recorded in"][:SHORT],
        "dvc.lock": row["dvc.lock"][:SHORT],
        "workspace": "*" if row["workspace"] else "",
    }
