"""The life of a model: its champions since one was better than all before, or was promoted by hand."""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from darkroom.promotion import champions
from darkroom.registry import versions
from darkroom.registry.versions import run_of

BEGINS = {"promote", "rollback", "restore"}
"""Promotions by hand, with which a person answers for the model."""


@dataclass(frozen=True)
class Champions:
    """The champions of a model's life."""

    begun_with: str
    """Run id of the first one that is known."""
    before: tuple[ModelVersion, ...]
    """Those before the current one, newest first."""
    deleted: str | None = None
    """Number of a version among them that was deleted; those before it are not known."""


def champions_of(name: str, current: ModelVersion) -> Champions:
    """Return the champions of the current champion's life, by the promotion records.

    A candidate that need not be better than the champion is compared with all of them, so that many small losses do not
    add up.
    """
    known = {str(version.version): version for version in versions.versions(name)}
    left = {number: champions.promotion_records(version) for number, version in known.items()}
    found, version = [current], current
    while records := left[str(version.version)]:
        record = records.pop()
        if record.how in BEGINS or record.rule in {"first", "best"} or record.after is None:
            break
        if record.after not in known:
            return Champions(run_of(version), _others(found), record.after)
        version = known[record.after]
        found.append(version)
    return Champions(run_of(version), _others(found))


def _others(found: list[ModelVersion]) -> tuple[ModelVersion, ...]:
    """Return the versions besides the first, each once."""
    return tuple({str(each.version): each for each in found if each.version != found[0].version}.values())


def needed() -> list[tuple[ModelVersion, str]]:
    """Return the earlier champions of all registered models with which candidates are compared, and why."""
    return [
        (version, f"an earlier champion of {current.name}, with which candidates are compared")
        for current in versions.all_champions()
        for version in champions_of(current.name, current).before
    ]
