"""The registry's information on the models of a decision."""

from typing import Any

from mlflow.entities.model_registry import ModelVersion

from darkroom.promotion import champions
from darkroom.promotion.contenders import Decision
from darkroom.registry import versions as registry_versions
from darkroom.registry.versions import run_of


def history(decision: Decision, name: str) -> dict[str, Any]:
    """Return the registry's information on a decision's models, for promotion.json.

    Args:
        decision: already carried out, unless it is a dry run.
        name: the registered model.

    Returns:
        Values by their keys in promotion.json. ``candidate_version``: the number of the candidate's version, None if it
        is not registered. ``champion_since``: ``since`` and ``why`` of the promotion record, if the candidate is
        already the champion. ``previous_champion``: ``version`` and ``run_id`` of the champion that the candidate was
        compared with or has replaced; if there is none, ``no_previous_champion`` is the reason.
    """
    versions = registry_versions.versions(name)
    of_run = {run_of(version): version for version in versions}
    own = of_run.get(decision.candidate.run_id)
    records = champions.promotion_records(own) if own and decision.confirms_champion else []
    previous = _previous_champion(decision, versions)
    known = None
    if not isinstance(previous, str):
        known = {"version": str(previous.version), "run_id": run_of(previous)}
    return {
        "candidate_version": str(own.version) if own else None,
        "champion_since": {"since": records[-1].since, "why": records[-1].why} if records else None,
        "previous_champion": known,
        "no_previous_champion": previous if isinstance(previous, str) else None,
    }


def _previous_champion(decision: Decision, versions: list[ModelVersion]) -> ModelVersion | str:
    """Return the champion that the candidate was compared with or has replaced, or the reason why there is none."""
    if decision.champion is None:
        return "this is the first version"
    before = {run_of(version): version for version in versions}.get(decision.champion.run_id)
    if before is not None and decision.confirms_champion:
        records = champions.promotion_records(before)
        if not records or records[-1].after is None:
            return "no previous champion is known"
        before = {str(version.version): version for version in versions}.get(records[-1].after)
    return before or "the previous version was deleted"
