"""``darkroom reproduce``: train a recorded model once more, from its commit and data, and say what is not the same."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from packaging.markers import Marker

from darkroom import comparing, lineage, registry, repository, tracking
from darkroom.errors import InputError
from darkroom.files import read_json
from darkroom.lineage import git
from darkroom.networks import NETWORKS, Network
from darkroom.tracking import RunRecord

CODE = ("src", "pipeline", "params.yaml", "dvc.yaml")
DATA = ("data/prepared/train", "data/prepared/validation", "data/prepared/dataset.json", "reports/augmentation.png")
METRICS = ("validation_accuracy", "validation_loss", "best_epoch", "epochs", "parameters")
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)(?: ; ([^\\]+))?")
DECIDES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "albumentations", "opencv-python-headless", "pillow")
"""Packages whose version may change what a training comes to."""


@dataclass(frozen=True)
class Reproduced:
    """What came of training a model once more."""

    run_id: str
    network: str
    commit: str
    differences: tuple[str, ...]
    """What is not as it was, in sentences; nothing where all is the same."""
    known: tuple[str, ...]
    """What was not as it was before the training began: environment, code, data."""

    @property
    def identical(self) -> bool:
        """Whether weights and metrics are the same, bit by bit."""
        return not self.differences


def reproduce(name: str, named: str, *, here: bool) -> Reproduced:
    """Train a model once more in a temporary checkout of the commit that holds its results.

    Args:
        name: the registered model.
        named: an alias, a version, or the beginning of a run's id.
        here: whether the code and parameters of this workspace take the place of that commit's.

    Raises:
        InputError: nothing is named so, its results are in no commit, or its code or data is nowhere.
        DarkroomError: git, DVC or the training fails.
    """
    run_id = comparing.run_named(name, named)
    commit = lineage.recorded_runs().get(run_id)
    if commit is None:
        raise InputError(
            f"run {run_id} is in no commit: commit dvc.lock, runs/ and reports/ after a training; git fetch brings "
            "those of others"
        )
    network = _network_of(run_id, commit)
    targets = [*DATA, f"models/{network}.keras"]
    with tempfile.TemporaryDirectory() as kept, repository.checkout(commit, targets) as folder:
        stage = f"train@{network}"
        code = _code_here(commit) if here else _code(commit, run_id, stage, folder)
        known = [*_environment(folder), *code, *_data(folder, run_id)]
        model, record = folder / "models" / f"{network}.keras", folder / "runs" / network / "run.json"
        before = shutil.copy(model, kept), RunRecord.read(record)
        if here:
            _bring_code(folder)
        # A store of its own: nothing of this is for the project's.
        repository.run_dvc("repro", "--force", "--single-item", stage, folder=folder, MLFLOW_TRACKING_URI="")
        differences = [*_weights(Path(before[0]), model), *_metrics(before[1], RunRecord.read(record))]
    return Reproduced(run_id, network, commit, tuple(differences), tuple(known))


def _network_of(run_id: str, commit: str) -> Network:
    for network in NETWORKS:
        if f'"{run_id}"' in (git("show", f"{commit}:./runs/{network}/run.json") or ""):
            return network
    raise InputError(f"commit {commit[:12]} has no network of run {run_id}; darkroom runs lists what is recorded where")


def _environment(folder: Path) -> Iterator[str]:
    """Say which packages are not those of the commit's lock."""
    lock = folder / "requirements.lock"
    if not lock.is_file():
        yield "environment: the commit has no requirements.lock to hold it against"
        return
    lines = lock.read_text(encoding="utf-8").splitlines()
    # One file for all versions of Python: a package may stand in it more than once, each time for others.
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
            yield f"environment: {package} {installed}, where {pinned[package]} was locked"


def _code(commit: str, run_id: str, stage: str, folder: Path) -> Iterator[str]:
    """Say whether a folder has the code that a run was made with, once what the run has recorded of it was brought.

    The commit that holds a run's results is younger than the run, and need not have its code.

    Args:
        commit: the one that holds the results; it is in the folder.
        run_id: the run.
        stage: of the training.
        folder: a checkout.

    Raises:
        InputError: nobody knows what code it was.
    """
    if not (changed := repository.changed_deps(stage, folder)):
        return
    run = tracking.find_run(run_id)
    tags = run.data.tags if run else {}
    diff = registry.text_of(run_id, tracking.DIFF)
    if tags.get("git_uncommitted_diff", "none") != "none" and diff is None:
        raise InputError(
            f"run {run_id} was trained with uncommitted changes, of which commit {commit[:12]} has others "
            f"({', '.join(changed)}) and the tracking store has no {tracking.DIFF}: its code is lost; train it anew "
            "and commit, or darkroom reproduce --here with this workspace's code"
        )
    _bring_recorded_code(tags.get("git_commit", "none"), diff, folder)
    if changed := repository.changed_deps(stage, folder):
        yield f"code: commit {commit[:12]} is not what the run was trained with: {', '.join(changed)}"


def _bring_recorded_code(commit: str, diff: str | None, folder: Path) -> None:
    """Bring the code of the commit at which a run was trained, with its uncommitted changes, as far as that is here."""
    places = [place for place in CODE if git("cat-file", "-e", f"{commit}:{place}") is not None]
    if not places:
        return
    repository.run_git("restore", f"--source={commit}", "--", *places, folder=folder)
    if diff:
        included = [f"--include={place}{'*' if place.endswith('.yaml') else '/*'}" for place in CODE]
        with tempfile.NamedTemporaryFile() as patch:
            Path(patch.name).write_bytes(diff.encode())
            repository.run_git("apply", "--whitespace=nowarn", *included, patch.name, folder=folder)


def _code_here(commit: str) -> Iterator[str]:
    """Say what of the workspace's code is not as in the commit that holds a run's results."""
    changed = (git("diff", "--name-only", commit, "--", *CODE) or "").split()
    if changed:
        yield f"code: not as in commit {commit[:12]}: {', '.join(changed)}"


def _data(folder: Path, run_id: str) -> Iterator[str]:
    """Say whether the data that was brought is that of the run."""
    digest = read_json(folder / "data" / "prepared" / "dataset.json")["digest"]
    run = tracking.find_run(run_id)
    trained_on = run.data.tags.get("data_digest", digest) if run else digest
    if trained_on != digest:
        yield f"data: digest {digest}, and the run was trained on {trained_on}"


def _bring_code(folder: Path) -> None:
    for place in CODE:
        source, target = Path(place), folder / place
        if source.is_dir():
            shutil.rmtree(target)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def _weights(before: Path, after: Path) -> Iterator[str]:
    from darkroom import inference

    one, other = (inference.load(path).get_weights() for path in (before, after))
    if [weight.shape for weight in one] != [weight.shape for weight in other]:
        yield "weights: of other shapes"
        return
    pairs = [(a.astype(np.float64), b) for a, b in zip(one, other, strict=True) if not np.array_equal(a, b)]
    differing = [float(np.abs(a - b).max()) for a, b in pairs]
    if differing:
        yield f"weights: {len(differing)} of {len(one)} arrays differ, by {max(differing):.3g} at most"


def _metrics(before: RunRecord, after: RunRecord) -> Iterator[str]:
    for name in METRICS:
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            yield f"{name.replace('_', ' ')}: {other:.6g}, and it was {one:.6g}"
