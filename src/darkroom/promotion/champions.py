"""The champion and its promotion records; promote or roll back by hand. Every change is recorded in the registry."""

import getpass
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from darkroom.base.errors import InputError
from darkroom.base.git import git
from darkroom.registry import turns, versions
from darkroom.tracking import store

PROMOTION_RECORDS = "reigns"
"""Tag of a version: its promotion records, a JSON list of ``PromotionRecord``."""
WAITS = "waits_for"
"""Tag of a version: the classes that a person must accept before it is promoted, as JSON; see ``Decision``."""
RULE = "promotion_rule"
"""Tag of a version: the rule that its decision applied, see ``contenders.Evidence``."""
KEPT = 10  # records kept of one version; a tag has limited length
LONGEST_REASON = 300  # characters of a reason that are kept


@dataclass(frozen=True)
class PromotionRecord:
    """When, by whom, how and why a version became the champion."""

    since: str
    """UTC in ISO 8601 format."""
    who: str
    how: str
    """``decision`` of the pipeline, ``accept`` of a waiting decision, ``promote``, ``rollback`` or ``restore``."""
    why: str
    after: str | None
    """The previous champion's version; None for the first champion."""
    rule: str = ""
    """The decision's rule, see ``contenders.Evidence``; empty by hand and in earlier Darkroom versions."""


def promote_version(name: str, version: ModelVersion, how: str, why: str, rule: str = "") -> None:
    """Make a version the champion and the previous champion the challenger.

    The promotion record is written first and the alias ``champion`` set last, so that an interrupted call can be
    repeated.
    """
    before = versions.champion(name)
    if before is not None and before.version == version.version:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    after = None if before is None else str(before.version)
    record = PromotionRecord(now, current_user(), how, why[:LONGEST_REASON], after, rule)
    records = [asdict(one) for one in [*promotion_records(version), record][-KEPT:]]
    MlflowClient().set_model_version_tag(
        name, version.version, PROMOTION_RECORDS, json.dumps(records, ensure_ascii=False)
    )
    if before is not None:
        versions.set_alias(name, "challenger", before)
    versions.set_alias(name, "champion", version)


def current_user() -> str:
    """Return git's user name, or else the system's, and the host."""
    name = (git("config", "user.name") or "").strip()
    return f"{name or getpass.getuser()} on {socket.gethostname()}"


def promotion_records(version: ModelVersion) -> list[PromotionRecord]:
    """Return a version's promotion records, oldest first; empty if its alias was set by another program."""
    return [PromotionRecord(**record) for record in json.loads(version.tags.get(PROMOTION_RECORDS, "[]"))]


def current(name: str) -> ModelVersion:
    """Return the champion.

    Raises:
        InputError: there is no champion.
    """
    version = versions.champion(name)
    if version is None:
        raise InputError(f"models:/{name} has no champion; run dvc repro to promote one, or darkroom restore")
    return version


def describe(name: str) -> dict[str, Any]:
    """Return the champion's version, promotion record, test accuracy, data and code for ``darkroom champion``."""
    version = current(name)
    tags: dict[str, str] = version.tags
    run = store.find_run(versions.run_of(version))
    metrics = run.data.metrics if run else {}
    latest = promotion_records(version)[-1] if promotion_records(version) else None
    return {
        "model": f"models:/{name}/{version.version}",
        "network": tags.get("network", "unknown"),
        "run": versions.run_of(version),
        "since": latest.since if latest else "unknown: the alias was not set by Darkroom",
        "who": latest.who if latest else "unknown",
        "how": latest.how if latest else "unknown",
        "why": latest.why if latest else "unknown",
        "after version": (latest.after if latest else None) or "none",
        "test accuracy": metrics.get("test_accuracy", "unknown"),
        "diagnosis": (run.data.tags.get("diagnosis") if run else None) or "unknown",
        "data": tags.get("data_digest", "unknown"),
        "commit": tags.get("git_commit", "unknown"),
        "uncommitted diff": tags.get("git_uncommitted_diff", "unknown"),
        "dvc.lock": tags.get("dvc_lock", "unknown"),
    }


def promote(name: str, number: str, why: str, accepted: Sequence[str] = ()) -> ModelVersion:
    """Make a version the champion by hand.

    Args:
        name: the registered model.
        number: the version's number, or its alias.
        why: recorded with the promotion.
        accepted: the classes that the version's decision waits for.

    Raises:
        InputError: the version does not exist or is already the champion, the reason is empty, or the accepted classes
            are not those that its decision waits for.
    """
    _require_reason(why)
    known = {str(version.version): version for version in versions.versions(name)}
    of_alias = {alias: number for number, aliases in versions.aliases(name).items() for alias in aliases}
    number = of_alias.get(number, number)
    if number not in known:
        there = f"it has {', '.join(sorted(known, key=int))}" if known else "it has none"
        raise InputError(f"models:/{name} has no version {number}; {there}")
    with turns.promotion_lock(name):
        before = versions.champion(name)
        if before is not None and str(before.version) == number:
            raise InputError(f"models:/{name}/{number} is already the champion")
        _require_accepted(name, known[number], accepted)
        # An accepted decision continues the model's life, a promotion by hand begins a new one.
        how, rule = ("accept", known[number].tags.get(RULE, "")) if accepted else ("promote", "")
        promote_version(name, known[number], how, why, rule)
    return known[number]


def rollback(name: str, why: str) -> ModelVersion:
    """Make the champion before the current one the champion again; repeated, the one before that.

    Raises:
        InputError: there is no champion or no previous one, the previous one was deleted, or the reason is empty.
    """
    _require_reason(why)
    with turns.promotion_lock(name):
        version = current(name)
        known = {str(one.version): one for one in versions.versions(name)}
        before = _before(version, known)
        if before is None:
            raise InputError(
                f"models:/{name}/{version.version} has no previous champion to roll back to; "
                "promote another version with darkroom promote VERSION"
            )
        if before not in known:
            raise InputError(
                f"models:/{name}/{before}, the previous champion, was deleted; promote another version with darkroom "
                "promote VERSION"
            )
        promote_version(name, known[before], "rollback", why)
    return known[before]


def _before(current: ModelVersion, known: Mapping[str, ModelVersion]) -> str | None:
    """Return the number of the version that a rollback of the champion leads to; None if none is known.

    The promotion records are followed back to the first one, then forth: a rollback takes back the last promotion that
    has not been taken back yet.

    Args:
        current: the champion.
        known: all versions, by number.
    """
    left = {number: promotion_records(version) for number, version in known.items()}
    steps: list[tuple[str, PromotionRecord]] = []
    number: str | None = str(current.version)
    while number is not None and left.get(number):
        steps.append((number, left[number].pop()))
        number = steps[-1][1].after
    path = [] if number is None else [number]
    for number, record in reversed(steps):
        if record.how == "rollback" and path[-2:-1] == [number]:
            path.pop()
        else:
            path.append(number)
    return path[-2] if len(path) > 1 else None


def _require_accepted(name: str, version: ModelVersion, accepted: Sequence[str]) -> None:
    waits: list[str] = json.loads(version.tags.get(WAITS, "[]"))
    if set(waits) == set(accepted):
        return
    if not waits:
        raise InputError(f"models:/{name}/{version.version} waits for no class to be accepted; leave out --accept")
    needed = " ".join(f'--accept "{label}"' for label in waits)
    raise InputError(
        f"models:/{name}/{version.version} may have lost {', '.join(waits)}, which have too few test images to judge; "
        f"look at them, then run darkroom promote {version.version} {needed} --reason REASON"
    )


def _require_reason(why: str) -> None:
    if not why.strip():
        raise InputError("--reason is empty; give a reason for the promotion record")
