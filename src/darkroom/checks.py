"""What is held against params.yaml, the data and the registry, with as few heavy libraries as that takes."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

from darkroom import lineage, repository, services
from darkroom.errors import InputError
from darkroom.files import read_json, write_text
from darkroom.networks import Network, NetworkParams
from darkroom.params import Params, check_data_of, read_params
from darkroom.samples import File
from darkroom.sources import Found

DECIDE_ANEW = "dvc repro --force --single-item promote"


def check_inputs(path: str | Path = "params.yaml") -> str:
    """Check parameters, tracking store and data.

    Every image is read, and what was decoded is kept for the stage ``ingest``; a source that has not changed since it
    was last found in order is not read again.

    Returns:
        One line that says what was found in order.

    Raises:
        InputError: something is wrong; one line for each finding.
    """
    params = read_params(path)
    repository.mend_torn_files()
    services.check_tracking()
    _check_search(params)
    from darkroom import sources

    found = sources.find(params.data, params.preprocess.size)
    seen = _fingerprint(params, found)
    remembered = services.state_folder() / "checked"
    if remembered.is_file() and remembered.read_text(encoding="utf-8") == seen:
        return "params.yaml and data are in order (unchanged since the last check)"
    from darkroom import splits
    from darkroom.ingestion import ingest

    ingested = ingest(found, params.preprocess, services.state_folder() / "ingested", None)
    rows = splits.assign(ingested.manifest, splits.NO_PAIRS, {}, params.preprocess)
    splits.require_all_splits(rows)
    training_images = int((rows["split"] == "train").sum())
    for network in params.models:
        check_data_of(params, network, training_images, rows["label"].nunique())
        _check_weights(network, params.network(network).initial_weights)
    write_text(remembered, seen)
    unread = f"; {len(ingested.quarantine)} files are not used" if len(ingested.quarantine) else ""
    return f"params.yaml and data are in order: {len(rows)} images in {rows['label'].nunique()} classes{unread}"


def _check_search(params: Params) -> None:
    """Check that the database of studies and the cluster answer, if there are any and they are needed."""
    if not params.search.budget.is_given:
        return
    if params.search.storage:
        from darkroom.search.study import open_storage

        open_storage(params.search.storage).engine.dispose()
    if params.search.executor == "ray" and any(params.space(name).ranges() for name in params.models):
        from darkroom.search import ray_cluster

        ray_cluster.check(params.search.ray)


def _check_weights(network: Network, name: str | None) -> None:
    """Check that a file of weights is there; an address is looked up when the training begins."""
    if name is None or name == "imagenet" or name.startswith(services.MODEL_ADDRESSES) or Path(name).is_file():
        return
    raise InputError(
        f"train.{network}.initial_weights: {name} does not exist; name a file that Darkroom saved, such as "
        f"a copy of models/{network}.keras, an address models:/NAME@champion, or imagenet"
    )


def _fingerprint(params: Params, found: Found) -> str:
    """Condense what the check of the data depends on: names, sizes and times of the files, splits, batches."""
    state: list[object] = [
        params.data.model_dump(mode="json"),
        params.preprocess.seed,
        params.preprocess.split.model_dump(),
        [_of_network(params.network(name)) for name in params.models],
        [params.space(name).model_dump(mode="json") for name in params.models if params.search.budget.is_given],
    ]
    files = [sample.place.path for sample in found.samples if isinstance(sample.place, File)]
    state.append(found.left_out)
    for file in (params.data.path, *files):
        status = Path(file).stat()
        state.append((file, status.st_size, status.st_mtime_ns))
    if not files:
        state.append((metadata.version("scikit-learn"), [sample.name for sample in found.samples]))
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _of_network(values: NetworkParams) -> tuple[object, ...]:
    weights = values.initial_weights
    return values.batch_size, values.output, weights, weights and Path(weights).is_file()


def check_registry(report: str | Path = "reports/promotion.json") -> str:
    """Check that the registry's champion is the one that the last promotion left.

    Returns:
        One line that says what was found in order.

    Raises:
        InputError: the registry has been changed from outside, lost its alias, or was never told of the decision.
    """
    if not Path(report).is_file():
        return "no promotion yet"
    decision = read_json(report)
    name = read_params().promote.registered_model
    if "champion_run_id" not in decision:
        raise InputError(f"{report} holds no decision, as after an interruption; decide anew: {DECIDE_ANEW}")
    if withheld := decision["withheld"]:
        if withheld == lineage.withheld():
            return f"{report}: decided but not carried out ({withheld})"
        raise InputError(
            f"{report}: decided but not carried out ({withheld}); to carry it out, decide anew: {DECIDE_ANEW}"
        )
    services.check_tracking()
    from darkroom import champions, registry, tracking

    tracking.open_store()
    version = registry.champion(name)
    expected = decision["champion_run_id"]
    if version is None:
        raise InputError(
            f"models:/{name} has no alias champion, but {report} gave it to run {expected}; "
            f"in a new store darkroom restore brings it back, in any other {DECIDE_ANEW} decides anew"
        )
    if (run_id := registry.run_of(version)) != expected:
        reigns = champions.reigns(version)
        if reigns and reigns[-1].how in {"promote", "rollback"}:
            by_hand = reigns[-1]
            return (
                f"models:/{name}@champion is version {version.version}: {by_hand.how} by {by_hand.who}, "
                f"{by_hand.since}: {by_hand.why}"
            )
        raise InputError(
            f"models:/{name}@champion is version {version.version} of run {run_id}, but {report} left run {expected}: "
            f"it was moved elsewhere; get that commit's results, or decide anew: {DECIDE_ANEW}"
        )
    return f"models:/{name}@champion is version {version.version}, as {report} left it"
