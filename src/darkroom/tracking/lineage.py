"""The lineage of a run: code and data as git and DVC know them when a stage runs."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from darkroom.base.errors import InputError
from darkroom.base.files import is_there
from darkroom.base.git import git, head
from darkroom.base.yaml_files import parse_yaml
from darkroom.tracking.diff import uncommitted_diff

DECIDE_ONLY = "DARKROOM_DECIDE_ONLY"
"""Environment variable that makes promotion a dry run; its value is the reason."""
WITHOUT_MODELS = frozenset({"describe", "overview", "promote", "card", "report"})
"""Stages on which no model depends: what tells people of the data, the decision, and what follows from it."""
CONFLICT = (
    "perhaps after a merge conflict: restore one side's version (git checkout HEAD -- dvc.lock), then run dvc repro"
)


def tags(stage: str) -> dict[str, str]:
    """Return the lineage tags of a stage's run: git commit, uncommitted changes, DVC experiment."""
    diff = uncommitted_diff()
    return {
        "stage": stage,
        "git_commit": head() or "none",
        "git_uncommitted_diff": hashlib.sha256(diff.encode()).hexdigest()[:16] if diff else "none",
        "dvc_experiment": os.environ.get("DVC_EXP_NAME", "none"),
    }


def short_name() -> str:
    """Return a short name of the code: the DVC experiment, or the commit, with a ``+`` for uncommitted changes."""
    short = git("rev-parse", "--short", "HEAD") if head() else None
    commit = (short or "no commit") + ("+" if uncommitted_diff() else "")
    return os.environ.get("DVC_EXP_NAME", commit)


def dry_run_reason() -> str | None:
    """Return why promotion is a dry run, which does not change the registry; None if it is not."""
    if experiment := os.environ.get("DVC_EXP_NAME"):
        return f"DVC experiment {experiment}"
    return os.environ.get(DECIDE_ONLY) or None


def lock_digest(dvc_lock: str) -> str:
    """Return a digest of the stages in a dvc.lock on which models depend; see ``WITHOUT_MODELS``.

    Args:
        dvc_lock: the file's text; empty if there is no file.

    Raises:
        InputError: the text is not valid YAML.
    """
    stages = {name: stage for name, stage in locked_stages(dvc_lock).items() if not no_model_depends_on(name)}
    return digest_of(stages) if stages else "none"


def no_model_depends_on(stage: str) -> bool:
    """Return whether a stage is one of ``WITHOUT_MODELS``."""
    return stage.partition("@")[0] in WITHOUT_MODELS


def digest_of(value: Any) -> str:
    """Return a short digest of a JSON-serializable value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def locked_stages(dvc_lock: str) -> dict[str, Any]:
    """Return the entries of the stages in a dvc.lock, by stage name.

    Raises:
        InputError: the text is not valid YAML, or no mapping.
    """
    lock = parse_yaml(dvc_lock, "dvc.lock", CONFLICT) or {}
    if not isinstance(lock, dict):
        raise InputError(f"dvc.lock does not list the stages, {CONFLICT}")
    stages: dict[str, Any] = lock.get("stages", {})
    return stages


def current_lock_digest() -> str:
    """Return the digest of the workspace's dvc.lock."""
    return lock_digest(current_lock())


def current_lock() -> str:
    """Return the text of the workspace's dvc.lock; empty if there is no file."""
    lock = Path("dvc.lock")
    return lock.read_text(encoding="utf-8", errors="replace") if is_there(lock) else ""


def recorded_runs() -> dict[str, str]:
    """Return the training runs whose results are in git, each with the newest commit that added them.

    Commits of branches, tags and DVC experiments are searched.
    """
    log = git("log", "--all", "--format=commit %H", "-p", "-U0", "--no-ext-diff", "--", "runs/*/run.json") or ""
    found: dict[str, str] = {}
    commit = ""
    for line in log.splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line.startswith("+") and '"run_id": "' in line:
            found.setdefault(line.split('"')[3], commit)
    return found
