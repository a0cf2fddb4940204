"""Which code and which data: what git and DVC know at the moment a stage runs."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

DECIDE_ONLY = "DARKROOM_DECIDE_ONLY"
"""Environment variable: why no promotion may be carried out."""


def git(*arguments: str) -> str | None:
    """Ask git; None outside a repository, where git is missing, or where it has no answer."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.rstrip("\n")


def uncommitted_diff() -> str:
    """Return what differs from the last commit in the files that git tracks."""
    return git("diff", "--no-ext-diff", "HEAD") or ""


def tags(stage: str) -> dict[str, str]:
    """Describe a stage's run: git commit, uncommitted changes, DVC experiment."""
    diff = uncommitted_diff()
    return {
        "stage": stage,
        "git_commit": git("rev-parse", "HEAD") or "none",
        "git_uncommitted_diff": hashlib.sha256(diff.encode()).hexdigest()[:16] if diff else "none",
        "dvc_experiment": os.environ.get("DVC_EXP_NAME", "none"),
    }


def short_name() -> str:
    """Return what tells this workspace's runs from others in a list: the DVC experiment, or the commit and a + ."""
    commit = (git("rev-parse", "--short", "HEAD") or "no commit") + ("+" if uncommitted_diff() else "")
    return os.environ.get("DVC_EXP_NAME", commit)


def withheld() -> str | None:
    """Return why this stage may decide but must leave the registry alone; None where it may carry its decision out."""
    if experiment := os.environ.get("DVC_EXP_NAME"):
        return f"DVC experiment {experiment}"
    return os.environ.get(DECIDE_ONLY) or None


def lock_digest(dvc_lock: str) -> str:
    """Return a digest of what a dvc.lock says of all stages but promotion, which is not reproduced but decided anew.

    Args:
        dvc_lock: the text of the file; empty where there is none.
    """
    lock = YAML(typ="safe", pure=True).load(dvc_lock) or {}
    stages = {name: stage for name, stage in lock.get("stages", {}).items() if name != "promote"}
    return hashlib.sha256(json.dumps(stages, sort_keys=True).encode()).hexdigest()[:16] if stages else "none"


def current_lock_digest() -> str:
    """Return the digest of the workspace's dvc.lock."""
    lock = Path("dvc.lock")
    return lock_digest(lock.read_text(encoding="utf-8") if lock.is_file() else "")


def recorded_runs() -> dict[str, str]:
    """Return the training runs that git has results of, each with the newest commit that holds or held them.

    Commits of branches, tags and DVC experiments count alike.
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
