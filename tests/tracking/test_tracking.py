"""Runs, registry and packaged model, with a real MLflow store in a temporary folder."""

import base64
import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from mlflow import MlflowClient, artifacts
from mlflow.exceptions import MlflowException
from optuna import TrialPruned
from PIL import Image

from darkroom import training
from darkroom.base import failures
from darkroom.base.errors import InputError, TrainingError
from darkroom.base.files import file_digest, read_json, write_json
from darkroom.base.processes import ProcessId
from darkroom.base.project import state_folder
from darkroom.data.formats import families, manifest
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.prepared import Prepared
from darkroom.inference import images
from darkroom.maintenance import needs
from darkroom.maintenance.runs import rows
from darkroom.networks import PARAMS, inference
from darkroom.params import DataParams, read_params
from darkroom.promotion import champions, history
from darkroom.promotion.leaks import Relations
from darkroom.promotion.predictions import missing_input
from darkroom.registry import packages, queries, turns, versions
from darkroom.serving import predict
from darkroom.tracking import opening, records, seen_images
from darkroom.tracking import store as tracking_store
from darkroom.tracking.address import local_store, tracking_uri
from darkroom.tracking.initial_network import initial_network
from darkroom.tracking.record import RunRecord
from darkroom.tracking.runs import Run, continue_run, restored_run, start_run, start_trial
from darkroom.tracking.store import MODEL, ORIGINAL, PROCESS, find_run, open_store
from pipeline import card, promote
from support.networks import build
from support.pictures import find, prepare, write_folder
from support.projects import ROOT, Project, edit_params, refusal

AUDIT = {"silent": "", "label_errors": 3, "two_labels": 2, "odd_ones": 1, "judged": 4}
"""What the label audit found, for the card."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with prepared images and an untrained network, packaged twice: plain, and predicting by chance."""
    root = tmp_path_factory.mktemp("project")
    patch = pytest.MonkeyPatch()
    patch.chdir(root)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (root / "dvc.yaml").touch()
    data = DataParams(source="folder", path=str(write_folder(root / "photographs", "ab", 30, size=(40, 30))))
    _, description = prepare(data, root)
    network = build("mnist_cnn", classes=2)
    network.save(root / "network.keras")
    open_store()
    with start_run("mnist_cnn", "train", {"network": "mnist_cnn"}) as run:
        run.log_dataset(description)
        packages.log_model(run, root / "network.keras", root / "prepared" / "dataset.json")
    yield root, network, RunRecord(run.run_id, 0.9, 0.1, 1, 1), data
    patch.undo()


@pytest.fixture
def project(made, monkeypatch):
    monkeypatch.chdir(made[0])
    open_store()
    return made


@pytest.fixture(scope="module")
def model(made):
    return opening.load_model(packaged(made[2]))


def packaged(record):
    """The address of the model of a run."""
    return find_run(record.run_id).data.tags[MODEL]


def vector(answers):
    return np.array([list(answer["probabilities"].values()) for answer in answers])


def test_the_packaged_model_answers_what_the_network_computes(project, model):
    root, network, *_ = project
    files = sorted((root / "photographs").rglob("*.png"))[:5]
    pixels = [images.to_pixels(images.decode(file.read_bytes()), (28, 28, 1), "bicubic", "stretch") for file in files]
    expected = inference.probabilities(network, np.stack(pixels))
    answers = model.predict([file.read_bytes() for file in files])
    np.testing.assert_allclose(vector(answers), expected, atol=1e-5)
    assert [answer["label"] for answer in answers] == ["ab"[number] for number in expected.argmax(axis=1)]


@pytest.mark.parametrize("address", ["file", "model", "missing model", "missing file"])
def test_weights_to_begin_with(project, address):
    root, network, record, _ = project
    name = {
        "file": "network.keras",
        "model": packaged(record),
        "missing model": "models:/m-0",
        "missing file": "nowhere.keras",
    }[address]
    values = PARAMS["mnist_cnn"](initial_weights=name)
    if address.startswith("missing"):
        with pytest.raises(InputError, match=name) as caught:
            initial_network("mnist_cnn", values)
        assert "\n" not in str(caught.value)
        return
    source = initial_network("mnist_cnn", values)
    description = Description.read(root / "prepared" / "dataset.json")
    begun = training.build_model("mnist_cnn", values, description, source)
    for one, other in zip(begun.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_weights_to_begin_with():
    assert initial_network("mnist_cnn", PARAMS["mnist_cnn"]()) is None


def test_every_form_of_the_same_image_gets_the_same_answer(project, model):
    file = project[0] / "photographs" / "a" / "000.png"
    content = file.read_bytes()
    text = base64.b64encode(content).decode()
    with Image.open(file) as opened:
        pixels = np.asarray(opened)
    expected = vector(model.predict([content]))
    forms = {
        "bytes": content,
        "base64": text,
        "base64 in lines": "\n".join(text[start : start + 76] for start in range(0, len(text), 76)),
        "list of base64": [text],
        "array": pixels,
        "list of arrays": [pixels],
        "channel": pixels[:, :, None],
        "batch": pixels[None, :, :, None],
        "numbers of JSON": pixels[:, :, None].tolist(),
        "int64": pixels.astype(np.int64),
        "data frame": pd.DataFrame({"image": [text]}),
        "mapping": {"image": [content]},
        "object array": np.array([content], dtype=object),
    }
    for name, form in forms.items():
        np.testing.assert_allclose(vector(model.predict(form)), expected, atol=1e-6, err_msg=name)


def test_a_batch_answers_as_each_image_alone(project, model):
    files = sorted((project[0] / "photographs").rglob("*.png"))[:40]
    contents = [file.read_bytes() for file in files]
    together = vector(model.predict(contents))
    alone = np.concatenate([vector(model.predict([content])) for content in contents])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_images_of_several_sizes_in_one_call(model):
    sizes = [np.full((9 + n, 20, 3), 50 * n, dtype=np.uint8) for n in range(3)]
    together = vector(model.predict(sizes))
    np.testing.assert_allclose(together, np.concatenate([vector(model.predict([one])) for one in sizes]), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "no image given"),
        (["no base64!"], "image 0: text that is not base64"),
        ([base64.b64encode(b"hello").decode()], "image 0: not an image"),
        ([np.zeros((4, 4)), np.zeros((4, 4))], "expected integers from 0 to 255"),
        ([[[0, 256], [0, 0]], [[0]]], "image 0: pixels from 0 to 256"),
        (np.zeros((4, 4, 5), dtype=np.uint8), "shape"),
        ([None], "expected an image file as bytes or base64 text, or uint8 pixels"),
        (pd.DataFrame({"x": [1]}), "columns x given"),
        ("/etc/passwd", "image 0: "),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(model, given, words):
    with pytest.raises(MlflowException, match=words) as caught:
        model.predict(given)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    # As MLflow's server does, which would send the request back with it.
    reason, caught.value.message = caught.value.message, "the whole request"
    assert caught.value.message == reason


def test_unsure_answers_are_marked_on_request(model):
    image = np.zeros((8, 8), dtype=np.uint8)
    assert "unsure" not in model.predict([image])[0]
    assert model.predict([image], params={"minimum_probability": 1.0})[0]["unsure"]
    assert not model.predict([image], params={"minimum_probability": 0.01})[0]["unsure"]


def test_two_versions_in_one_process_each_run_their_own_code(project, model):
    root = project[0]
    with start_run("mnist_cnn", "train", {}) as run:
        uri = packages.log_model(run, root / "network.keras", root / "prepared" / "dataset.json")
    model_id = uri.removeprefix("models:/")
    (code,) = (root / "mlartifacts").rglob(f"{model_id}/artifacts/artifacts/code/inference/images.py")
    # As if a later version of Darkroom saw every image upside down.
    flipped = "np.asarray(resized.transpose(Image.Transpose.FLIP_TOP_BOTTOM), "
    code.write_text(code.read_text().replace("np.asarray(resized, ", flipped))
    other = opening.load_model(uri)
    image = np.linspace(0, 255, 28 * 28).reshape(28, 28).astype(np.uint8)
    turned = np.flipud(image)
    for _ in range(2):
        np.testing.assert_allclose(vector(other.predict([image])), vector(model.predict([turned])), atol=1e-6)
        assert np.abs(vector(other.predict([image])) - vector(model.predict([image]))).max() > 1e-3


def test_the_package_holds_no_pickle(project):
    artifacts = list((project[0] / "mlartifacts").rglob("*"))
    assert any(path.name == "packaged_model.py" for path in artifacts)
    assert [path for path in artifacts if path.suffix in {".pkl", ".pickle", ".joblib", ".cloudpickle"}] == []


def test_predictions_of_files(project, model, tmp_path):
    good, bad = project[0] / "photographs" / "a" / "000.png", tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    answers = list(predict.predict_files(model, [good, bad, good], 0.99))
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert "not an image" in answers[1].error
    assert json.loads(predict.render(answers, "json"))[0]["image"] == str(good)
    table = pd.read_csv(io.StringIO(predict.render(answers, "csv")))
    assert table["unsure"].all()
    assert table["probability"].to_numpy() == pytest.approx(table[["p(a)", "p(b)"]].max(axis=1).to_numpy())
    assert len(predict.render(answers, "table").splitlines()) == 2


def test_a_failed_run_is_marked_failed(project):
    with (
        pytest.raises(TrainingError),
        start_run("lenet5", "train", {"network": "lenet5"}) as run,
    ):
        raise TrainingError("loss is nan")
    assert MlflowClient().get_run(run.run_id).info.status == "FAILED"


def test_a_pruned_trial_is_marked_killed(project):
    with start_run("lenet5 search", "search", {}) as parent:
        with pytest.raises(TrialPruned), start_trial("trial 0", {}, TrialPruned) as trial:
            raise TrialPruned
        with pytest.raises(ValueError, match="x"), start_trial("trial 1", {}, TrialPruned) as broken:
            raise ValueError("x")
    status = {run_id: MlflowClient().get_run(run_id).info.status for run_id in (trial.run_id, broken.run_id)}
    assert status == {trial.run_id: "KILLED", broken.run_id: "FAILED"}
    assert MlflowClient().get_run(trial.run_id).data.tags["mlflow.parentRunId"] == parent.run_id


def test_a_run_carries_its_lineage_and_its_data(project):
    run = MlflowClient().get_run(project[2].run_id)
    assert {"git_commit", "git_uncommitted_diff", "dvc_experiment", "stage", PROCESS} <= set(run.data.tags)
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "folder"
    assert len(dataset.dataset.digest) == 16


def test_a_run_that_the_store_lacks_is_named_with_the_remedy(project):
    unknown = RunRecord("123", 0, 0, 1, 1)
    words = r"run 123 of mlp is not in the tracking store .*; darkroom restore rebuilds it"
    with pytest.raises(InputError, match=words), continue_run(unknown, "mlp"):
        pass


def test_runs_lie_below_the_project(project):
    assert (project[0] / "mlflow.db").is_file()
    assert not (project[0] / "mlruns").exists()


class Registry:
    """Promotes runs of the packaged model with the validation and test accuracies that a test asks for."""

    def __init__(self, made, name, tmp_path):
        self.made, self.folder, self.name = made, tmp_path, name
        shipped = read_params(ROOT / "params.yaml")
        self.params = shipped.model_copy(
            update={
                "data": made[3],
                "models": ("mnist_cnn",),
                # Of ten test images, a difference is hardly ever more than chance.
                "promote": shipped.promote.model_copy(
                    update={"registered_model": name, "rule": "better", "significance": 1.0}
                ),
            }
        )
        self.test = pd.read_parquet(made[0] / "prepared" / "test" / "manifest.parquet")

    def train(self, right, seen=0):
        """A run of which so many test predictions are right, and which was trained on so many of the test images."""
        with start_run("mnist_cnn", "train", {"network": "mnist_cnn"}) as run:
            packages.log_model(run, self.made[0] / "network.keras", self.made[0] / "prepared" / "dataset.json")
            table = self.test[["sha256", "label"]].assign(predicted=self.test["label"])
            table.loc[right:, "predicted"] = "neither"
            table.to_csv(self.folder / "predictions.csv", index=False)
            run.log_file(self.folder / "predictions.csv", "evaluation")
            records.log_training_images(run, self.test[:seen])
            seen_images.log(run, self.test[:seen], self.test[:0])
        return RunRecord(run.run_id, 0.9, 0.1, 1, 1, 0, *run.origin()), right / len(self.test)

    def write(self, record, accuracy):
        folder = self.folder / "mnist_cnn"
        folder.mkdir(exist_ok=True)
        record.write(folder / "run.json")
        write_json(folder / "test.json", {"accuracy": accuracy, "images": len(self.test)})
        write_json(folder / "cost.json", {"latency_ms": 1.0, "size_mb": 2.0})

    def decide(self):
        prepared, reports = Prepared(self.made[0] / "prepared"), self.folder / "reports"
        return promote.decide(self.params, prepared, self.related(), self.folder, reports)

    def related(self):
        """Which images belong together: none."""
        prepared = Prepared(self.made[0] / "prepared")
        rows = pd.concat([prepared.manifest(name) for name in manifest.SPLITS])
        return Relations(rows, families.table([], np.array([], dtype=np.int64)))

    def promote(self, record, accuracy):
        self.write(record, accuracy)
        decision = self.decide()
        promote.carry_out(decision, self.params, Prepared(self.made[0] / "prepared"), self.folder)
        return decision

    def crown(self, record):
        """Make a run's model the champion by hand."""
        version = versions.register(self.name, record.run_id, {})
        champions.promote_version(self.name, version, "promote", "by hand")

    def alias(self, alias):
        name = self.params.promote.registered_model
        aliases = MlflowClient().get_registered_model(name).aliases
        return MlflowClient().get_model_version(name, aliases[alias]).run_id if alias in aliases else None


@pytest.fixture
def models(project, tmp_path, request):
    return Registry(project, request.node.name, tmp_path)


@pytest.mark.slow
def test_the_registry_obeys_the_decisions(models):
    first, better, worse = models.train(5), models.train(8), models.train(6)
    assert models.promote(*first).outcome == "promote"
    assert (models.alias("champion"), models.alias("challenger")) == (first[0].run_id, None)
    assert models.promote(*better).outcome == "promote"
    assert (models.alias("champion"), models.alias("challenger")) == (better[0].run_id, first[0].run_id)
    kept = models.promote(*worse)
    assert kept.outcome == "keep"
    assert kept.champion.test_accuracy == pytest.approx(better[1])
    assert (models.alias("champion"), models.alias("challenger")) == (better[0].run_id, worse[0].run_id)


def test_the_page_of_a_version_says_why_and_how_good_it_is(models):
    record, accuracy = models.train(5)
    told = {"test_accuracy": 0.5, "test_accuracy_low": 0.4, "test_accuracy_high": 0.6, "test_log_loss": 0.25}
    run = Run(record.run_id)
    run.log_metrics(told)
    run.tag({"diagnosis": "good fit"})
    decision = models.promote(record, accuracy)
    assert versions.champion(models.name).description == (
        f"{decision.reason}\n\nOn all test images: accuracy 0.5000 (95 % interval 0.4000 to 0.6000), "
        "log loss 0.2500. Diagnosis: good fit."
    )


def test_promotion_is_idempotent(models):
    record = models.train(5)
    models.promote(*record)
    name = models.params.promote.registered_model
    assert models.promote(*record).reason.endswith("is already the champion")
    assert len(MlflowClient().search_model_versions(f"name = '{name}'")) == 1
    assert models.alias("champion") == record[0].run_id


@pytest.mark.slow
def test_a_champion_without_saved_predictions_predicts_anew(models):
    models.crown(models.made[2])
    rival = models.train(len(models.test))
    decision = models.promote(*rival)
    model = opening.load_model(packaged(models.made[2]))
    content = {sample.name: sample for sample in find(models.made[3]).samples}
    answers = [model.predict([content[name].content()])[0]["label"] for name in models.test["name"]]
    assert decision.champion.test_accuracy == pytest.approx(np.mean(models.test["label"].to_numpy() == answers))


@pytest.mark.slow
def test_promotion_with_saved_predictions_needs_neither_tensorflow_nor_the_images(models, monkeypatch):
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    given = {"source": "folder", "path": "nowhere"}
    edit_params(Path("params.yaml"), {"data": given, "models": ["mnist_cnn"], "promote.registered_model": models.name})
    models.promote(*models.train(5))
    models.write(*models.train(len(models.test)))
    code = (
        "import sys; from pipeline.__main__ import run; run('promote', sys.argv[1:])\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib', 'scipy.stats', 'optuna', 'cv2'} & set(sys.modules)))"
    )
    related, divided = models.related(), models.folder / "divided"
    manifest.write(related.rows, divided / "manifest.parquet")
    families.write(related.families, divided / "families.parquet")
    places = (models.made[0] / "prepared", divided, models.folder, models.folder / "reports" / "promotion.json")
    command = [sys.executable, "-c", code, *map(str, places)]
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert printed[0].startswith("promote: mnist_cnn 1.0000 against the champion's")
    assert printed[1] == "[]"


def test_test_images_that_the_champion_was_trained_on_are_left_out(models):
    images = len(models.test)
    models.crown(models.train(5, seen=3)[0])
    decision = models.promote(*models.train(6))
    assert (decision.candidate.test_images, decision.champion.test_images) == (images - 3, images - 3)
    assert decision.candidate.test_accuracy == pytest.approx(3 / (images - 3))
    assert decision.evidence.left_out == 3
    words = "3 test images are left out, because a model has seen them or near-duplicates (champion 3, candidate 0)"
    assert words in decision.reason


def test_a_champion_that_was_trained_on_all_test_images_is_kept(models):
    first = models.train(1, seen=len(models.test))
    models.crown(first[0])
    decision = models.promote(*models.train(8))
    assert decision.outcome == "keep"
    assert "it or the candidate has seen all current test images, or near-duplicates of them" in decision.reason
    assert (decision.champion.test_accuracy, decision.champion.test_images) == (None, None)
    assert models.alias("champion") == first[0].run_id


def test_a_champion_that_cannot_be_loaded_is_kept_and_said_to_be(models):
    with start_run("mnist_cnn", "train", {"network": "mnist_cnn"}) as run:
        packages.log_model(run, models.made[0] / "network.keras", models.made[0] / "prepared" / "dataset.json")
        record = RunRecord(run.run_id, 0.9, 0.1, 1, 1, 0, *run.origin())
    models.crown(record)
    shutil.rmtree(url2pathname(urlsplit(versions.champion(models.name).source).path))
    decision = models.promote(*models.train(len(models.test)))
    assert decision.outcome == "keep"
    assert f"models:/{models.name}/1 cannot be loaded (" in decision.reason
    assert decision.reason.endswith("); run darkroom restore to restore it, or darkroom promote to replace it")
    # Nobody has measured it.
    assert decision.as_json()["champion"]["test_accuracy"] is None
    assert models.alias("champion") == record.run_id


@pytest.mark.slow
def test_the_page_of_a_model_holds_its_training_data_against_those_of_the_champion_before(models):
    def train(right, dark):
        record, accuracy = models.train(right)
        manifest = pd.read_parquet(models.made[0] / "prepared" / "train" / "manifest.parquet")
        manifest["pixel_mean"] -= dark
        records.log_training_images(Run(record.run_id), manifest)
        record = replace(record, tags={**record.tags, "data_digest": f"dark {dark}"})
        queries.annotate_run(record.run_id, {"data_digest": f"dark {dark}"})
        return record, accuracy

    def page(decision, withheld=None):
        prepared, report = models.made[0] / "prepared", models.folder / "reports"
        told = {**decision.as_json(withheld), **history.history(decision, models.name)}
        write_json(report / "promotion.json", told)
        write_json(report / "label_audit.json", AUDIT)
        places = (prepared, models.folder / "mnist_cnn", report, report / "promotion.json")
        card.main(models.params, "mnist_cnn", *places)
        return (report / card.NAME).read_text()

    assert "this is the first version" in page(models.promote(*train(4, 0)))
    record, accuracy = train(8, 90)
    decision = models.promote(record, accuracy)
    assert ">Would be promoted</strong>" in page(decision, withheld="only to look")
    assert "model_card.html" not in [file.path for file in MlflowClient().list_artifacts(record.run_id)]
    first = page(decision)
    assert ">Promoted</strong>" in first
    assert "3 likely label errors, 2 images with a near-duplicate of another label, 1 unlike their class" in first
    assert "Drift: brightness." in first
    assert "version 1" in first
    # Decided once more, it is already the champion, and its page stays what it was.
    again = page(models.promote(record, accuracy))
    drift = re.compile("<h3>Training data drift.*?<h2", re.DOTALL)
    assert drift.findall(again) == drift.findall(first) != []
    assert re.search(
        r">Champion</strong>: mnist_cnn is already the champion, since 20.*: mnist_cnn 0\.\d+ against", again
    )


@pytest.mark.slow
def test_a_network_that_is_not_the_candidate_says_so_on_its_page(models):
    before, rival = models.train(5), models.train(8)
    told = [models.promote(*before), models.promote(*rival)]
    folder, report, promotion = models.folder / "mnist_cnn", models.folder / "reports", models.folder / "promotion.json"

    def page(decision, record):
        write_json(models.folder / "label_audit.json", AUDIT)
        write_json(promotion, {**decision.as_json(), **history.history(decision, models.name)})
        models.write(record, 0.5)
        card.main(models.params, "mnist_cnn", models.made[0] / "prepared", folder, report, promotion)
        return (report / card.NAME).read_text()

    (candidate, _), (other, _) = rival, before
    assert f"<title>mnist_cnn, {models.name} version 2</title>" in page(told[1], candidate)
    assert "model_card.html" in [file.path for file in MlflowClient().list_artifacts(candidate.run_id)]
    # The previous champion, which the candidate has replaced.
    text = page(told[1], other)
    assert f"<title>mnist_cnn, {models.name} version 1</title>" in text
    assert (
        ">Not the candidate of this run</strong>: mnist_cnn is the candidate, and this model was the previous champion"
        in text
    )
    assert "this model is the previous champion" in text
    assert "model_card.html" not in [file.path for file in MlflowClient().list_artifacts(other.run_id)]
    # Never registered, and nothing was decided about it.
    third, _ = models.train(3)
    assert f"<title>mnist_cnn, run {third.run_id[:8]}</title>" in (text := page(told[1], third))
    assert "and the decision does not concern this model" in text
    assert "and this model is the champion" in page(replace(told[1], outcome="keep"), other)


@pytest.mark.parametrize("told", [{}, {"outcome": "keep", "reason": "it is no better"}])
def test_the_page_wants_a_whole_decision(models, told):
    write_json(models.folder / "promotion.json", told)
    with pytest.raises(InputError, match=r"promotion.json has no \w+; .* dvc repro --force --single-item promote"):
        card.main(models.params, "mnist_cnn", *[models.folder] * 3, models.folder / "promotion.json")


def test_a_candidate_without_predictions_is_told_how_to_get_them(models):
    models.promote(*models.train(5))
    with start_run("mnist_cnn", "train", {"network": "mnist_cnn"}) as run:
        record = RunRecord(run.run_id, 0.9, 0.1, 1, 1, 0, *run.origin())
    with pytest.raises(InputError, match="evaluate@mnist_cnn computes new ones"):
        models.promote(record, 0.9)
    # What a retraining makes, to decide once more.
    assert missing_input().read_text().endswith("reports/mnist_cnn/predictions.csv")


def test_the_file_of_predictions_is_used_if_it_is_the_one_that_test_json_names(models):
    """In a fresh store, a run that DVC's cache restored has no predictions; the file of its evaluation has them."""
    models.promote(*models.train(5))
    with start_run("mnist_cnn", "train", {"network": "mnist_cnn"}) as run:
        record = RunRecord(run.run_id, 0.9, 0.1, 1, 1, 0, *run.origin())
    file = models.folder / "reports" / "mnist_cnn" / "predictions.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    models.test[["sha256", "label"]].assign(predicted=models.test["label"]).to_csv(file, index=False)
    models.write(record, 1.0)
    summary = models.folder / "mnist_cnn" / "test.json"
    named = {**read_json(summary), "predictions": file_digest(file)}
    write_json(summary, named)
    assert models.decide().candidate.test_accuracy == 1.0
    write_json(summary, {**named, "predictions": "another"})
    with pytest.raises(InputError, match="has no predictions on the current test images"):
        models.decide()
    file.unlink()


def test_images_that_are_not_here_any_more_are_named_and_nothing_is_promoted(models):
    models.crown(models.made[2])
    rival = models.train(len(models.test))
    given = models.params.data.model_copy(update={"path": "away"})
    models.params = models.params.model_copy(update={"data": given})
    with pytest.raises(InputError, match=r"such as .*, are not in away; run dvc pull away"):
        models.promote(*rival)
    # What a retraining pulls, to decide once more.
    assert missing_input().read_text() == "away"
    assert models.alias("champion") == models.made[2].run_id
    assert [version.version for version in versions.versions(models.name)] == [1]


@pytest.mark.slow
def test_a_class_that_the_champion_does_not_know_is_named(models):
    models.promote(*models.train(5))
    name = models.params.promote.registered_model
    MlflowClient().set_model_version_tag(name, "1", "labels", '["a"]')
    decision = models.promote(*models.train(8))
    new = models.test["label"].to_numpy() == "b"
    recall = float((np.flatnonzero(new) < 8).mean())
    assert (
        f"b is new, the champion does not know it: recall {recall:.4f}, not part of the comparison" in decision.reason
    )
    assert decision.champion.test_images == (~new).sum()
    assert decision.evidence.new_classes == {"b": pytest.approx(recall)}


@pytest.mark.slow
def test_test_images_that_have_decided_often_are_said_to_be_worn(models, monkeypatch):
    monkeypatch.setattr(promote, "OVERUSED", 2)
    assert "these test images have been used" not in models.promote(*models.train(3)).reason
    assert "these test images have been used" not in models.promote(*models.train(4)).reason
    assert "these test images have been used" not in models.promote(*models.train(4)).reason
    assert "these test images have been used for about 2 decisions" in models.promote(*models.train(4)).reason


@pytest.mark.slow
def test_of_two_promotions_at_once_the_better_model_wins(models, tmp_path):
    models.promote(*models.train(3))
    rivals = []
    for right in (5, 8):
        folder = tmp_path / str(right)
        folder.mkdir()
        rival = Registry(models.made, models.name, folder)
        rivals.append((rival, *rival.train(right)))
    decided = threading.Barrier(2)

    def promote_in_turn(rival, record, accuracy):
        rival.write(record, accuracy)
        decided.wait()
        with turns.promotion_lock(models.name):
            decision = rival.decide()
            time.sleep(0.5)
            promote.carry_out(decision, rival.params, Prepared(rival.made[0] / "prepared"), rival.folder)

    threads = [threading.Thread(target=promote_in_turn, args=rival) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert models.alias("champion") == rivals[1][1].run_id


TAKE_OVER = """
import sys, time
from pathlib import Path
from darkroom.registry import turns
from darkroom.tracking.store import open_store
open_store()
looked = turns._is_stale

def slowly(guard):
    # As a server under load may be: what was seen is no longer so when it is acted upon.
    found = looked(guard)
    if found:
        time.sleep(float(sys.argv[1]))
    return found

turns._is_stale = slowly
Path(sys.argv[2]).touch()
while not Path("go").exists():
    time.sleep(0.01)
with turns.promotion_lock("digits"), Path("log").open("a") as log:
    print("in", file=log, flush=True)
    time.sleep(4)
    print("out", file=log, flush=True)
"""


@pytest.mark.slow
def test_of_two_that_find_a_dead_promotion_one_takes_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'shared.db'}")
    open_store()
    gone = subprocess.Popen(["sleep", "60"])
    MlflowClient().create_registered_model("digits.promotion", {"process": str(ProcessId.of(gone.pid))})
    gone.kill()
    gone.wait()
    waiting = [
        subprocess.Popen([sys.executable, "-c", TAKE_OVER, seconds, f"ready{seconds}"]) for seconds in ("0.2", "1.5")
    ]
    while not all(Path(f"ready{seconds}").exists() for seconds in ("0.2", "1.5")):
        assert all(process.poll() is None for process in waiting)
        time.sleep(0.05)
    Path("go").touch()
    assert [process.wait(60) for process in waiting] == [0, 0]
    assert Path("log").read_text().split() == ["in", "out", "in", "out"]
    with pytest.raises(MlflowException, match="not found"):
        MlflowClient().get_registered_model("digits.promotion")


def test_a_server_that_stops_answering_is_one_line_and_no_lack_of_files(models, monkeypatch, capsys):
    record, _ = models.train(5, seen=3)
    assert len(versions.training_images(record.run_id)) == 3
    assert versions.training_sample(models.made[2].run_id) is None
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(address)
        try:
            with pytest.raises(MlflowException) as raised:
                versions.training_images(record.run_id)
            assert failures.tell("promote", raised.value) == 2
            line = rf"promote: the MLflow server {address} has stopped answering, .* the same command again.*\n"
            assert re.fullmatch(line, capsys.readouterr().err.splitlines(keepends=True)[-1])
        finally:
            mlflow.set_tracking_uri(before)


@pytest.mark.slow
def test_an_interrupted_promotion_is_finished_by_the_next(models, monkeypatch):
    first, better = models.train(5), models.train(8)
    models.promote(*first)

    def killed(*arguments):
        raise KeyboardInterrupt

    for owner, step in ((promote, "register"), (versions, "set_alias")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, killed)
            with pytest.raises(KeyboardInterrupt):
                models.promote(*better)
        assert models.alias("champion") == first[0].run_id
    assert models.promote(*better).outcome == "promote"
    assert (models.alias("champion"), models.alias("challenger")) == (better[0].run_id, first[0].run_id)


def test_a_version_leads_to_commit_data_lock_and_run(models):
    record = models.train(5)
    models.promote(*record)
    version = versions.champion(models.name)
    assert versions.run_of(version) == record[0].run_id
    assert {"git_commit", "git_uncommitted_diff", "dvc_experiment", "dvc_lock", "promotion_reason"} <= set(version.tags)


def test_of_several_versions_of_a_run_the_aliased_or_else_the_newest_is_listed(models):
    record, _ = models.train(5)
    first = versions.register(models.name, record.run_id, {})
    client = MlflowClient()
    second = client.create_model_version(models.name, first.source, record.run_id, model_id=first.model_id)

    def listed():
        return next(row["version"] for row in rows(models.name) if row["run"] == record.run_id)

    assert listed() == int(second.version)
    versions.set_alias(models.name, "champion", first)
    assert listed() == int(first.version)
    assert next(row["alias"] for row in rows(models.name) if row["run"] == record.run_id) == "champion"


def test_a_restored_run_is_found_by_its_first_id(models):
    models.train(5)
    lost = "a" * 32
    assert find_run(lost) is None
    with restored_run("mnist_cnn", 1_700_000_000_000, {"network": "mnist_cnn", ORIGINAL: lost}) as run:
        packages.log_model(run, models.made[0] / "network.keras", models.made[0] / "prepared" / "dataset.json")
    found = find_run(lost)
    assert (found.info.run_id, found.info.start_time) == (run.run_id, 1_700_000_000_000)
    version = versions.register(models.name, lost, {})
    assert versions.run_of(version) == lost
    with continue_run(RunRecord(lost, 0, 0, 1, 1), "mnist_cnn") as continued:
        assert continued.run_id == run.run_id
    queries.annotate_run(lost, {"dvc_lock": "first"}, keep=True)
    queries.annotate_run(lost, {"dvc_lock": "second"}, keep=True)
    assert find_run(lost).data.tags["dvc_lock"] == "first"


def test_what_a_dead_process_left_open_is_closed_and_nothing_else(project):
    with start_run("mlp", "train", {}) as living:
        client = MlflowClient()
        gone = subprocess.Popen(["sleep", "60"])
        identities = {"dead": str(ProcessId.of(gone.pid)), "elsewhere": "otherhost x y 1 2", "unknown": ""}
        gone.kill()
        gone.wait()
        experiment = client.get_experiment_by_name("darkroom").experiment_id
        runs = {name: client.create_run(experiment, tags={PROCESS: of}).info.run_id for name, of in identities.items()}
        open_store()
        status = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
        assert status == {"dead": "FAILED", "elsewhere": "RUNNING", "unknown": "RUNNING"}
        assert client.get_run(living.run_id).info.status == "RUNNING"
    # Continued after all, it is a run like any other.
    with continue_run(RunRecord(runs["dead"], 0, 0, 1, 1), "mlp"):
        pass
    continued = client.get_run(runs["dead"])
    assert continued.info.status == "FINISHED"
    assert "ended" not in continued.data.tags


def test_a_moved_or_copied_folder_reads_its_own_files(made, tmp_path, monkeypatch):
    root, _, record, _ = made
    copy = tmp_path / "copy with a space"
    shutil.copytree(root, copy)
    monkeypatch.chdir(copy)
    open_store()
    model_id = packaged(record).removeprefix("models:/")
    assert MlflowClient().get_logged_model(model_id).artifact_location.startswith(copy.as_uri())
    (original,) = (root / "mlartifacts").rglob(f"{model_id}/artifacts/artifacts/network.keras")
    hidden = original.rename(original.with_suffix(".hidden"))
    try:
        assert opening.load_model(packaged(record)).predict([np.zeros((8, 8), dtype=np.uint8)])
        with start_run("mlp", "train", {}) as run:
            run.log_json({}, "new.json")
        assert list((copy / "mlartifacts" / run.run_id).rglob("new.json"))
        with closing(sqlite3.connect(copy / "mlflow.db")) as store:
            columns = [
                row[0] for row in store.execute("SELECT artifact_uri FROM runs UNION SELECT source FROM model_versions")
            ]
        assert all(place.startswith(copy.as_uri()) for place in columns)
    finally:
        hidden.rename(original)
        monkeypatch.chdir(root)
        open_store()


def test_a_store_that_mlflow_itself_created(tmp_path, monkeypatch):
    """As its server does when somebody looks at an empty project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    assert MlflowClient(tracking_uri()).get_experiment_by_name("darkroom") is None
    assert local_store().is_file()
    open_store()
    with start_run("mlp", "train", {}) as run:
        run.log_json({"a": 1}, "kept.json")
    # The second opening looks whether the folder was moved.
    open_store()
    assert artifacts.load_dict(f"{MlflowClient().get_run(run.run_id).info.artifact_uri}/kept.json") == {"a": 1}


def test_an_experiment_that_somebody_created_keeps_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    place = (tmp_path / "own place").as_uri()
    MlflowClient(tracking_uri()).create_experiment("darkroom", artifact_location=place)
    for _ in range(2):
        open_store()
        assert MlflowClient().get_experiment_by_name("darkroom").artifact_location == place


def test_a_store_of_another_mlflow_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    open_store()
    with closing(sqlite3.connect("mlflow.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    # In a process of its own: MLflow looks at the schema once.
    line = refusal(Project.at(tmp_path), "runs")
    assert "written by another version of MLflow" in line
    assert "back it up and run mlflow db upgrade" in line


@pytest.mark.slow
def test_a_store_that_another_process_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking_store, "LOCKED_FOR", 0.1)
    with (
        FileLock(state_folder() / "store.lock"),
        pytest.raises(InputError, match=r"has been creating the tracking store .*\.darkroom/store\.lock"),
    ):
        open_store()


def test_a_champion_whose_files_are_gone(models):
    models.promote(*models.train(5))
    version = versions.champion(models.name)
    shutil.rmtree(url2pathname(urlsplit(version.source).path))
    with pytest.raises(InputError, match=r"cannot be loaded .*; run dvc repro .* darkroom restore"):
        opening.load_model(f"models:/{models.name}@champion")


def trained_on(models, right, train, validation=None, initial=None):
    """A run that was trained on the images of these manifests."""
    record, accuracy = models.train(right)
    nothing = models.test[:0]
    seen_images.log(Run(record.run_id), train, nothing if validation is None else validation, initial)
    return record, accuracy


@pytest.mark.slow
def test_test_images_that_the_candidate_has_learnt_are_left_out_for_both(models):
    """Six of the champion's mistakes are copied into training: the candidate has them right, and nothing else."""
    models.promote(*models.train(5))
    wrong = models.test[5:11]
    decision = models.promote(*trained_on(models, 11, wrong))
    assert decision.outcome == "keep"
    assert decision.evidence.left_out == 6
    assert (decision.candidate.test_images, decision.champion.test_images) == (len(models.test) - 6,) * 2
    assert "+0 correct" in decision.reason
    words = "6 test images are left out, because a model has seen them or near-duplicates (champion 0, candidate 6)"
    assert words in decision.reason


@pytest.mark.slow
def test_validation_images_and_those_of_initial_weights_are_left_out(models):
    nothing = models.test[:0]
    before, _ = trained_on(models, 10, models.test[:2], models.test[2:3])
    champion, _ = trained_on(models, 10, nothing, models.test[3:4], seen_images.read(before.run_id))
    models.crown(champion)
    assert models.promote(*models.train(12)).evidence.left_out == 4
    unknown, _ = trained_on(models, 10, nothing, initial=seen_images.of_initial_weights("weights.keras"))
    words = (
        "not known whether the candidate has seen test images through the images of its initial weights, weights.keras"
    )
    models.write(unknown, 0.5)
    assert words in models.decide().reason
    assert seen_images.of_initial_weights(None) is None
    assert "imagenet" in seen_images.of_initial_weights("imagenet").unknown


def test_the_images_of_a_packaged_model_as_initial_weights(models):
    record, _ = trained_on(models, 10, models.test[:2])
    found = seen_images.of_initial_weights(packaged(record))
    assert found.training_files == set(models.test["sha256"][:2].str[:16])
    assert found.training_pictures == set(models.test["picture"][:2].str[:16])


def test_a_run_of_an_earlier_version_has_files_alone(models):
    with start_run("mnist_cnn", "train", {"network": "mnist_cnn"}) as run:
        records.log_training_images(run, models.test[:3])
    found = seen_images.read(run.run_id)
    assert found.training_files == set(models.test["sha256"][:3].str[:16])
    assert found.training_pictures == frozenset()
    assert found.unknown == "its validation images"
    assert seen_images.read("unknown").unknown == "the images of run unknown"


@pytest.mark.slow
def test_a_decision_by_not_worse_is_compared_with_the_champions_before(models):
    rules = {"rule": "not_worse", "margin": 0.6, "maximum_recall_loss": None}
    models.params = models.params.model_copy(update={"promote": models.params.promote.model_copy(update=rules)})
    last = len(models.test)
    runs = [models.train(right) for right in (last, last - 1, last - 2)]
    for number, run in enumerate(runs):
        decision = models.promote(*run)
        assert decision.outcome == "promote"
        assert decision.evidence.anchors == tuple(map(str, range(number - 1, 0, -1)))
    assert decision.evidence.attempt == 2
    assert [record.rule for record in champions.promotion_records(versions.champion(models.name))] == ["not_worse"]
    kept = {version.version for version, why in needs.aliased() if version.name == models.name}
    assert kept == {3, 2, 1}
    # Version 1 is lost.
    MlflowClient().delete_model_version(models.name, "1")
    decision = models.promote(*models.train(last - 2))
    assert decision.outcome == "keep"
    assert "version 1, an earlier champion, cannot be compared (it was deleted)" in decision.reason
    # By hand, a new life begins.
    champions.promote(models.name, "2", "it is the best one")
    assert models.promote(*models.train(last - 3)).evidence.anchors == ()


@pytest.mark.slow
def test_a_dry_run_is_a_look(models):
    models.promote(*models.train(5))
    models.write(*models.train(6))
    assert models.decide().evidence.look == 1
    assert models.decide().evidence.look == 1
    assert [version.version for version in versions.versions(models.name)] == [1]
    assert models.promote(*models.train(7)).evidence.look == 2


def test_a_class_that_waits_is_accepted_by_a_person(models):
    models.promote(*models.train(5))
    record, _ = models.train(8)
    version = versions.register(models.name, record.run_id, {"waits_for": '["a", "b c"]', "promotion_rule": "better"})
    versions.set_alias(models.name, "challenger", version)
    words = r'may have lost a, b c, .* darkroom promote 2 --accept "a" --accept "b c" --reason REASON'
    for accepted in ((), ("a",)):
        with pytest.raises(InputError, match=words):
            champions.promote(models.name, "challenger", "looked at", accepted)
    assert models.alias("champion") != record.run_id
    champions.promote(models.name, "challenger", "looked at", ("b c", "a"))
    assert models.alias("champion") == record.run_id
    latest = champions.promotion_records(versions.champion(models.name))[-1]
    assert (latest.how, latest.rule, latest.why) == ("accept", "better", "looked at")
    with pytest.raises(InputError, match="waits for no class to be accepted; leave out --accept"):
        champions.promote(models.name, "1", "another", ("a",))
