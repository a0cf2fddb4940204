"""Write the model card of one network from the outputs of the previous stages."""

from pathlib import Path
from typing import Any

from mlflow.entities import Run

from darkroom.base.files import read_json, read_record, write_text
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.prepared import Prepared
from darkroom.drift import training_data
from darkroom.drift.training_data import Compared, TrainingData
from darkroom.params import Network, Params
from darkroom.promotion import model_card
from darkroom.promotion.published import Promotion
from darkroom.registry import queries, versions
from darkroom.registry.packages import VIEWS
from darkroom.reporting import audited
from darkroom.reporting.results import Report
from darkroom.tracking import store
from darkroom.tracking.record import RunRecord

NAME = "model_card.html"
LABEL_AUDIT = "label_audit.json"
SHORT = 8  # characters of a run id in a title


def main(params: Params, network: Network, prepared: str, runs: str, report: str, promotion: str) -> None:
    """Write the card; log the candidate's card with its MLflow run, unless the decision was a dry run."""
    store.open_store()
    decided, record = Promotion.read(Path(promotion)), RunRecord.read(Path(runs) / "run.json")
    is_candidate = decided.is_candidate(record.run_id)
    outcome, reason = _decision(decided, record.run_id)
    run = store.find_run(record.run_id)
    card = model_card.Card(
        title=_title(network, params.promote.registered_model, decided, record.run_id),
        outcome=outcome,
        reason=reason,
        use={name.replace("_", " "): value or "" for name, value in params.card.model_dump().items()},
        data={**_data(Prepared(Path(prepared)).description), "label audit": _audit(Path(promotion).parent)},
        drift=_drift(decided, record.run_id, params),
        report=Report(Path(report)),
        labels_to_check=audited.next_step(read_json(Path(promotion).parent / LABEL_AUDIT)),
        findings=decided.findings if is_candidate else [],
        cost=_cost(Path(runs), record, run),
        lineage=_lineage(record, run),
        values=dict(sorted(run.data.params.items())) if run else {},
    )
    write_text(Path(report) / NAME, model_card.page(card))
    if is_candidate and decided.withheld is None:
        queries.log_file(record.run_id, Path(report) / NAME)


def _title(network: Network, name: str, decided: Promotion, run_id: str) -> str:
    if version := decided.version_of(run_id):
        return f"{network}, {name} version {version}"
    return f"{network}, {name} (not registered)" if decided.is_candidate(run_id) else f"{network}, run {run_id[:SHORT]}"


def _decision(decided: Promotion, run_id: str) -> tuple[str, str]:
    """Return the decision about a run's model, one of ``model_card.OUTCOMES``, and its reason."""
    if not decided.is_candidate(run_id):
        return "not the candidate", f"{decided.candidate['network']} is the candidate, and {_role(decided, run_id)}"
    if decided.champion is not None and decided.champion["run_id"] == run_id:
        since = decided.champion_since
        return "champion", decided.reason + (f", since {since['since']}: {since['why']}" if since else "")
    return "dry run" if decided.withheld and decided.outcome == "promote" else decided.outcome, decided.reason


def _role(decided: Promotion, run_id: str) -> str:
    """Return the role in the decision of a model that is not the candidate."""
    if decided.champion_run_id == run_id:
        return "this model is the champion"
    before = decided.previous_champion
    if before and before["run_id"] == run_id:
        return "this model was the previous champion"
    return "the decision does not concern this model"


def _data(description: Description) -> dict[str, Any]:
    return {
        "source": description.source,
        "digest": description.digest,
        "images": description.counts,
        "training images of each class": description.training_counts,
        "files left out": description.quarantined,
        "height, width and channels": "×".join(map(str, description.size)),
    }


def _audit(reports: Path) -> str:
    """Return what the audit of training and validation labels found, in one line."""
    return f"{audited.line(read_json(reports / LABEL_AUDIT))}; see label_audit.html"


def _drift(decided: Promotion, run_id: str, params: Params) -> Compared:
    """Compare the training data with those of the champion that the candidate was compared with or has replaced."""
    previous = decided.previous_champion
    if previous is None:
        why = decided.no_previous_champion if decided.is_candidate(run_id) else "there was no champion before this run"
        return training_data.no_comparison(str(why))
    if previous["run_id"] == run_id:
        return training_data.no_comparison("this model is the previous champion")
    known = _training_data(previous["run_id"], f"{params.promote.registered_model} version {previous['version']}")
    return training_data.compare(known, _training_data(run_id, "this model"), params.promote.seed)


def _training_data(run_id: str, of: str) -> TrainingData:
    run = store.find_run(run_id)
    digest = (run.data.tags.get("data_digest") if run else None) or training_data.UNKNOWN
    return TrainingData(of, digest, versions.training_images(run_id), versions.training_sample(run_id))


def _cost(runs: Path, record: RunRecord, run: Run | None) -> dict[str, Any]:
    measured, views = read_record(runs / "cost.json"), read_record(runs / "test.json").get(VIEWS, [])
    seconds = (run.info.end_time - run.info.start_time) / 1000 if run and run.info.end_time else None
    return {
        "weights": f"{record.parameters:,}",
        "latency for one image in ms (95th percentile)": measured.get("latency_ms"),
        "file size in MB": measured.get("size_mb"),
        "peak memory of evaluation in MB": measured.get("memory_mb"),
        "test-time augmentation": "mean over " + ", ".join(views) if views else "none",
        "duration of the run in s": seconds,
        "best epoch": f"{record.best_epoch} of {record.epochs}",
    }


def _lineage(record: RunRecord, run: Run | None) -> dict[str, Any]:
    return {
        "MLflow run": record.run_id,
        "git commit": record.tags.get("git_commit"),
        "uncommitted diff": record.tags.get("git_uncommitted_diff"),
        "DVC experiment": record.tags.get("dvc_experiment"),
        # From the run, not the workspace: every stage changes dvc.lock, which would make the card outdated.
        "dvc.lock": run.data.tags.get("dvc_lock") if run else None,
    }
