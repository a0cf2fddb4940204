"""Whole pipelines under the real DVC, in a repository of their own. Slow: each stage is a process of its own."""

import base64
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from darkroom.base.files import read_record
from darkroom.data.sources.price_charts import samples
from darkroom.networks import PARAMS
from darkroom.params import read_params
from support.finished import SMALL, stages_run
from support.networks import NETWORKS
from support.pictures import draw, write_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(finished, copy_of_finished):
    """A project with two classes of 40 drawn images and two networks, run once."""
    project = copy_of_finished()
    project.printed = finished.printed
    return project


def test_everything_is_there_after_one_command(small):
    names = [
        "features@mlp",
        "features@lenet5",
        "describe",
        "overview",
        "search@mlp",
        "search@lenet5",
        "train@mlp",
        "train@lenet5",
        "evaluate@mlp",
        "evaluate@lenet5",
        "promote",
    ]
    names += ["card@mlp", "card@lenet5", "report"]
    assert stages_run(small.printed) == ["ingest", "validate", "split", "preprocess", "preview", *names]
    for network in ("mlp", "lenet5"):
        metrics = read_record(small.root / f"reports/{network}/metrics.json")
        predictions = pd.read_csv(small.root / f"reports/{network}/predictions.csv")
        assert metrics["accuracy"] == pytest.approx((predictions["label"] == predictions["predicted"]).mean())
        assert len(pd.read_csv(small.root / f"reports/{network}/history.csv")) == 2
        for picture in ("curves.png", "confusion_matrix.png", "explanations.png"):
            with Image.open(small.root / f"reports/{network}/{picture}") as opened:
                assert min(opened.size) > 300
        assert set(read_record(small.root / f"runs/{network}/best_params.json")) <= {
            "learning_rate",
            "dropout",
        }
    decision = json.loads((small.root / "reports/promotion.json").read_text())
    assert decision["outcome"] == "promote"
    assert small.champion() == decision["candidate"]["run_id"]
    assert (small.root / "reports/data_docs/index.html").is_file()
    assert (small.root / "reports/augmentation/default.png").is_file()
    assert "WARNING" not in small.printed
    assert "Traceback" not in small.printed


def test_one_run_holds_all_that_belongs_to_a_network(small):
    code = (
        "import json; from darkroom.tracking import record, store; from mlflow import MlflowClient; store.open_store();"
        "record = record.RunRecord.read('runs/lenet5/run.json'); client = MlflowClient();"
        "run = client.get_run(record.run_id);"
        "files = [f.path for f in client.list_artifacts(record.run_id)];"
        "history = len(client.get_metric_history(record.run_id, 'val_loss'));"
        "children = [dict(r.data.tags) for r in client.search_runs(['1']) if 'mlflow.parentRunId' in r.data.tags];"
        "print(json.dumps([run.to_dictionary(), files, history, children]))"
    )
    run, files, history, children = json.loads(small.run("python", "-c", code).splitlines()[-1])
    assert run["info"]["status"] == "FINISHED"
    metrics, tags = run["data"]["metrics"], run["data"]["tags"]
    assert {"test_accuracy", "test_macro_f1", "test_recall/a", "validation_accuracy", "learning_rate"} <= set(metrics)
    assert run["data"]["params"]["learning_rate"]
    assert len(tags["git_commit"]) == 40
    assert len(tags["dvc_lock"]) == 16
    assert tags["dvc_experiment"] == "none"
    assert (small.root / tags["data_docs"]).is_file()
    assert {"augmentation.png", "curves.png", "evaluation"} <= set(files)
    assert history == 2
    assert run["inputs"]["dataset_inputs"]
    assert [tags["network"] for tags in children] == ["lenet5"]


def test_a_second_run_does_nothing(small):
    assert stages_run(small.run("dvc", "repro")) == []


def text_of(small, network):
    """The words of a network's page, without its markup."""
    page = (small.root / f"reports/{network}/model_card.html").read_text()
    return " ".join(re.sub("<[^>]+>", " ", page.partition("<body>")[2]).split())


def test_the_page_of_the_candidate_and_that_of_another_network(small):
    decision = json.loads((small.root / "reports/promotion.json").read_text())
    candidate = decision["candidate"]["network"]
    (other,) = {"mlp", "lenet5"} - {candidate}
    assert f"{candidate}, darkroom version 1" in text_of(small, candidate)
    # What each rule found stands in a table below.
    assert f"Promoted : {decision['reason'].partition(';')[0]}" in text_of(small, candidate)
    for finding in decision["findings"]:
        assert finding["text"].partition(": ")[2] in text_of(small, candidate)
    assert f"Not the candidate of this run : {candidate} is the candidate" in text_of(small, other)
    assert "Promoted" not in text_of(small, other)


def test_a_page_follows_what_it_states(small):
    for network in ("mlp", "lenet5"):
        assert "human accuracy not stated" in text_of(small, network)
        assert re.search("Not stated yet: .*owner", text_of(small, network))
    small.params(evaluate__human_accuracy=0.98)
    ran = stages_run(small.run("dvc", "repro"))
    # The cost is measured again, on which a promotion may depend.
    assert sorted(ran) == ["card@lenet5", "card@mlp", "evaluate@lenet5", "evaluate@mlp", "promote", "report"]
    for network in ("mlp", "lenet5"):
        assert "human accuracy 0.98" in text_of(small, network)
    small.params(card__owner="the team")
    assert sorted(stages_run(small.run("dvc", "repro"))) == ["card@lenet5", "card@mlp"]
    assert "owner the team" in text_of(small, "mlp")
    assert stages_run(small.run("dvc", "repro")) == []


def test_served_posted_and_predicted_probabilities_are_the_same(small, tmp_path):
    reported = pd.read_csv(small.root / "reports/lenet5/predictions.csv")
    if json.loads((small.root / "reports/promotion.json").read_text())["candidate"]["network"] == "mlp":
        reported = pd.read_csv(small.root / "reports/mlp/predictions.csv")
    files = [small.root / "data/raw" / name for name in reported["image"][:5]]
    predicted = json.loads(small.run("darkroom", "predict", "--json", *map(str, files)))
    expected = np.array([list(answer["probabilities"].values()) for answer in predicted])
    np.testing.assert_allclose(expected, reported[["p(a)", "p(b)"]][:5], atol=1e-5)
    assert [answer["label"] for answer in predicted] == reported["predicted"][:5].tolist()

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{small.root / 'mlflow.db'}",
    }
    command = [
        "mlflow",
        "models",
        "serve",
        "-m",
        "models:/darkroom@champion",
        "--env-manager",
        "local",
        "-p",
        str(port),
    ]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        posted = [post(port, base64.b64encode(file.read_bytes()).decode(), tmp_path / "log") for file in files]
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(port, "bm8gaW1hZ2U=", tmp_path / "log")
        assert caught.value.code == 400
        answer = caught.value.read().decode()
        assert "not an image" in answer
        assert "Traceback" not in answer
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)
    served = np.array([list(answer["probabilities"].values()) for answer in posted])
    np.testing.assert_allclose(served, expected, atol=1e-5)


def post(port, text, log):
    """Ask the server, once it answers."""
    body = json.dumps({"inputs": [text]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
    for _ in range(120):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())["predictions"][0]
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(1)
    raise AssertionError(log.read_text())


def test_a_changed_line_of_training_retrains_every_network(small):
    code = small.root / "src/darkroom/training/fit.py"
    code.write_text(code.read_text() + "\n# changed\n")
    ran = stages_run(small.run("dvc", "repro", "--dry"))
    assert {"search@mlp", "search@lenet5", "train@mlp", "train@lenet5"} <= set(ran)
    assert not {"ingest", "validate", "split", "preprocess"} & set(ran)


def test_a_failed_expectation_stops_the_pipeline_and_says_which(project):
    write_folder(project.root / "data" / "raw", "ab", 30)
    for number in range(10):
        Image.new("L", (24, 24), 128 + number).save(project.root / f"data/raw/b/blank{number}.png")
    project.params(**SMALL).git()
    printed = project.run("dvc", "repro", code=255)
    assert stages_run(printed) == ["ingest", "validate"]
    assert (
        "validate: expect_column_mean_to_be_between on quarantined: 0.1429 found: 10 (such as b/blank0.png): it is"
        in printed
    )
    quarantine = (project.root / "reports/quarantine.csv").read_text()
    assert quarantine.count("an image must not be blank") == 10
    pages = [page.read_text() for page in (project.root / "reports/data_docs/validations").rglob("*.html")]
    assert any("b/blank0.png" in page for page in pages)
    assert (project.root / "reports/data_docs/index.html").is_file()
    assert "Traceback" not in printed


def test_a_loss_that_is_no_number_marks_the_run_failed(copy_of_finished):
    # With these, the penalty on the weights makes them some twenty times larger in each step.
    diverging = {
        "optimizer": "sgd",
        "momentum": 0.99,
        "learning_rate": 10.0,
        "l2": 0.9,
        "schedule": {"kind": "constant"},
    }
    project = copy_of_finished().params(**{"train.mlp": {**diverging, "epochs": 50, "batch_size": 8}})
    printed = project.run("dvc", "repro", "train@mlp", code=255)
    assert re.search(r"train: mlp: (training|validation) loss is (nan|inf) at step \d+ \(epoch \d+ of 50\)", printed)
    assert "Traceback" not in printed
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        statuses = store.execute("SELECT status FROM runs ORDER BY start_time DESC").fetchall()
    assert statuses[0] == ("FAILED",)
    assert {*statuses[1:]} == {("FINISHED",)}


@pytest.mark.thorough
def test_a_folder_of_photographs_works_by_changing_params_alone(project):
    from sklearn.datasets import load_sample_image

    generator = np.random.default_rng(0)
    for label in ("china", "flower"):
        photograph = load_sample_image(f"{label}.jpg")
        folder = project.root / "photographs" / label
        folder.mkdir(parents=True)
        for number in range(60):
            top, left = generator.integers(0, 427 - 150), generator.integers(0, 640 - 200)
            part = Image.fromarray(photograph[top : top + 150, left : left + 200])
            part.save(folder / f"{number}.jpg", quality=90)
    project.params(
        **{
            "data.source": "folder",
            "data.path": "photographs",
            "preprocess.size": [64, 64, 3],
            "search.budget.trials": 0,
            # Few images make few steps an epoch; smaller batches make more of them.
            "train.mnist_cnn.batch_size": 8,
        }
    ).git()
    printed = project.run("dvc", "repro")
    assert "Traceback" not in printed
    for network in ("mlp", "lenet5", "mnist_cnn"):
        metrics = read_record(project.root / f"reports/{network}/metrics.json")
        assert set(metrics["classes"]) == {"china", "flower"}
    assert read_record(project.root / "reports/mnist_cnn/metrics.json")["accuracy"] > 0.75
    lines = project.run("darkroom", "predict", "photographs/china").splitlines()
    assert len(lines) == 60
    assert sum(line.split()[1] == "china" for line in lines) > 45


@pytest.mark.datasets
def test_ten_classes_of_photographs(project):
    datasets = os.environ.get("DARKROOM_DATASETS")
    archive = Path(datasets or "") / "cifar10-images.zip"
    if not datasets or not archive.is_file():
        pytest.skip("DARKROOM_DATASETS names no folder with cifar10-images.zip")
    with zipfile.ZipFile(archive) as images:
        for name in images.namelist():
            parts = Path(name).parts
            if name.endswith(".jpg") and parts[1] == "train" and int(Path(name).stem) <= 60:
                target = project.root / "photographs" / parts[2] / parts[3]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(images.read(name))
    project.params(
        **{
            "data.source": "folder",
            "data.path": str(project.root / "photographs"),
            "preprocess.size": [32, 32, 3],
            "models": ["mnist_cnn"],
            "search.budget.trials": 0,
        }
    ).git()
    project.run("dvc", "repro")
    metrics = read_record(project.root / "reports/mnist_cnn/metrics.json")
    assert len(metrics["classes"]) == 10
    assert metrics["accuracy"] > 0.2


@pytest.mark.large
def test_every_network_goes_through_the_pipeline(project):
    # The others begin with weights for colour images.
    own = [name for name in NETWORKS if PARAMS[name]().initial_weights is None]
    write_folder(project.root / "data" / "raw", "ab", 40)
    smaller = {"mlp": {"hidden_units": [16]}, "alexnet": {"hidden_units": 64}, "resnet20": {"blocks": 1}}
    sections = {f"train.{name}": {"epochs": 1, "batch_size": 16, **smaller.get(name, {})} for name in own}
    sections |= {f"search.{name}": {} for name in own}
    project.params(
        **{
            "data.source": "folder",
            "data.path": "data/raw",
            "preprocess.size": [67, 67, 1],
            "models": own,
            "search.budget.trials": 0,
            **sections,
        }
    ).git()
    printed = project.run("dvc", "repro", timeout=1800)
    assert "Traceback" not in printed
    for network in own:
        run_id = read_record(project.root / "runs" / network / "run.json")["run_id"]
        command = ("darkroom", "predict", "--json", "--model", f"runs:/{run_id}/model", "data/raw/a")
        answers = json.loads(project.run(*command))
        assert len(answers) == 40
        assert sum(answers[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert (project.root / "reports" / network / "explanations.png").is_file()


PRICES = {
    "window": 20,
    "stride": 5,
    "horizon": 5,
    "classes": {"labels": ["down", "up"], "thresholds": [0.0]},
    "splits": {"validation": "2010-01-01", "test": "2014-01-01"},
    "variants": 2,
}


def test_charts_of_real_prices_train_and_evaluate_and_no_two_splits_share_a_day(project):
    prices = pytest.importorskip("arch.data.sp500").load()
    (project.root / "data" / "raw").mkdir()
    prices.to_csv(project.root / "data" / "raw" / "sp500.csv")
    project.params(
        **{
            **SMALL,
            "data.source": "price_charts",
            "data.path": "data/raw/sp500.csv",
            "data.price_charts": PRICES,
            "preprocess.size": [40, 96, 3],
            "preprocess.augmentation": {},
            "models": ["mlp"],
            "search.budget.trials": 0,
        }
    ).git()
    assert "are valid" in project.run("darkroom", "check", "--inputs")
    assert "windows are not used: they span two splits, or a ticker has too few days" in project.run("dvc", "repro")
    chart = read_params(project.root / "params.yaml").data.price_charts
    days = {sample.name: sample for sample in samples(project.root / "data/raw/sp500.csv", chart, (40, 96, 3))}
    spans = {}
    for split in ("train", "validation", "test"):
        names = pd.read_parquet(project.root / f"data/prepared/{split}/manifest.parquet")["name"]
        spans[split] = min(days[name].first_day for name in names), max(days[name].last_day for name in names)
        assert {days[name].split for name in names} == {split}
    assert spans["train"][1] < spans["validation"][0]
    assert spans["validation"][1] < spans["test"][0]
    metrics = read_record(project.root / "reports/mlp/metrics.json")
    # Nobody foretells a share's price from a picture; near the largest class is what one must expect.
    assert abs(metrics["accuracy"] - metrics["baseline_accuracy"]) < 0.15
    # Such a model is not promoted, unless a person insists.
    decision = json.loads((project.root / "reports/promotion.json").read_text())
    assert decision["outcome"] == "keep"
    assert [finding["rule"] for finding in decision["findings"] if not finding["passed"]] == ["largest class"]
    project.run("darkroom", "promote", "1", "--reason", "to look at its predictions")
    command = ("darkroom", "predict", "--json", "--table", "data/raw/sp500.csv")
    (answer,) = json.loads(project.run(*command, stderr=subprocess.DEVNULL))
    assert answer["label"] in {"down", "up"}
    assert "2018-12-31" in answer["image"]


def test_new_and_removed_images_leave_the_splits_of_the_others_as_they_were(copy_of_finished):
    project = copy_of_finished()
    folder = project.root / "data" / "raw"

    def splits_now():
        tables = [pd.read_parquet(project.root / f"data/prepared/{split}/manifest.parquet")
                  for split in ("train", "validation", "test")]  # fmt: skip
        return {row.sha256: row.split for table in tables for row in table.itertuples()}

    first = splits_now()
    for number in range(100, 120):
        draw("a", number).save(folder / "a" / f"{number}.png")
    tests = [name for name, split in first.items() if split == "test"]
    (folder / "a" / "000.png").unlink()
    # A test image comes again, brighter and in another form.
    row = pd.read_parquet(project.root / "data/prepared/test/manifest.parquet").iloc[0]
    with Image.open(folder / row["name"]) as image:
        image.point(lambda value: min(255, int(value * 1.1))).save(folder / row["label"] / "again.jpg", quality=90)
    printed = project.run("dvc", "repro", "preprocess")
    assert stages_run(printed) == ["ingest", "validate", "split", "preprocess"]
    later = splits_now()
    assert later.items() >= {sha256: split for sha256, split in first.items() if sha256 in later}.items()
    assert len(later) == 80 + 20 - 1 + 1
    assert set(tests) <= {sha256 for sha256, split in later.items() if split == "test"} | (set(tests) - set(later))
    (folder / row["label"] / "again.jpg").unlink()
    project.run("dvc", "repro", "preprocess")
    assert splits_now().items() <= later.items()


@pytest.mark.datasets
@pytest.mark.skipif("DARKROOM_DATASETS" not in os.environ, reason="DARKROOM_DATASETS names no folder of data sets")
@pytest.mark.parametrize("name", ["cifar10", pytest.param("fashion_mnist", marks=pytest.mark.thorough)])
def test_published_data_sets_run_by_changing_params_alone(project, tmp_path, name):
    datasets, home = Path(os.environ["DARKROOM_DATASETS"]), tmp_path / "keras"
    (home / "datasets").mkdir(parents=True)
    (home / "datasets" / "fashion-mnist").symlink_to(datasets / "fashion-mnist")
    of_data = {
        "cifar10": {
            "data.source": "archive",
            "data.path": str(datasets / "cifar10-images.zip"),
            "preprocess.size": [32, 32, 3],
        },
        "fashion_mnist": {"data.source": "keras", "data.path": "data/keras/fashion_mnist.md"},
    }[name]
    # Sixty thousand images in batches of four would be no small training.
    training = {"models": ["mlp"], "search.budget.trials": 0, "train.mlp.epochs": 1, "train.mlp.batch_size": 64}
    project.params(**{**SMALL, **of_data, **training, "train.mlp.learning_rate": 0.001}).git()
    printed = project.run("dvc", "repro", **({"KERAS_HOME": str(home)} if name == "fashion_mnist" else {}))
    assert "Traceback" not in printed
    described = json.loads((project.root / "data/prepared/dataset.json").read_text())
    assert described["counts"]["test"] == 10_000
    assert sum(described["counts"].values()) == {"cifar10": 60_000, "fashion_mnist": 70_000}[name]
    metrics = read_record(project.root / "reports/mlp/metrics.json")
    assert metrics["accuracy"] > {"cifar10": 0.15, "fashion_mnist": 0.6}[name]
    assert metrics["leaked_images"] < 600
