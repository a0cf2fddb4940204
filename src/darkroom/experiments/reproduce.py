"""``darkroom reproduce``: retrain a recorded model from its commit and data, and report differences."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from packaging.markers import Marker

from darkroom import repository
from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.files import read_json
from darkroom.base.git import git, networks_at
from darkroom.data.prepared.prepared import Prepared
from darkroom.experiments import compare, recorded_weights
from darkroom.networks import Network
from darkroom.registry import versions
from darkroom.reporting.results import Results
from darkroom.tracking import lineage, store
from darkroom.tracking.record import RunRecord
from darkroom.tracking.secrets import HIDDEN

CODE = ("src", "pipeline", "networks", "params.yaml", "dvc.yaml")
DATA = ("data/prepared/train", "data/prepared/validation", "data/prepared/dataset.json")
METRICS = ("validation_accuracy", "validation_loss", "best_epoch", "epochs", "parameters")
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)(?: ; ([^\\]+))?")
DECIDES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "albumentations", "opencv-python-headless", "pillow")
"""Packages whose version may affect training results."""


@dataclass(frozen=True)
class Reproduced:
    """Result of retraining a recorded model."""

    run_id: str
    network: str
    commit: str
    differences: tuple[str, ...]
    """Differences of weights and metrics, as messages; empty if identical."""
    known: tuple[str, ...]
    """Differences of environment, code and data, found before training."""

    @property
    def identical(self) -> bool:
        """Whether weights and metrics are bit-identical."""
        return not self.differences


def reproduce(name: str, named: str, *, here: bool) -> Reproduced:
    """Retrain a model in a temporary checkout of the commit that contains its results.

    Args:
        name: the registered model.
        named: an alias, a version, or the beginning of a run id.
        here: whether to use this workspace's code and parameters instead of the commit's.

    Raises:
        InputError: the name is unknown, no commit contains its results, or its code, data or initial weights are lost.
        DarkroomError: git, DVC or the training fails.
    """
    run_id = compare.run_named(name, named)
    commit = lineage.recorded_runs().get(run_id)
    if commit is None:
        raise InputError(
            f"no commit contains run {run_id}: commit dvc.lock, runs/ and reports/ after training, or git fetch "
            "others' commits"
        )
    network = _network_of(run_id, commit)
    targets = [*DATA, *_features(network, commit), Results(Path(), network).model.as_posix()]
    with tempfile.TemporaryDirectory() as kept, repository.checkout(commit, targets) as folder:
        stage = f"train@{network}"
        code = differing_code(commit) if here else _code(commit, run_id, stage, folder)
        results = Results(folder, network)
        model, record = results.model, results.run_record
        known = [*_environment(folder), *code, *_data(folder, RunRecord.read(record))]
        before = shutil.copy(model, kept), RunRecord.read(record)
        if here:
            _copy_code(folder)
        recorded_weights.provide(folder, network, before[1])
        # A separate store, so that the project's store stays unchanged.
        repository.run_dvc("repro", "--force", "--single-item", stage, folder=folder, MLFLOW_TRACKING_URI="")
        differences = [*_weights(Path(before[0]), model), *_metrics(before[1], RunRecord.read(record))]
    return Reproduced(run_id, network, commit, tuple(differences), tuple(known))


def _features(network: Network, commit: str) -> list[str]:
    """Return the folder of a network's features; commits before there was a stage for them have none."""
    folder = f"data/features/{network}"
    return [folder] if f"path: {folder}\n" in (git("show", f"{commit}:./dvc.lock") or "") else []


def _network_of(run_id: str, commit: str) -> Network:
    for network in networks_at(commit):
        if f'"{run_id}"' in (git("show", f"{commit}:./{Results(Path(), network).run_record.as_posix()}") or ""):
            return network
    raise InputError(
        f"commit {commit[:12]} contains no network of run {run_id}; darkroom runs lists the commit of each run"
    )


def _environment(folder: Path) -> Iterator[str]:
    """Yield packages whose versions differ from the commit's lock file."""
    lock = folder / "requirements.lock"
    if not lock.is_file():
        yield "environment: the commit has no requirements.lock to compare with"
        return
    lines = lock.read_text(encoding="utf-8").splitlines()
    # The file serves all Python versions: a package may appear several times with different markers.
    pinned = {
        found[1]: found[2]
        for line in lines
        if (found := PINNED.match(line)) and (not found[3] or Marker(found[3]).evaluate())
    }
    for package in DECIDES:
        if package not in pinned:
            continue
        try:
            installed = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed = "none"
        if installed != pinned[package]:
            yield f"environment: {package} {installed} installed, {pinned[package]} locked"


def _code(commit: str, run_id: str, stage: str, folder: Path) -> Iterator[str]:
    """Restore the code recorded by a run in a folder, and yield remaining differences.

    The commit with a run's results is later than the run, and may have other code.

    Args:
        commit: the commit with the results.
        run_id: the run.
        stage: the training stage.
        folder: a checkout of the commit.

    Raises:
        InputError: the code is lost.
    """
    if not (changed := repository.changed_deps(stage, folder)):
        return
    run = store.find_run(run_id)
    tags = run.data.tags if run else {}
    diff = versions.text_of(run_id, store.DIFF)
    if tags.get("git_uncommitted_diff", "none") != "none" and diff is None:
        raise InputError(
            f"run {run_id} was trained with uncommitted changes, but commit {commit[:12]} differs "
            f"({', '.join(changed)}) and the tracking store has no {store.DIFF}: its code is lost; train again "
            "and commit, or use this workspace's code with darkroom reproduce --here"
        )
    _restore_recorded_code(tags.get("git_commit", "none"), diff, folder)
    if HIDDEN in (diff or ""):
        yield f"code: {store.DIFF} of the run has hidden lines, which seemed to hold passwords or keys"
    if changed := repository.changed_deps(stage, folder):
        yield f"code: commit {commit[:12]} differs from the code of the run: {', '.join(changed)}"


def _restore_recorded_code(commit: str, diff: str | None, folder: Path) -> None:
    """Restore the code of the run's commit with its uncommitted changes, if this repository has that commit."""
    places = [place for place in CODE if git("cat-file", "-e", f"{commit}:{place}") is not None]
    if not places:
        return
    repository.run_git("restore", f"--source={commit}", "--", *places, folder=folder)
    if diff:
        included = [f"--include={place}{'*' if place.endswith('.yaml') else '/*'}" for place in CODE]
        with tempfile.NamedTemporaryFile() as patch:
            Path(patch.name).write_bytes(diff.encode())
            try:
                repository.run_git("apply", "--whitespace=nowarn", *included, patch.name, folder=folder)
            except DarkroomError as error:
                if HIDDEN not in diff:
                    raise
                raise InputError(
                    f"the run's {store.DIFF} cannot be applied ({error}), because lines that seemed to hold passwords "
                    "or keys are hidden in it; use this workspace's code with darkroom reproduce --here"
                ) from None


def differing_code(commit: str) -> Iterator[str]:
    """Yield differences between the workspace's code and the commit with the run's results."""
    listed = git("diff", "--name-only", commit, "--", *CODE)
    if listed is None:
        raise InputError(f"commit {commit[:12]} is not in this clone; run git fetch --unshallow")
    if changed := listed.split():
        yield f"code: differs from commit {commit[:12]}: {', '.join(changed)}"


def _data(folder: Path, record: RunRecord) -> Iterator[str]:
    """Yield a difference if the data is not that of the run, or if the run does not say which it was."""
    digest = read_json(Prepared.of_project(folder).description_file)["digest"]
    trained_on = record.tags.get("data_digest")
    if trained_on is None:
        yield f"data: digest {digest}, but the run does not record on which it was trained"
    elif trained_on != digest:
        yield f"data: digest {digest}, but the run was trained on {trained_on}"


def _copy_code(folder: Path) -> None:
    for place in CODE:
        source, target = Path(place), folder / place
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)  # an old commit may not have the folder
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def _weights(before: Path, after: Path) -> Iterator[str]:
    from darkroom.networks import inference

    one, other = (inference.load(path).get_weights() for path in (before, after))
    if [weight.shape for weight in one] != [weight.shape for weight in other]:
        yield "weights: different shapes"
        return
    pairs = [(a.astype(np.float64), b) for a, b in zip(one, other, strict=True) if not np.array_equal(a, b)]
    differing = [float(np.abs(a - b).max()) for a, b in pairs]
    if differing:
        yield f"weights: {len(differing)} of {len(one)} arrays differ, by up to {max(differing):.3g}"


def _metrics(before: RunRecord, after: RunRecord) -> Iterator[str]:
    for name in METRICS:
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            yield f"{name.replace('_', ' ')}: {other:.6g}, was {one:.6g}"
