"""Fine-tuning on photographs: killed in its features, its head and its deeper layers; begun with other weights."""

import io
import random
import re
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import digits, published
from benchmarks.faults.kills import BEGUN
from benchmarks.faults.project import Project, clone, kill
from darkroom.base.files import file_digest, read_record

NETWORK, PHOTOGRAPHS = "efficientnet_lite0", 240
"""The network, and the photographs of each class."""
FEATURES, TRAIN = f"features@{NETWORK}", f"train@{NETWORK}"
MODEL, RUN = f"models/{NETWORK}.keras", f"runs/{NETWORK}/run.json"
COMPUTED = f"data/features/{NETWORK}"
OUTPUTS = {
    FEATURES: [f"{COMPUTED}/train.npy", f"{COMPUTED}/validation.npy"],
    TRAIN: [MODEL, f"reports/{NETWORK}/history.csv"],
}
"""What each stage must write again, bit by bit."""
SETTINGS = {
    "epochs": 12,
    "ema": 0.95,
    "fine_tuning": {"epochs": 4, "layers": "last 33", "learning_rate": 0.0003, "augment": False},
}
OWN = "own.keras"
DIGEST = re.compile(r"initial_weights_sha256: ([0-9a-f]{16,64})")
ALONE = ("--force", "--single-item")
"""Options of ``dvc repro`` that run one stage, though nothing has changed."""
IDENTICAL = "identical: all weights and metrics are the same"


class Step(NamedTuple):
    """One thing that was tried, and what came of it."""

    title: str
    fault: str
    """What is wrong, or nothing."""


def run(kills: int, seed: int) -> Iterator[Step]:
    """Kill features and training, then change the weights that they begin with; yield each step.

    Args:
        kills: their number, half of them in each of the two stages.
        seed: of the moments.
    """
    moments = random.Random(seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as temporary:
        project = _photographs(Path(temporary) / "photographs")
        for stage, outputs in OUTPUTS.items():
            project.require("dvc", "repro", stage)
            expected = _contents(project, outputs)
            _forget_features(project, stage)
            seconds = project.require("dvc", "repro", *ALONE, stage).seconds
            for part in range(kills // 2):
                after = (part + moments.random()) / (kills // 2) * seconds
                yield _killed(project, stage, after, expected)
        project.require("dvc", "repro")
        yield from _other_weights(project)


def _photographs(root: Path) -> Project:
    """Clone the last commit into a folder, configured for photographs of flowers and fine-tuning."""
    project = clone(root)
    kept: Counter[str] = Counter()
    with zipfile.ZipFile(published.folder() / "flower_photos.zip") as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".jpg")):
            *_, label, file = name.split("/")
            kept[label] += 1
            if kept[label] <= PHOTOGRAPHS:
                target = root / "data" / "raw" / label / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    project.require("darkroom", "configure", "data/raw")
    digits.change(root, {"models": [NETWORK], "train": {NETWORK: SETTINGS}})
    project.commit("photographs")
    return project


def _killed(project: Project, stage: str, after: float, expected: dict[str, str]) -> Step:
    """Start a stage anew, kill it some seconds after it has begun, and run it to its end."""
    _forget_features(project, stage)
    with project.started("dvc", "repro", *ALONE, stage) as process:
        printed = process.stdout or io.StringIO()
        for line in printed:
            if line.startswith(f"Running stage '{stage}'"):
                break
        time.sleep(after)
        kill(process)
        said = printed.read().splitlines()
    project.require("darkroom", "check", "--inputs")
    project.require("dvc", "repro", stage)
    found = _contents(project, [*expected])
    differ = [name for name in expected if found[name] != expected[name]]
    return Step(f"{stage}, killed after {after:.1f} s {_where(said)}", f"other {', '.join(differ)}" if differ else "")


def _forget_features(project: Project, stage: str) -> None:
    """Remove the features before they are computed anew: those that are there would be kept."""
    if stage == FEATURES:
        shutil.rmtree(project.root / COMPUTED)


def _where(said: list[str]) -> str:
    """Return how far a stage was that has printed these lines."""
    if any(line.startswith("Updating lock file") for line in said):
        return "when it had ended"
    epochs = [line.split("  loss")[0].strip() for line in said if " epoch " in line and "  loss" in line]
    return f"at {epochs[-1]}" if epochs else "before any epoch"


def _contents(project: Project, names: Iterable[str]) -> dict[str, str]:
    """Return the digests of a project's files."""
    return {name: file_digest(project.root / name) for name in names}


def _other_weights(project: Project) -> Iterator[Step]:
    """Train with the same weights, with a file, and with another file of its name; reproduce each."""
    begin = project.root / OWN
    yield Step("reproduced", _reproduced(project))
    yield Step("run again", _ran(project, set()))
    shutil.copy(project.root / MODEL, begin)
    _begin_with(project, initial_weights=OWN)
    yield Step("its own weights as a file", _ran(project, {FEATURES, TRAIN}))
    yield Step("reproduced", _reproduced(project))
    shutil.copy(project.root / MODEL, begin)
    refused = project.run("darkroom", "check")
    (digest,) = DIGEST.findall(refused.printed) or ("",)
    yield Step("another file of this name", "" if refused.code and digest else f"not refused: {refused.printed}")
    _begin_with(project, initial_weights=OWN, initial_weights_sha256=digest)
    yield Step("the digest that it names", _ran(project, {FEATURES, TRAIN}))
    yield Step("reproduced", _reproduced(project))


def _begin_with(project: Project, **weights: str) -> None:
    digits.change(project.root, {"train": {NETWORK: {**SETTINGS, **weights}}})


def _ran(project: Project, expected: set[str]) -> str:
    """Run the pipeline; return what is wrong with the stages that ran or the weights, or nothing."""
    before = _contents(project, [MODEL])
    ran = {*BEGUN.findall(project.require("dvc", "repro").printed)}
    if expected - ran or (ran and not expected):
        return f"stages {', '.join(sorted(ran)) or 'none'} ran, expected {', '.join(sorted(expected)) or 'none'}"
    return "" if (_contents(project, [MODEL]) != before) == bool(expected) else "the weights are not as expected"


def _reproduced(project: Project) -> str:
    """Commit the results, and train them again from the commit; return what is wrong, or nothing."""
    project.commit("results")
    run_id = read_record(project.root / RUN)["run_id"]
    done = project.run("darkroom", "reproduce", run_id)
    return "" if IDENTICAL in done.printed and not done.code else f"ended with {done.code}: {done.printed[-1500:]}"


def report(steps: list[Step]) -> str:
    """Return a Markdown table."""
    rows = (f"| {step.title} | {step.fault or 'as it should be'} |" for step in steps)
    return "\n".join(("| step | result |\n| --- | --- |", *rows))
