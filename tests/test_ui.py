"""MLflow's own pages on a store that the pipeline filled, in a headless browser. Slow; skipped where there is none."""

import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
from PIL import Image

from conftest import Project, environment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"),
]

FILL = """
import json
from pathlib import Path
from darkroom import registry, tracking
from darkroom.figures import confusion_matrix
import numpy as np
tracking.open_store()
with tracking.start_run("mlp search", "search", {"network": "mlp"}):
    for number in range(2):
        with tracking.start_trial(f"mlp trial {number}", {"network": "mlp"}, KeyError) as trial:
            trial.log_metrics({"best_val_loss": 0.5 - number / 10})
print(trial.run_id)
for accuracy in (0.875, 0.9375):
    with tracking.start_run("mlp", "train", {"network": "mlp"}) as run:
        run.log_params({"learning_rate": accuracy / 100})
        for epoch in range(3):
            run.log_epoch(epoch, {"val_loss": 1 / (epoch + 1), "val_accuracy": accuracy})
        run.log_metrics({"test_accuracy": accuracy, "test_macro_f1": accuracy - 0.01})
        confusion_matrix(np.eye(2, dtype=np.int64), "ab", "all right", "confusion_matrix.png")
        run.log_file("confusion_matrix.png", "evaluation")
        Path("network.keras").write_text("a network")
        Path("dataset.json").write_text("{}")
        run.log_model("network.keras", "dataset.json")
    version = registry.register("darkroom", run.run_id, {"promotion_reason": f"mlp {accuracy} wins"})
    registry.point("darkroom", "champion", version)
    print(run.run_id)
"""


TRIES = 12
"""How often a page is loaded: the browser may be done before a page has drawn what it asked the server for."""
DARKEST = (8, 48, 107)
"""The colour of a confusion matrix where all of a class are right."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A function that returns the text of one of MLflow's pages, one that returns its picture, and runs of the store.

    Somebody looks before there is anything; what is recorded later is seen all the same.
    """
    project = Project(tmp_path_factory.mktemp("ui") / "project")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    log = project.root / "ui.log"
    command = ["darkroom", "ui", "--port", str(port)]
    with log.open("w") as out:
        options = {"env": environment(), "stdout": out, "stderr": out, "start_new_session": True}
        server = subprocess.Popen(command, cwd=project.root, **options)
    runs: list[str] = []

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
        address = f"http://127.0.0.1:{port}/#{place}"
        return subprocess.run([*command, address], capture_output=True, text=True, timeout=120, check=True).stdout

    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.5)
        else:
            raise AssertionError(log.read_text())
        runs += re.findall(r"^[0-9a-f]{32}$", project.run(sys.executable, "-c", FILL), re.MULTILINE)
        # Everybody on this machine can read the arguments, and in the address of a store there may be a password.
        listed = subprocess.check_output(["ps", "-g", str(server.pid), "-o", "args="], text=True)
        assert "mlflow" in listed
        assert "sqlite" not in listed
        yield text, picture, runs
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


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
