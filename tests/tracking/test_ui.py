"""MLflow's own pages on a store that the pipeline filled, in a headless browser where there is one. Slow."""

import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from support.projects import Project, environment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.slow
FILL = """
import json
from pathlib import Path
from darkroom.base import environment
environment.prepare()
from darkroom.evaluation.figures import confusion_matrix
from darkroom.registry import packages, versions
from darkroom.tracking.runs import start_run, start_trial
from darkroom.tracking.store import open_store
import numpy as np
open_store()
with start_run("mlp search", "search", {"network": "mlp"}):
    for number in range(2):
        with start_trial(f"mlp trial {number}", {"network": "mlp"}, KeyError) as trial:
            trial.log_metrics({"best_val_loss": 0.5 - number / 10})
print(trial.run_id)
for accuracy in (0.875, 0.9375):
    with start_run("mlp", "train", {"network": "mlp"}) as run:
        run.log_params({"learning_rate": accuracy / 100})
        for epoch in range(3):
            run.log_epoch(epoch, {"val_loss": 1 / (epoch + 1), "val_accuracy": accuracy})
        run.log_metrics({"test_accuracy": accuracy, "test_macro_f1": accuracy - 0.01})
        confusion_matrix(np.eye(2, dtype=np.int64), "ab", "all right", "confusion_matrix.png")
        run.log_file("confusion_matrix.png", "evaluation")
        Path("network.keras").write_text("a network")
        Path("dataset.json").write_text("{}")
        packages.log_model(run, "network.keras", "dataset.json")
    version = versions.register("darkroom", run.run_id, {"promotion_reason": f"mlp {accuracy} wins"})
    versions.set_alias("darkroom", "champion", version)
    print(run.run_id)
"""
TRIES = 12
"""How often a page is loaded: the browser may be done before a page has drawn what it asked the server for."""
DARKEST = (8, 48, 107)
"""The colour of a confusion matrix where all of a class are right."""


@dataclass(frozen=True)
class Ui:
    """The UI of a store with one search and two training runs."""

    port: int
    processes: list
    """The arguments of each of the server's processes."""
    runs: list
    """A trial, then the training runs."""
    place: str
    """The page that the command names."""
    printed: str


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    """Somebody looks before there is anything; what is recorded later is seen all the same."""
    project = Project(tmp_path_factory.mktemp("ui") / "project")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    log = project.root / "ui.log"
    command = ["darkroom", "ui", "--port", str(port)]
    with log.open("w") as out:
        options = {"env": environment(), "stdout": out, "stderr": out, "start_new_session": True}
        server = subprocess.Popen(command, cwd=project.root, **options)
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.5)
        else:
            raise AssertionError(log.read_text())
        (address,) = re.findall(r"the training runs, in some seconds: (.*)", log.read_text())
        site, _, place = address.partition("#")
        assert site == f"http://127.0.0.1:{port}/"
        runs = re.findall(r"^[0-9a-f]{32}$", project.run("python", "-c", FILL), re.MULTILINE)
        listed = subprocess.check_output(["ps", "-ww", "-g", str(server.pid), "-o", "args="], text=True)
        yield Ui(port, listed.splitlines(), runs, place, log.read_text())
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@pytest.fixture(scope="module")
def pages(ui, tmp_path_factory):
    """A function that returns the text of one of MLflow's pages, one that returns its picture, and the runs."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")

    def text(place, expected):
        """Return a page's text, once it holds what is expected."""
        for _ in range(TRIES):
            found = " ".join(once(place).split())
            if expected in found:
                break
        return found

    def once(place):
        return html.unescape(re.sub(r"<[^>]+>", " ", browse(place, "--dump-dom")))

    def picture(place):
        file = tmp_path_factory.mktemp("picture") / "page.png"
        browse(place, f"--screenshot={file}")
        return np.asarray(Image.open(file).convert("RGB"))

    def browse(place, how):
        profile = tmp_path_factory.mktemp("profile")
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
        quiet = ("--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}")
        command = [CHROMIUM, *options, *quiet, "--virtual-time-budget=20000", "--window-size=1600,1200", how]
        address = f"http://127.0.0.1:{ui.port}/#{place}"
        return subprocess.run([*command, address], capture_output=True, text=True, timeout=120, check=True).stdout

    return text, picture, ui.runs


def asked(ui, method, **values):
    """What the server answers to a request of its API."""
    body = json.dumps(values).encode()
    address = f"http://127.0.0.1:{ui.port}/api/2.0/mlflow/{method}"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_the_server_is_two_processes_without_the_store_in_their_arguments(ui):
    # One waits for the other. Job runners would be ten more.
    assert len(ui.processes) == 2
    assert all("mlflow" in arguments for arguments in ui.processes)
    # Everybody on this machine can read the arguments, and in the address of a store there may be a password.
    assert not any("sqlite" in arguments for arguments in ui.processes)


def test_the_address_of_the_training_runs_is_the_only_one_printed(ui):
    assert ui.printed.count("http://127.0.0.1") == 1
    assert "Warning" not in ui.printed


def test_the_view_that_the_command_names_has_the_training_runs_and_their_test_accuracy(ui):
    experiment, key = re.fullmatch(r"/experiments/(\d+)/runs\?viewStateShareKey=(.*)", ui.place).groups()
    address = f"http://127.0.0.1:{ui.port}/api/2.0/mlflow/experiments/get?experiment_id={experiment}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        tags = {tag["key"]: tag["value"] for tag in json.load(answer)["experiment"]["tags"]}
    envelope = json.loads(tags[f"mlflow.sharedViewState.{key}"])
    # What the pages demand of it.
    assert isinstance(envelope["name"], str)
    assert isinstance(envelope["createdAt"], int)
    state = json.loads(envelope["state"])
    order = [f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"]
    search = {"experiment_ids": [experiment], "filter": state["searchFilter"], "order_by": order}
    found = asked(ui, "runs/search", **search)["runs"]
    assert {run["info"]["run_id"] for run in found} == set(ui.runs[1:])
    assert "metrics.`test_accuracy`" in state["selectedColumns"]
    assert all("test_accuracy" in {metric["key"] for metric in run["data"]["metrics"]} for run in found)


def test_the_page_that_the_command_names_shows_the_training_runs_and_their_test_accuracy(ui, pages):
    shown = pages[0](ui.place, "2 matching runs")
    assert "2 matching runs" in shown
    assert "mlp search" not in shown
    assert "test_accuracy" in shown
    assert "0.875" in shown


def test_runs_are_listed_with_their_trials_below_them(pages):
    text, _, (trial, *_) = pages
    shown = text("/experiments/1/runs?compareRunsMode=TABLE", "5 matching runs")
    assert "mlp search" in shown
    assert "5 matching runs" in shown
    # Folded away, with their search as what they belong to.
    assert "mlp trial" not in shown
    shown = text(f"/experiments/1/runs/{trial}", "Parent run")
    assert "mlp trial 1" in shown
    assert "Parent run mlp search" in shown


def test_runs_are_compared_by_their_test_metrics(pages):
    text, _, (_, *runs) = pages
    query = urllib.parse.urlencode({"runs": json.dumps(runs), "experiments": '["1"]'}, quote_via=urllib.parse.quote)
    shown = text(f"/compare-runs?{query}", "test_accuracy")
    assert "Comparing 2 Runs" in shown
    assert "test_accuracy" in shown
    assert "0.875 0.938" in shown
    assert "mlflow.darkroom.process" not in shown


def test_a_run_has_curves_and_a_confusion_matrix(pages):
    text, picture, (_, run, _) = pages
    # The legend and the axis stand there once a curve is drawn.
    shown = text(f"/experiments/1/runs/{run}/model-metrics", "(val_loss)")
    assert "(val_loss)" in shown
    assert "Step" in shown
    name = "evaluation/confusion_matrix.png"
    place = f"/experiments/1/runs/{run}/artifacts/{name}"
    assert name in text(place, name)
    # All of both classes are right: two fields of the darkest blue, which nothing else in the page has.
    assert any((picture(place) == DARKEST).all(axis=-1).sum() > 2 * 100 * 100 for _ in range(TRIES))


def test_the_registry_names_the_champion_and_says_why(pages):
    shown = pages[0]("/models/darkroom", "@ champion")
    assert "Version 2" in shown
    assert "@ champion" in shown
    assert "mlp 0.9375 wins" in shown
