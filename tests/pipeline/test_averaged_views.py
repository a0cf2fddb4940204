"""Test-time augmentation in a pipeline: evaluation, the packaged model, the server and a restored store agree."""

import base64
import json
import re
import shutil

import pandas as pd
import pytest

from darkroom.base.files import read_record
from darkroom.tracking import opening, store
from support.finished import stages_run
from support.http_servers import post, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def averaged(finished_mlp, tmp_path_factory):
    """A finished project that is evaluated again, with ten views of each image."""
    project = finished_mlp.copy_to(tmp_path_factory.mktemp("averaged") / "project")
    project.before = pd.read_csv(project.root / "reports/mlp/predictions.csv")
    # 16 test images are too few for 5 % false alarms.
    few = {"evaluate.unknown_false_alarms": 0.2, "evaluate.coverage": 0.8}
    project.params(**{"evaluate.test_time_augmentation": ["horizontal_flip", "crops"], **few})
    project.printed = project.run("dvc", "repro")
    return project


def close(answers, table):
    """Whether answers of the packaged model are those of evaluation."""
    for answer, row in zip(answers, table.to_dict("records"), strict=True):
        assert answer["label"] == row["predicted"]
        assert answer["probabilities"] == pytest.approx({"a": row["p(a)"], "b": row["p(b)"]}, abs=1e-5)
    return True


def test_nothing_is_trained_again(averaged):
    assert stages_run(averaged.printed) == ["evaluate@mlp", "promote", "card@mlp", "report"]
    assert stages_run(averaged.run("dvc", "repro")) == []


def test_all_answers_are_those_of_evaluation(averaged, monkeypatch):
    table = pd.read_csv(averaged.root / "reports/mlp/predictions.csv")
    assert (table["p(a)"] - averaged.before["p(a)"]).abs().max() > 1e-4
    files = [f"data/raw/{name}" for name in table["image"]]
    predicted = json.loads(averaged.run("darkroom", "predict", "--json", *files, stderr=None))
    assert close(predicted, table)
    assert known(predicted, averaged.root)
    contents = [base64.b64encode((averaged.root / file).read_bytes()).decode() for file in files]
    monkeypatch.chdir(averaged.root)
    store.open_store()
    with running(opening.load_model("models:/darkroom@champion")) as server:
        status, _, body = server.ask(post(json.dumps({"inputs": contents}).encode()))
    assert status == 200
    served = json.loads(body)["predictions"]
    assert close(served, table)
    for one, other in zip(served, predicted, strict=True):
        assert (one["set"], one["unknown"]) == (other["set"], other["unknown"])
        assert one["unknown_score"] == pytest.approx(other["unknown_score"], abs=1e-5)


def known(answers, root):
    """Whether sets and unknown images are those of evaluation, whose promises hold on its own images."""
    summary = read_record(root / "runs/mlp/test.json")
    least, above = summary["prediction_sets"]["least_probability"], summary["unknown"]["above"]
    for answer in answers:
        assert set(answer["set"]) == {label for label, p in answer["probabilities"].items() if p >= least}
        assert answer["unknown"] == (answer["unknown_score"] > above)
    return True


def test_evaluation_reports_what_was_asked_and_measured(averaged):
    metrics = read_record(averaged.root / "reports/mlp/metrics.json")
    assert (metrics["coverage_asked"], metrics["unknown_false_alarms_asked"]) == (0.8, 0.2)
    assert 0.5 < metrics["coverage"] <= 1
    assert 0 <= metrics["set_size"] <= 2
    assert "mlp: prediction sets of coverage 0.8: measured" in averaged.printed
    assert "mlp: unknown images at 0.2 false alarms" in averaged.printed
    page = re.sub("<[^>]+>", " ", (averaged.root / "reports/mlp/model_card.html").read_text())
    assert "coverage of prediction sets, asked 0.8 " in " ".join(page.split())


def test_card_and_summary_say_it(averaged):
    page = re.sub("<[^>]+>", " ", (averaged.root / "reports/mlp/model_card.html").read_text())
    assert "test-time augmentation mean over horizontal_flip, crops" in " ".join(page.split())
    summary = read_record(averaged.root / "runs/mlp/test.json")
    assert summary["test_time_augmentation"] == ["horizontal_flip", "crops"]


def test_a_restored_model_averages_too(averaged):
    copy = averaged.root.parent / "copy"
    shutil.copytree(averaged.root, copy, symlinks=True)
    for place in ("mlflow.db", "mlartifacts"):
        target = copy / place
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    restored = type(averaged).at(copy)
    restored.commit("ten views")
    restored.run("darkroom", "restore")
    table = pd.read_csv(copy / "reports/mlp/predictions.csv")[:5]
    files = [f"data/raw/{name}" for name in table["image"]]
    predicted = json.loads(restored.run("darkroom", "predict", "--json", *files, stderr=None))
    assert close(predicted, table)
    assert known(predicted, copy)
