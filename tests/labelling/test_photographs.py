"""A story with 400 photographs: wrong labels are found, corrected, trained again and judged anew. Slow."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darkroom.base import spreadsheets
from darkroom.base.files import read_record
from support.finished import stages_run
from support.projects import Project

FLOWERS = Path(os.environ.get("DARKROOM_DATASETS", "nowhere")) / "flower_photos.zip"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FLOWERS.is_file(), reason="DARKROOM_DATASETS names no folder with flower_photos.zip"),
]
EACH, WRONG, CORRECTED = 80, 32, 20
NETWORK = "logistic_regression"
REPORT = f"reports/{NETWORK}"


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A project with 80 flowers of each of five classes, 32 of them with a wrong label, whose pipeline has run."""
    project = Project(tmp_path_factory.mktemp("flowers") / "project")
    project.truth = write_flowers(project.root / "data" / "raw")
    project.params(
        **{"data.source": "folder", "data.path": "data/raw", "models": [NETWORK], "preprocess.size": [160, 160, 3]},
        **{"preprocess.augmentation": {}, f"search.{NETWORK}": {}, f"train.{NETWORK}": {}, "search.budget.trials": 0},
    )
    project.git("data/raw").run("dvc", "repro")
    return project.commit("results")


def write_flowers(folder):
    """Write the photographs, some into the folder of another class; return the class of each by its name."""
    generator, truth = np.random.default_rng(0), {}
    with zipfile.ZipFile(FLOWERS) as archive:
        names = pd.Series([name for name in archive.namelist() if name.endswith(".jpg")])
        classes = names.map(lambda name: Path(name).parent.name)
        labels = sorted(set(classes))
        chosen = [name for label in labels for name in generator.permutation(names[classes == label])[:EACH]]
        wrong = set(generator.permutation(chosen)[:WRONG])
        for name in chosen:
            label = Path(name).parent.name
            other = generator.choice([one for one in labels if one != label])
            place = Path(other if name in wrong else label) / Path(name).name
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(archive.read(name))
            truth[place.as_posix()] = label
    return truth


def ranked(story):
    """The likely label errors, the surest first: of the audit, and of the test images."""
    audit = spreadsheets.read(story.root / "reports/label_audit.csv")
    tested = spreadsheets.read(story.root / REPORT / "predictions.csv").rename(columns={"image": "name"})
    doubted = tested[tested["label_error"] != ""]
    doubted = doubted.iloc[doubted["label_error"].astype(int).argsort()]
    return audit[audit["kind"] == "label error"], doubted


def shown(story, file):
    """A file of the commit before, and of this one."""
    texts = [
        subprocess.run(
            ["git", "show", f"{at}:{file}"], cwd=story.root, capture_output=True, text=True, check=True
        ).stdout
        for at in ("HEAD~1", "HEAD")
    ]
    return map(json.loads, texts)


def test_twenty_corrections_are_in_git_with_what_came_of_them(story):
    audit, doubted = ranked(story)
    wrong = {name for name, label in story.truth.items() if not name.startswith(f"{label}/")}
    audited = wrong & set(pd.read_parquet(story.root / "data/described/images.parquet")["name"])
    assert len(wrong & set(audit["name"])) >= 0.5 * len(audited)
    assert len(wrong & set(audit["name"])) >= 0.6 * len(audit)

    of_test = doubted[["name", "picture"]].head(3)
    table = pd.concat([audit[["name", "picture"]].head(CORRECTED - len(of_test)), of_test])
    assert len(table) == CORRECTED
    spreadsheets.write(story.root / "judged.csv", table.assign(correct=table["name"].map(story.truth)))
    corrected = sum(name in wrong for name in table["name"])
    printed = story.run("darkroom", "relabel", "judged.csv", "--who", "Ada")
    assert f"{corrected} pictures corrected, {CORRECTED - corrected} confirmed" in printed
    (story.root / "judged.csv").unlink()
    printed = story.run("dvc", "repro")
    assert {"ingest", "describe", f"train@{NETWORK}", f"evaluate@{NETWORK}", "promote"} <= set(stages_run(printed))
    story.commit("corrected labels")

    # Nobody is asked again about what has been judged.
    assert not set(table["name"]) & {name for each in ranked(story)[:1] for name in each["name"]}
    lines = spreadsheets.read(story.root / "data/labels.csv")
    assert len(lines) == CORRECTED
    before, after = shown(story, f"{REPORT}/metrics.json")
    accuracy = [read[0]["accuracy"] for read in (before, after)]
    assert accuracy[1] >= accuracy[0]
    _, decision = shown(story, "reports/promotion.json")
    of_test_corrected = sum(name in wrong for name in of_test["name"])
    assert f"{of_test_corrected} test images have corrected labels (data/labels.csv)" in decision["reason"]
    assert f"{accuracy[1]:.4f}" in decision["reason"]
    assert read_record(story.root / "reports/label_audit.json")["judged"] == CORRECTED - len(of_test)
