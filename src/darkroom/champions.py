"""Who is the champion, since when and why; and what moves it by hand. Every change leaves its trace in the registry."""

import getpass
import json
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from darkroom import registry, tracking
from darkroom.errors import InputError
from darkroom.lineage import git

REIGNS = "reigns"
"""The tag of a version that says when it became champion: JSON, a list of ``Reign``."""
KEPT = 10  # reigns of one version; a tag has no room for more
LONGEST_REASON = 300  # characters of it that are kept


@dataclass(frozen=True)
class Reign:
    """How a version became the champion."""

    since: str
    """UTC, as ISO 8601 has it."""
    who: str
    how: str
    """``decision`` of the pipeline, ``promote``, ``rollback`` or ``restore``."""
    why: str
    after: str | None
    """The version that was the champion before; None for the first."""


def crown(name: str, version: ModelVersion, how: str, why: str) -> None:
    """Make a version the champion, and the one before it the challenger; the trace comes first, the alias last."""
    before = registry.champion(name)
    if before is not None and before.version == version.version:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    reign = Reign(now, who(), how, why[:LONGEST_REASON], None if before is None else str(before.version))
    told = json.dumps([asdict(one) for one in [*reigns(version), reign][-KEPT:]], ensure_ascii=False)
    MlflowClient().set_model_version_tag(name, version.version, REIGNS, told)
    if before is not None:
        registry.point(name, "challenger", before)
    registry.point(name, "champion", version)


def who() -> str:
    """Name who does this: git's user where there is one, else that of the system."""
    name = (git("config", "user.name") or "").strip()
    return f"{name or getpass.getuser()} on {socket.gethostname()}"


def reigns(version: ModelVersion) -> list[Reign]:
    """Return how often a version became the champion, the last time last; nothing where it was set from outside."""
    return [Reign(**reign) for reign in json.loads(version.tags.get(REIGNS, "[]"))]


def current(name: str) -> ModelVersion:
    """Return the champion.

    Raises:
        InputError: there is none.
    """
    version = registry.champion(name)
    if version is None:
        raise InputError(f"models:/{name} has no champion; dvc repro promotes one, darkroom restore brings one back")
    return version


def described(name: str) -> dict[str, Any]:
    """Say who is the champion, since when, why, and on what data and code it was trained."""
    version = current(name)
    tags: dict[str, str] = version.tags
    run = tracking.find_run(registry.run_of(version))
    metrics = run.data.metrics if run else {}
    of_now = reigns(version)[-1] if reigns(version) else None
    return {
        "model": f"models:/{name}/{version.version}",
        "network": tags.get("network", "unknown"),
        "run": registry.run_of(version),
        "since": of_now.since if of_now else "unknown: the alias was set from outside",
        "who": of_now.who if of_now else "unknown",
        "how": of_now.how if of_now else "unknown",
        "why": of_now.why if of_now else "unknown",
        "after version": (of_now.after if of_now else None) or "none",
        "test accuracy": metrics.get("test_accuracy", "unknown"),
        "diagnosis": (run.data.tags.get("diagnosis") if run else None) or "unknown",
        "data": tags.get("data_digest", "unknown"),
        "commit": tags.get("git_commit", "unknown"),
        "uncommitted diff": tags.get("git_uncommitted_diff", "unknown"),
        "dvc.lock": tags.get("dvc_lock", "unknown"),
    }


def promote(name: str, number: str, why: str) -> ModelVersion:
    """Make a version the champion by hand.

    Raises:
        InputError: there is no such version, it is the champion already, or no reason is given.
    """
    _require_reason(why)
    known = {str(version.version): version for version in registry.versions(name)}
    if number not in known:
        there = f"there are {', '.join(sorted(known, key=int))}" if known else "there is none"
        raise InputError(f"models:/{name} has no version {number}; {there}")
    with registry.one_promotion_at_a_time(name):
        before = registry.champion(name)
        if before is not None and str(before.version) == number:
            raise InputError(f"models:/{name}/{number} is the champion already")
        crown(name, known[number], "promote", why)
    return known[number]


def rollback(name: str, why: str) -> ModelVersion:
    """Bring back the champion before the current one.

    Raises:
        InputError: there is no champion, it was the first, its predecessor is gone, or no reason is given.
    """
    _require_reason(why)
    with registry.one_promotion_at_a_time(name):
        version = current(name)
        of_now = reigns(version)
        before = of_now[-1].after if of_now else None
        if before is None:
            raise InputError(
                f"models:/{name}/{version.version} has no champion before it to go back to; "
                "darkroom promote VERSION names any other"
            )
        known = {str(one.version): one for one in registry.versions(name)}
        if before not in known:
            raise InputError(
                f"models:/{name}/{before}, the champion before, was deleted; darkroom promote VERSION names another"
            )
        crown(name, known[before], "rollback", why)
    return known[before]


def _require_reason(why: str) -> None:
    if not why.strip():
        raise InputError("--reason is empty; say why, for those who come after")
