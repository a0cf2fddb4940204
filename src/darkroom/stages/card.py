"""The page of the candidate: gathered from what the stages have left, written beside the decision, logged in MLflow."""

from pathlib import Path
from typing import Any

from mlflow.entities import Run

from darkroom import champions, lineage, model_card, registry, tracking, training_drift
from darkroom.datasets import Description
from darkroom.files import read_json, write_text
from darkroom.params import Params
from darkroom.promotion import Decision
from darkroom.tracking import RunRecord
from darkroom.training_drift import Compared, TrainingData

NAME = "model_card.html"


def write(decision: Decision, params: Params, prepared: Path, runs: Path, reports: Path, *, withheld: bool) -> None:
    """Write the page.

    Args:
        decision: about the candidate.
        params: the whole of params.yaml.
        prepared: folder of the packed images, of which the description alone is read.
        runs: folder of what each network left.
        reports: folder of what evaluation wrote; gets the page.
        withheld: whether the decision is not carried out; the page goes into the candidate's MLflow run if it is.
    """
    candidate = decision.candidate
    folder = runs / candidate.network
    record = RunRecord.read(folder / "run.json")
    number = _version(params.promote.registered_model, record.run_id)
    run = tracking.find_run(record.run_id)
    card = model_card.Card(
        title=f"{candidate.network}, {params.promote.registered_model} {number}",
        outcome=_outcome(decision, withheld=withheld),
        reason=decision.reason + _since(decision, params.promote.registered_model),
        use={name.replace("_", " "): value or "" for name, value in params.card.model_dump().items()},
        data=_data(Description.read(prepared / "dataset.json")),
        drift=_drift(decision, params),
        report=reports / candidate.network,
        findings=[finding.__dict__ for finding in decision.findings],
        cost=_cost(reports / candidate.network, record, run),
        lineage=_lineage(record),
        values=dict(sorted(run.data.params.items())) if run else {},
    )
    write_text(reports / NAME, model_card.page(card))
    if not withheld:
        tracking.log_file(record.run_id, reports / NAME)


def _is_champion(decision: Decision) -> bool:
    """Say whether the candidate was the champion before anything was decided."""
    return decision.champion is not None and decision.champion.run_id == decision.candidate.run_id


def _outcome(decision: Decision, *, withheld: bool) -> str:
    if _is_champion(decision):
        return "champion"
    return "withheld" if withheld and decision.outcome == "promote" else decision.outcome


def _since(decision: Decision, name: str) -> str:
    """Say since when and why the candidate is the champion, if it was before; nothing where it has left no trace."""
    version = registry.champion(name) if _is_champion(decision) else None
    reigns = champions.reigns(version) if version else []
    return f", since {reigns[-1].since}: {reigns[-1].why}" if reigns else ""


def _version(name: str, run_id: str) -> str:
    found = [version for version in registry.versions(name) if registry.run_of(version) == run_id]
    return f"version {found[0].version}" if found else "(not registered)"


def _data(description: Description) -> dict[str, Any]:
    return {
        "source": description.source,
        "digest": description.digest,
        "images": description.counts,
        "training images of each class": description.training_counts,
        "left out": description.quarantined,
        "size": "×".join(map(str, description.size)),
    }


def _drift(decision: Decision, params: Params) -> Compared:
    """Hold the candidate's training data against those of the champion that it met, or took the place of."""
    name = params.promote.registered_model
    of_run = {registry.run_of(version): version for version in registry.versions(name)}
    if decision.champion is None:
        return training_drift.nothing("this is the first version")
    before = of_run.get(decision.champion.run_id)
    if _is_champion(decision) and before is not None:
        reigns = champions.reigns(before)
        if not reigns or reigns[-1].after is None:
            return training_drift.nothing("no champion before this one is known")
        numbered = {str(version.version): version for version in of_run.values()}
        before = numbered.get(reigns[-1].after)
    if before is None:
        return training_drift.nothing("the version before was deleted")
    known = _training_data(registry.run_of(before), f"{name} version {before.version}")
    own = _training_data(decision.candidate.run_id, "this model")
    return training_drift.compare(known, own, params.promote.seed)


def _training_data(run_id: str, of: str) -> TrainingData:
    run = tracking.find_run(run_id)
    digest = (run.data.tags.get("data_digest") if run else None) or training_drift.UNKNOWN
    return TrainingData(of, digest, registry.training_images(run_id), registry.training_sample(run_id))


def _cost(report: Path, record: RunRecord, run: Run | None) -> dict[str, Any]:
    measured = read_json(report / "cost.json") if (report / "cost.json").is_file() else {}
    seconds = (run.info.end_time - run.info.start_time) / 1000 if run and run.info.end_time else None
    return {
        "parameters": f"{record.parameters:,}",
        "milliseconds for one image (95th percentile)": measured.get("latency_ms"),
        "megabytes of its file": measured.get("size_mb"),
        "megabytes of memory, of the process that evaluated it": measured.get("memory_mb"),
        "seconds of its run": seconds,
        "epochs": f"{record.best_epoch} of {record.epochs}",
    }


def _lineage(record: RunRecord) -> dict[str, Any]:
    return {
        "MLflow run": record.run_id,
        "git commit": record.tags.get("git_commit"),
        "uncommitted diff": record.tags.get("git_uncommitted_diff"),
        "DVC experiment": record.tags.get("dvc_experiment"),
        "dvc.lock": lineage.current_lock_digest(),
    }
