"""What a user types, and what bad input gets: one line, exit code 2, before DVC starts."""

import base64
import inspect
import json
import os
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from darkroom.base.files import write_json
from darkroom.cli import main
from darkroom.data.validation import rules
from darkroom.params import DataParams
from support.answers import answering
from support.pictures import ingested, write_folder
from support.projects import ROOT

HEAVY = {"tensorflow", "keras", "mlflow", "optuna", "great_expectations", "albumentations"}


def refused(capsys, *arguments):
    """The one line with which a command is refused."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


@pytest.fixture
def photographs(project):
    write_folder(project.root / "data" / "raw", "ab", 30)
    smaller = {f"train__{network}__batch_size": 32 for network in ("mlp", "lenet5", "mnist_cnn")}
    return project.params(data__source="folder", data__path="data/raw", **smaller)


def test_the_default_project_is_in_order(project, capsys):
    assert main(["check"]) == 0
    power = (
        "promotion: with 360 independent test images, a gain of 3.4 points is found in 80 % of cases (level 0.025, the "
        "models disagree on 5.0 % of the images)"
    )
    valid = "params.yaml and data are valid: 1797 images in 10 classes"
    rest = ["splits: none given; assigned by preprocess.split", power]
    rest += ["git: there is no git repository, so runs record no commit", "no promotion yet"]
    first, classes, *lines = capsys.readouterr().out.splitlines()
    assert (first, lines) == (valid, rest)
    assert classes.startswith("classes: 0 (178), 1 (182), ")
    assert main(["check"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{valid} (unchanged since the last check)", classes, *lines]


def test_a_folder_is_read_again_when_it_changed(photographs, capsys):
    assert main(["check", "--inputs"]) == 0
    assert main(["check", "--inputs"]) == 0
    first, again = (lines.splitlines() for lines in capsys.readouterr().out.split("params.yaml and data are valid")[1:])
    assert again[0].endswith("(unchanged since the last check)")
    precision = (
        "advice: with 12 independent test images, an accuracy of 0.9 is known to ± 17 points, one of 0.5 to ± 28"
    )
    assert first[1:] == again[1:]
    assert first[1:3] == ["classes: a (30), b (30)", "splits: none given; assigned by preprocess.split"]
    assert f"{precision}; more images make it more precise" in first
    (photographs.root / "data/raw/a/000.png").write_bytes(b"no picture")
    assert main(["check", "--inputs"]) == 0
    told = capsys.readouterr().out
    assert "59 images in 2 classes\n" in told
    assert "left out: 1 of 60 files: 1 (a/000.png): " in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train.lenet5.learning_rat": 1}, "train.lenet5.learning_rat: unknown key; did you mean learning_rate?"),
        ({"train.lenet5.epochs": "many"}, "train.lenet5.epochs: 'many' given; it should be a valid integer"),
        ({"train.lenet5.learning_rate": -1}, "train.lenet5.learning_rate: -1 given; it should be greater than 0"),
        (
            {"models": ["resnet18"]},
            "models[0]: 'resnet18' given; it should name a file in networks/; did you mean 'resnet",
        ),
        ({"preprocess.size": [20, 20, 1]}, "preprocess.size 20×20 is too small for lenet5, which needs at least 28×28"),
        ({"data.source": "folder", "data.path": "data/nowhere"}, "data.path: data/nowhere does not exist"),
        ({"train.mlp.batch_size": 2000}, "train.mlp.batch_size: 2000 exceeds the 1079 training"),
        ({"train.mlp.output": "sigmoid"}, "train.mlp.output: sigmoid supports two classes, the data has"),
        ({"train.mlp.initial_weights": "nowhere.keras"}, "train.mlp.initial_weights: nowhere.keras does not exist"),
        ({"train.mlp.trainable": "head"}, "train.mlp: trainable: head requires initial_weights"),
        ({"train.mlp.initial_weights": "imagenet"}, "initial_weights: imagenet is not published for this network"),
        ({"data.source": "folder"}, "data.path: data/digits holds no image; expected at least two folders"),
    ],
)
def test_what_check_refuses(project, capsys, changes, words):
    project.params(**changes)
    line = refused(capsys, "check")
    assert words in line
    assert line.startswith("darkroom check: ")


def test_a_class_without_a_split(photographs, capsys):
    write_folder(Path("data/raw"), "c", 2)
    assert "2 of 62 images have 2 (c); each class needs 20 images" in refused(capsys, "check")
    photographs.params(validate__minimum_images_per_class=1, validate__maximum_class_ratio=100.0)
    assert "class 'c' (2 images) has no validation image; add images to it" in refused(capsys, "check")


def test_check_tells_what_is_wrong_with_the_corrections(photographs, capsys):
    labels = photographs.root / "data/labels.csv"
    head = labels.read_text()
    labels.unlink()
    assert "data/labels.csv is missing, which ingest depends on; restore it" in refused(capsys, "check", "--inputs")
    labels.write_text(f"{head}{'1' * 64},a,,,\n{'1' * 64},b,,,\n")
    assert "stands twice, as a and b; delete one line" in refused(capsys, "check", "--inputs")
    labels.write_text(f"{head}{'1' * 64},zebra,,,\n")
    assert main(["check", "--inputs"]) == 0
    assert "1 corrected pictures are not in the data; their lines have no effect: delete" in capsys.readouterr().out
    labels.write_text(head)
    assert main(["check", "--inputs"]) == 0


@pytest.mark.slow
def test_check_refuses_what_the_stages_would(photographs, capsys):
    """A renamed class, a test class that training lacks, and images that all break a rule."""
    root = photographs.root / "data/raw"
    learnt = rules.learn(ingested(DataParams(source="folder", path="data/raw"), Path("once")).manifest, "expectations")
    rules.write_learnt(Path("data/expectations.json"), DataParams(source="folder", path="data/raw"), learnt)
    assert main(["check", "--inputs"]) == 0
    capsys.readouterr()
    (root / "b").rename(root / "bird")
    assert main(["check", "--inputs"]) == 2
    unknown, missing = capsys.readouterr().err.splitlines()
    assert "30 of 60 images have bird" in unknown
    assert (
        "no image of b; each known label needs images; add some, or, if it was renamed or removed, change " in missing
    )
    Path("data/expectations.json").unlink()
    assert main(["check", "--inputs"]) == 0
    capsys.readouterr()
    photographs.params(promote__groups=["site"])
    assert "promote.groups: neither data/columns.csv nor a table of images has a column 'site'" in refused(
        capsys, "check", "--inputs"
    )
    Path("data/columns.csv").write_text("name,site\na/000.png,north\n")
    assert "data/columns.csv has no row for 59 of 60 images" in refused(capsys, "check", "--inputs")
    Path("data/columns.csv").write_text("name\n")
    photographs.params(promote__groups=[])
    write_folder(Path("data/given/test"), "abc", 25)
    write_folder(Path("data/given/train"), "ab", 25)
    photographs.params(data__path="data/given", validate__maximum_duplicate_share=0.9)
    capsys.readouterr()
    line = refused(capsys, "check", "--inputs")
    assert "class 'a' (50 images) has no validation image; the source assigns none, and none of its training" in line
    write_folder(Path("data/given/train"), "ab", 60)
    line = refused(capsys, "check", "--inputs")
    assert "class 'c' (25 images) has no train image; the source assigns train images of other classes: add" in line
    photographs.params(data__path="data/raw", validate__minimum_side=500)
    line = refused(capsys, "check", "--inputs")
    assert "none of 60 files can be used; 60 (such as a/000.png): it is 24 px wide" in line


def test_check_says_what_was_taken_for_what(photographs, capsys):
    root = photographs.root / "data/set/outer"
    write_folder(root / "Training", "ab", 30)
    write_folder(root / "test_images", "a", 5)
    (root / "test_images/a").rename(root / "test_images/unknown")
    photographs.params(data__path="data/set")
    assert main(["check", "--inputs"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(("advice: ", "promotion: "))]
    assert told[1:-1] == [
        "classes: a (30), b (30)",
        "splits given: train (60); validation and test images are taken from train",
        "outer/ holds all images: taken for neither class nor split",
        "top folders taken for splits, those in them for classes: Training as train",
        "test_images holds no class of train: its 5 images are left out, unlabelled",
        "left out: 5 of 65 files: 5 (such as test_images/unknown/000.png): the source gives it no label",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_a_name_that_dvc_cannot_track(photographs, capsys):
    Path("data/raw/a/000.png").rename(os.fsdecode(b"data/raw/a/caf\xe9.png"))
    line = refused(capsys, "check")
    assert "1 files whose names are not UTF-8, such as a/caf\\xe9.png; DVC cannot track them: rename them" in line


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< HEAD\nschema: '2.0'\nstages: {}\n=======\nschema: '2.0'\n>>>>>>> other\n",
        "<<<<<<< HEAD\n",
    ],
)
def test_a_lock_with_conflict_markers_is_told_before_the_work(project, capsys, text):
    Path("dvc.lock").write_text(text)
    assert "restore one side's version (git checkout HEAD -- dvc.lock), then run dvc repro" in refused(capsys, "check")
    assert Path("dvc.lock").read_text() == text


@pytest.mark.parametrize(("text", "what"), [("[]", "it has another form"), ('{"x": 1}', "'data' is missing")])
def test_expectations_of_another_form(project, capsys, text, what):
    Path("data/expectations.json").write_text(text)
    assert f"data/expectations.json: {what}; expected data, and expectations" in refused(capsys, "check")


def test_an_empty_folder(photographs, capsys):
    shutil.rmtree("data/raw")
    Path("data/raw/a").mkdir(parents=True)
    assert "data/raw holds no image" in refused(capsys, "check")


def test_no_params_file(project, capsys):
    Path("params.yaml").unlink()
    assert "params.yaml: no such file; run from the repository's root" in refused(capsys, "check")


def test_a_server_that_does_not_answer(project, capsys, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        line = refused(capsys, "check")
    assert "no MLflow server answers at http://127.0.0.1" in line
    assert "refused" in line
    assert "start it" in line
    assert "secret" not in line


BEFORE_THE_WORK = (["check", "--inputs"], ["restore"], ["runs"], pytest.param(["retrain"], marks=pytest.mark.slow))


@pytest.mark.parametrize("arguments", BEFORE_THE_WORK)
@pytest.mark.parametrize("version", ["2.22.0", "1.30.1"])
def test_an_older_server_is_told_before_the_work(project, capsys, monkeypatch, arguments, version):
    project.git()
    with answering({"*": (404, b""), "/version": (200, version.encode())}) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        line = refused(capsys, *arguments)
    assert f"is MLflow {version}, but Darkroom needs a server of MLflow 3; upgrade" in line


@pytest.mark.parametrize("arguments", BEFORE_THE_WORK)
def test_a_deleted_experiment_is_told_before_the_work(project, capsys, arguments):
    project.git()
    with closing(sqlite3.connect("mlflow.db")) as store, store:
        store.execute("CREATE TABLE experiments (experiment_id, name, artifact_location, lifecycle_stage)")
        store.execute("INSERT INTO experiments VALUES (7, 'darkroom', '', 'deleted')")
    assert "mlflow experiments restore --experiment-id 7" in refused(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["champion"], ["promote", "1", "--reason", "x"], ["rollback", "--reason", "x"], ["compare", "1", "2"]),
        *(["reproduce"], ["restore"], ["runs"], ["predict", "image.png"], ["explain", "image.png"], ["serve"]),
    ],
)
def test_no_command_goes_on_without_its_registry(project, capsys, monkeypatch, arguments):
    Path("image.png").touch()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{unused.getsockname()[1]}")
        line = refused(capsys, *arguments)
    assert "no MLflow server answers at http://127.0.0.1" in line
    assert "start it, correct the address, or unset the variable" in line


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("", "--host is empty; name an address of this machine, 127.0.0.1, or 0.0.0.0 for all of them"),
        (" ", "--host is empty"),
        ("nowhere.invalid", "--host nowhere.invalid is not known ("),
        ("x" * 80, "is not known ("),
    ],
)
def test_a_host_that_is_none(project, capsys, host, words):
    sqlite3.connect("mlflow.db").close()
    assert words in refused(capsys, "serve", "--host", host)


def test_a_port_that_is_taken(project, capsys):
    sqlite3.connect("mlflow.db").close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        line = refused(capsys, "serve", "--port", str(port))
    assert line.startswith(f"darkroom serve: port {port} of 127.0.0.1 is not available (")
    assert line.endswith("; choose another with --port")


@pytest.mark.slow
def test_promotion_decides_nothing_without_its_registry(project):
    Path("reports").mkdir()
    Path("reports/promotion.json").write_text("{}")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        command = ["-m", "pipeline", "promote", "nowhere", "nowhere", "nowhere", "reports/promotion.json"]
        printed = project.run(sys.executable, *command, code=2, MLFLOW_TRACKING_URI=address)
    (line,) = printed.splitlines()
    assert line.startswith("promote: MLFLOW_TRACKING_URI: no MLflow server answers at ")
    assert Path("reports/promotion.json").read_text() == "{}"
    assert not Path("mlflow.db").exists()


def test_a_server_that_answers(project, capsys, monkeypatch):
    asked = []
    absent = (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}')
    answers = {"/version": (200, b"3.17.0"), "/api/2.0/mlflow/registered-models/search": (200, b"{}"), "*": absent}
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with answering(answers, asked) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert main(["check"]) == 0
        capsys.readouterr()
        # The experiment does not exist yet, and checking does not create it.
        assert [path.rpartition("/")[2] for path, _ in asked] == ["version", "get-by-name", "search"]
        asked.clear()
        assert main(["ui"]) == 0
        assert capsys.readouterr().out == f"the MLflow UI is on the server: {address}\n"
        # With what MLflow sends, too, where they are part of the address.
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace("//", "//me:a%40secret@"))
        assert main(["ui"]) == 0
        assert capsys.readouterr().out == f"the MLflow UI is on the server: {address}\n"
    login = f"Basic {base64.b64encode(b'me:a@secret').decode()}"
    assert [(path, headers.get("Authorization")) for path, headers in asked] == [
        ("/version", None),
        ("/version", login),
    ]


def test_a_store_that_is_no_database(project, capsys):
    Path("mlflow.db").write_text("not a database, but long enough to be taken for one " * 20)
    assert "mlflow.db: not a usable tracking store" in refused(capsys, "check")


def test_params_with_origins(project, capsys):
    Path("runs/lenet5").mkdir(parents=True)
    write_json("runs/lenet5/best_params.json", {"learning_rate": 0.00321})
    assert main(["params", "lenet5"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["learning_rate", "0.00321", "search"] in rows
    assert ["epochs", "10", "params.yaml"] in rows
    assert ["activation", "tanh", "default"] in rows
    assert main(["params", "lenet5", "--json"]) == 0
    assert {"parameter": "schedule.kind", "value": "cosine", "origin": "params.yaml"} in json.loads(
        capsys.readouterr().out
    )


def test_predict_without_a_model(project, capsys):
    write_folder(project.root / "new", "a", 1)
    assert "no tracking store" in refused(capsys, "predict", "new")
    assert not Path("mlflow.db").exists()


def test_predict_without_images(project, capsys):
    assert "nowhere does not exist" in refused(capsys, "predict", "nowhere")
    Path("empty").mkdir()
    assert "empty contains no image" in refused(capsys, "predict", "empty")


@pytest.mark.parametrize("arguments", [["chek"], ["params", "resnet18"], ["predict", "--min-probability", "2", "x"]])
def test_a_typo_on_the_command_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


IMPORTED = """
import contextlib, json, sys
from darkroom.cli import main
for command in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit):
        main(command)
    print("imported:", *sorted(set(json.loads(sys.argv[2])) & set(sys.modules)))
"""
"""Runs commands one after the other, and prints after each what is imported by then."""


def imported_by(*commands):
    command = [sys.executable, "-c", IMPORTED, json.dumps(commands), json.dumps(sorted(HEAVY))]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[1:] for line in printed if line.startswith("imported:")]


@pytest.mark.slow
def test_nothing_heavy_is_imported_for_nothing(project):
    commands = (
        *(["--help"], ["params", "mlp"], ["models"], ["models", "--json"], ["check"]),
        *(["predict", "data"], ["sweep", "mlp"], ["explain", "data"]),
    )
    assert imported_by(*commands) == [[]] * len(commands)
    project.params(train__lenet5__epochs=0)
    assert imported_by(["check"]) == [[]]


CALLS = {
    name: shlex.split(stage["cmd"].replace("${item.model}", "mlp"))
    for name, stage in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].items()
}
"""Each stage's command."""


def test_the_launcher_knows_the_stages_of_dvc_yaml(project):
    assert {name: call[:4] for name, call in CALLS.items()} == {
        name: ["python", "-m", "pipeline", name] for name in CALLS
    }
    named = ", ".join(sorted(CALLS))
    printed = project.run(sys.executable, "-m", "pipeline", "trian", code=2)
    assert printed == f"trian: no stage 'trian'; dvc.yaml has {named}\n"
    printed = project.run(sys.executable, "-m", "pipeline", code=2)
    assert printed == f"pipeline: no stage ''; dvc.yaml has {named}\n"


@pytest.mark.parametrize("stage", CALLS)
def test_every_stage_takes_the_arguments_of_dvc_yaml(stage):
    main = import_module(f"pipeline.{stage}").main
    inspect.signature(main).bind(None, *CALLS[stage][4:])


@pytest.mark.parametrize("stage", CALLS)
def test_every_stage_checks_the_whole_of_params_first(project, stage):
    # A mistake in a section that is not the stage's own, found before anything heavy is imported or any file read.
    project.params(**{"promote.minimum_gain": 5, "train.mlp.epoch": 3})
    printed = project.run(sys.executable, *CALLS[stage][1:], code=2)
    lines = printed.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{stage}: params.yaml: ") for line in lines)


def test_search_passes_through_without_tensorflow(project):
    project.params(search__budget__trials=0)
    code = (
        "import sys; from pipeline.__main__ import run\n"
        "run('search', ['mlp', 'nowhere', 'nowhere', 'best.json', 'trials.csv'])\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    printed = project.run(sys.executable, "-c", code)
    assert printed.splitlines()[-1] == "[]"
    assert json.loads(Path("best.json").read_text()) == [{}]
    assert Path("trials.csv").read_text().startswith("number,")


def test_a_network_that_trains_whole_has_no_features_without_tensorflow(project):
    code = (
        "import sys; from pipeline.__main__ import run\n"
        "run('features', ['mlp', 'nowhere', 'features'])\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    said, imported = project.run(sys.executable, "-c", code).splitlines()
    assert said == "mlp: no features before training, because all layers train"
    assert imported == "[]"
    record = json.loads(Path("features/features.json").read_text())
    assert (record["reason"], record["weights"], record["key"]) == ("all layers train", None, None)


@pytest.mark.slow
def test_a_stage_called_wrongly_says_how(project):
    printed = project.run(sys.executable, "-m", "pipeline", "ingest", code=2)
    (line,) = printed.splitlines()
    assert line.startswith("ingest: usage: python -m pipeline ingest labels manifest_path")
