"""A stage whose input is missing, as with --single-item or in an experiment of what is not in git. Slow."""

import shutil

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow

MISSING = [
    ("validate", "data/ingested/manifest.parquet"),
    ("split", "data/ingested/images.npy"),
    ("preprocess", "reports/quarantine.csv"),
    ("preview", "data/prepared/train"),
    ("describe", "data/prepared/dataset.json"),
    ("overview", "data/described"),
    ("train", "runs/mlp/best_params.json"),
    ("evaluate", "models/mlp.keras"),
    ("evaluate", "models/mlp.reference.npz"),
    ("promote", "runs"),
    ("card", "reports/promotion.json"),
    ("card", "reports/mlp/metrics.json"),
    ("evaluate", "reports/augmentation"),
    ("report", "reports/label_audit.json"),
]


@pytest.fixture(scope="module")
def project(finished_mlp, tmp_path_factory):
    return finished_mlp.copy_to(tmp_path_factory.mktemp("missing") / "project")


@pytest.mark.parametrize(("stage", "missing"), MISSING)
def test_a_stage_without_an_input_says_so_in_one_line(project, tmp_path, stage, missing):
    stages = YAML(typ="safe").load((project.root / "dvc.yaml").read_text())["stages"]
    command = stages[stage]["cmd"].replace("${item.model}", "mlp").split()
    shutil.move(project.root / missing, tmp_path / "aside")
    try:
        printed = project.run(*command, code=2)
    finally:
        shutil.move(tmp_path / "aside", project.root / missing)
    (told,) = [line for line in printed.splitlines() if line.startswith(f"{stage}: ")]
    assert told.startswith(f"{stage}: {missing}")
    assert "does not exist" in told
    assert "run dvc repro, without --single-item, or dvc pull" in told
    assert "Traceback" not in printed


def test_an_experiment_of_what_is_not_in_git_names_the_remedy(finished_mlp, tmp_path):
    project = finished_mlp.copy_to(tmp_path / "project")
    project.run("git", "rm", "-rq", "--cached", "runs")
    with (project.root / ".gitignore").open("a") as ignored:
        ignored.write("/runs/\n")
    project.commit("without runs")
    printed = project.run("dvc", "exp", "run", "--temp", "--force", "--single-item", "train@mlp", code=255)
    (told,) = [line for line in printed.splitlines() if line.startswith("train: ")]
    assert "runs/mlp/best_params.json does not exist" in told
    assert "commit dvc.lock, data/, runs/ and reports/ first" in told
