"""Checks of params.yaml, data, tracking store and registry, with few heavy imports."""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom import repository
from darkroom.base import project
from darkroom.base.errors import InputError
from darkroom.base.files import is_there, read_mapping, write_text
from darkroom.base.git import why_no_commit
from darkroom.data.formats.samples import File
from darkroom.data.sources import Found
from darkroom.maintenance.advice import advice
from darkroom.maintenance.check_data import REMEMBERED, check_data
from darkroom.maintenance.check_weights import check_weights
from darkroom.networks import Network, NetworkParams, file_of, is_documented, try_build
from darkroom.params import Params, check_network_data, read_params
from darkroom.tracking import address, lineage

if TYPE_CHECKING:
    import pandas as pd

CHECKED_FORM = 2
"""Of the file with the result of the last check; one of another form is not read."""
PROMOTE_AGAIN = "dvc repro --force --single-item promote"


def check_inputs(path: str | Path = "params.yaml") -> str:
    """Check parameters, git, tracking store and data.

    All images are read, and the decoded ones are kept for the stage ``ingest``; a source unchanged since its last
    successful check is not read again.

    Returns:
        A line with the result, and lines on what the data was taken for.

    Raises:
        InputError: something is wrong; one line per problem.
    """
    params = read_params(path)
    repository.repair_files()
    lineage.locked_stages(lineage.current_lock())
    lacking = why_no_commit()
    address.check_tracking(reading=True)
    _check_store()
    _check_search(params)
    from darkroom.data import sources

    found = sources.find(params.data, params.preprocess.size)
    for network in params.models:
        check_weights(network, params.network(network))
    seen = _fingerprint(params, found)
    remembered = project.state_folder() / "checked"
    before = remembered.read_text(encoding="utf-8").splitlines() if remembered.is_file() else []
    of_git = [f"git: {lacking}"] if lacking else []
    if before[:1] == [seen]:
        return "\n".join([f"{before[1]} (unchanged since the last check)", *before[2:], *of_git])
    rows, account = check_data(params, found)
    training_images = int((rows["split"] == "train").sum())
    for network in params.models:
        check_network_data(params, network, training_images, rows["label"].nunique())
        _check_own_network(network, params, rows["label"].nunique())
    valid = f"params.yaml and data are valid: {len(rows)} images in {rows['label'].nunique()} classes"
    told = f"promotion: {_power(rows.loc[rows['split'] == 'test', 'cluster'], params)}"
    lines = [valid, *account, told, *advice(params, rows)]
    write_text(remembered, "\n".join([seen, *lines]) + "\n")
    return "\n".join([*lines, *of_git])


def _check_store() -> None:
    """Check that the tracking store can be written; of a SQLite file, that this version of MLflow can open it.

    MLflow is not imported for a file that it has opened before.
    """
    file = address.sqlite_file()
    if file is None:
        from darkroom.tracking import access

        access.check_access()
        return
    schema = address.schema_of(file)
    if schema is None:
        return
    remembered = project.state_folder() / "opened"
    now = f"{schema} {metadata.version('mlflow')}\n"
    if not remembered.is_file() or remembered.read_text(encoding="utf-8") != now:
        from darkroom.tracking import store

        store.open_store(reading=True)
        write_text(remembered, now)


def _power(groups: "pd.Series[int]", params: Params) -> str:
    """Return which gain a promotion can find with the test images, given the number of each one's group."""
    import numpy as np

    from darkroom.promotion.statistics import grouped, power

    sizes = np.asarray(groups.value_counts(), dtype=np.int64)
    images = int(sizes.sum() / grouped.design_effect(sizes))
    return power.words(images, power.ASSUMED_DISAGREEMENT, params.promote.significance)


def _check_search(params: Params) -> None:
    """Check that the study database and the Ray cluster are reachable, if the search uses them."""
    if not params.search.budget.is_given:
        return
    if params.search.storage:
        from darkroom.search.study import open_storage

        open_storage(params.search.storage).engine.dispose()
    if params.search.executor == "ray" and any(params.space(name).ranges() for name in params.models):
        from darkroom.search.executors import ray_connection

        ray_connection.check(params.search.ray)


def _check_own_network(network: Network, params: Params, classes: int) -> None:
    """Check that a user's own network can be built."""
    if not is_documented(network):
        try_build(network, params.network(network), params.preprocess.size, classes)


def _fingerprint(params: Params, found: Found) -> str:
    """Return a digest of the check's inputs: names, sizes and times of the files, and parameters."""
    state: list[object] = [
        CHECKED_FORM,
        params.data.model_dump(mode="json"),
        params.preprocess.seed,
        params.preprocess.size,
        params.preprocess.split.model_dump(),
        params.validation.model_dump(mode="json"),
        [file.read_text(encoding="utf-8", errors="replace") for file in REMEMBERED if file.is_file()],
        params.promote.significance,
        params.promote.groups,
        [_of_network(params.network(name)) for name in params.models],
        [_of_own(name, params) for name in params.models if not is_documented(name)],
        [params.space(name).model_dump(mode="json") for name in params.models if params.search.budget.is_given],
    ]
    files = [sample.place.path for sample in found.samples if isinstance(sample.place, File)]
    state.append(found.left_out)
    state += [(file, *_state(file)) for file in (params.data.path, *files)]
    if not files:
        state.append((metadata.version("scikit-learn"), [sample.name for sample in found.samples]))
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _state(file: str) -> tuple[int, ...]:
    """Return size and time of a file; nothing if it cannot be had, as of a broken link."""
    try:
        status = Path(file).stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns


def _of_own(name: Network, params: Params) -> tuple[object, ...]:
    """Return what building a user's own network depends on."""
    text = file_of(name).read_text(encoding="utf-8")
    return name, text, params.network(name).model_dump(mode="json"), params.preprocess.size


def _of_network(values: NetworkParams) -> tuple[object, ...]:
    return values.batch_size, values.optimizer, values.output, values.initial_weights


def check_registry(report: str | Path = "reports/promotion.json") -> str:
    """Check that the registry's champion is that of the last promotion.

    Returns:
        One line with the result.

    Raises:
        InputError: the alias is missing or was changed elsewhere, or the last decision was not carried out.
    """
    if not is_there(report):
        return "no promotion yet"
    decision = read_mapping(report)
    name = read_params().promote.registered_model
    if "champion_run_id" not in decision:
        raise InputError(
            f"{report} contains no decision, perhaps after an interruption; promote again: {PROMOTE_AGAIN}"
        )
    if withheld := decision["withheld"]:
        if withheld == lineage.dry_run_reason():
            return f"{report}: decided but not carried out ({withheld})"
        raise InputError(
            f"{report}: decided but not carried out ({withheld}); to carry it out, promote again: {PROMOTE_AGAIN}"
        )
    address.check_tracking(reading=True)
    from darkroom.promotion import champions
    from darkroom.registry import versions
    from darkroom.tracking import store

    store.open_store(reading=True)
    version = versions.champion(name)
    expected = decision["champion_run_id"]
    if version is None and expected is None:
        return f"models:/{name} has no champion: {decision['reason']}"
    if version is None:
        raise InputError(
            f"models:/{name} has no alias champion, but {report} set it to run {expected}; "
            f"in a new store, run darkroom restore; otherwise promote again: {PROMOTE_AGAIN}"
        )
    if (run_id := versions.run_of(version)) != expected:
        records = champions.promotion_records(version)
        if records and records[-1].how in {"promote", "accept", "rollback"}:
            by_hand = records[-1]
            return (
                f"models:/{name}@champion is version {version.version}: {by_hand.how} by {by_hand.who}, "
                f"{by_hand.since}: {by_hand.why}"
            )
        raise InputError(
            f"models:/{name}@champion is version {version.version} of run {run_id}, but {report} names run {expected}: "
            f"the alias was changed elsewhere; pull that commit's results, or promote again: {PROMOTE_AGAIN}"
        )
    return f"models:/{name}@champion is version {version.version}, as in {report}"
