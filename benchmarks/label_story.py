"""A story of 400 photographs with 8 % wrong labels: audit, 20 corrections, and what accuracy and decision make of them.

    python -m benchmarks.label_story [--seeds N]

In a clone of the last commit, with 80 flowers of each class from flower_photos.zip in DARKROOM_DATASETS, 32 of them in
the folder of another class, the pipeline runs and is committed. The 20 surest likely errors, three of them of test
images, are judged with their true labels (``darkroom relabel``), the pipeline runs again, and is committed again.
Prints a row for each seed, and ends with 1 if a promise of docs/data.md does not hold.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from benchmarks import published
from darkroom.base import spreadsheets

ROOT = Path(__file__).resolve().parents[1]
EACH, WRONG, CORRECTED, OF_TEST = 80, 32, 20, 3
NETWORK = "logistic_regression"
GIT = ("git", "-c", "user.email=benchmark@example.org", "-c", "user.name=benchmark")


def run(project: Path, *command: str) -> str:
    """Run a command in this environment; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(project / "src")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True, text=True).stdout


def commit(project: Path, message: str) -> None:
    """Commit everything."""
    run(project, "git", "add", "-A")
    run(project, *GIT, "commit", "-qm", message)


def write_flowers(folder: Path, seed: int) -> dict[str, str]:
    """Write the photographs, some into the folder of another class; return the class of each by its name."""
    generator, truth = np.random.default_rng(seed), {}
    with zipfile.ZipFile(published.folder() / "flower_photos.zip") as archive:
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


def settings(project: Path) -> None:
    """Write params.yaml: logistic regression on frozen features, at 160 pixels."""
    yaml = YAML()
    values = yaml.load((project / "params.yaml").read_text(encoding="utf-8"))
    values["data"] |= {"source": "folder", "path": "data/raw"}
    values["preprocess"] |= {"size": [160, 160, 3], "augmentation": {}}
    values["models"] = [NETWORK]
    values["search"][NETWORK] = values["train"][NETWORK] = {}
    with (project / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(values, file)


def judge(project: Path, truth: dict[str, str]) -> dict[str, int]:
    """Merge the true labels of the surest likely errors; return how many were listed, planted and corrected."""
    audit = spreadsheets.read(project / "reports/label_audit.csv")
    audit = audit[audit["kind"] == "label error"]
    tested = spreadsheets.read(project / f"reports/{NETWORK}/predictions.csv").rename(columns={"image": "name"})
    doubted = tested[tested["label_error"] != ""]
    doubted = doubted.iloc[doubted["label_error"].astype(int).argsort()]
    of_test = doubted[["name", "picture"]].head(OF_TEST)
    table = pd.concat([audit[["name", "picture"]].head(CORRECTED - len(of_test)), of_test])
    spreadsheets.write(project / "judged.csv", table.assign(correct=table["name"].map(truth)))
    run(project, "darkroom", "relabel", "judged.csv", "--who", "Ada")
    (project / "judged.csv").unlink()
    wrong = {name for name, label in truth.items() if not name.startswith(f"{label}/")}
    audited = set(pd.read_parquet(project / "data/described/images.parquet")["name"])
    found = {"planted": len(wrong & audited), "listed": len(audit), "found": len(wrong & set(audit["name"]))}
    corrected = {"judged": len(table), "corrected": sum(name in wrong for name in table["name"])}
    return found | corrected | {"of_test": sum(name in wrong for name in of_test["name"])}


def story(project: Path, seed: int) -> dict[str, Any]:
    """Play the story in a clone; return its figures."""
    run(ROOT, "git", "clone", "-q", str(ROOT), str(project))
    truth = write_flowers(project / "data/raw", seed)
    settings(project)
    run(project, "dvc", "add", "-q", "data/raw")
    run(project, "dvc", "repro")
    commit(project, "results")
    figures: dict[str, Any] = {"seed": seed, **judge(project, truth)}
    run(project, "dvc", "repro")
    commit(project, "corrected labels")
    shown = [run(project, "git", "show", f"{at}:reports/{NETWORK}/metrics.json") for at in ("HEAD~1", "HEAD")]
    before, after = (json.loads(text)[0]["accuracy"] for text in shown)
    changed = set(run(project, "git", "diff", "--name-only", "HEAD~1", "HEAD").split())
    decision = json.loads((project / "reports/promotion.json").read_text(encoding="utf-8"))
    figures |= {"before": before, "after": after, "outcome": decision["outcome"], "reason": decision["reason"]}
    figures["in_git"] = {"data/labels.csv", "reports/promotion.json", f"runs/{NETWORK}/run.json"} <= changed
    return figures


def kept(figures: dict[str, Any]) -> bool:
    """Whether the promises hold: errors found, corrections in git, accuracy and decision say what they did."""
    said = f"{figures['of_test']} test images have corrected labels" in figures["reason"] or not figures["of_test"]
    return bool(
        2 * figures["found"] >= figures["planted"]
        and 2 * figures["found"] >= figures["listed"]
        and figures["in_git"]
        and said
        and f"{figures['after']:.4f}" in figures["reason"]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    rows = []
    for number in range(parser.parse_args().seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(story(Path(folder) / "project", number))
            print(json.dumps(rows[-1]), flush=True)
    sys.exit(not all(map(kept, rows)))
