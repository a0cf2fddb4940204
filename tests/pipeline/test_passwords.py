"""A password in every place where one can stand, and a search for them in all that a project writes. Slow."""

import base64
import subprocess
from urllib.parse import quote

import pytest

from support.pictures import write_folder
from support.projects import Project
from support.servers import Servers

pytestmark = pytest.mark.slow

SECRETS = {
    "tracking": "tr/ack@ing%pw",
    "remote": "remote-sesame-1",
    "git": "origin-sesame-2",
    "variable": "variable-sesame-3",
    "untracked": "untracked-sesame-4",
    "changed": "changed-sesame-5",
    "around": "around-sesame-6",
    "storage": "stor/age@sesame-7",
    "weights": "weights-sesame-8",
    "option": "option-sesame-9",
}
GIVEN = (".git", ".env", "keys.txt", "settings.ini", ".dvc/config.local", "params.yaml")
"""Files in which the user has written them."""
SPACE = {"learning": {"learning_rate": {"low": 0.001, "high": 0.01}}}
"""Something to search, so that the studies' database is opened."""


def forms(secret):
    """The ways in which a library may write a secret."""
    return {secret, quote(secret), quote(secret, safe=""), base64.b64encode(f"me:{secret}".encode()).decode()}


def leaks(place, content):
    return [
        f"{name} in {place}" for name, secret in SECRETS.items() for form in forms(secret) if form.encode() in content
    ]


def prepare(root, **variables):
    """A small project with passwords in its files and in its environment."""
    project = Project(root / "project", **variables)
    write_folder(project.root / "data" / "raw", "ab", 40)
    changes = {"data.source": "folder", "data.path": "data/raw", "models": ["mlp"], "search.budget.trials": 1}
    small = {"train.mlp.epochs": 2, "train.mlp.batch_size": 4, "train.mlp.hidden_units": [16], "search.epochs": 1}
    project.params(**changes, **small)
    settings = project.root / "settings.ini"
    settings.write_text(f"[a]\npassword = {SECRETS['around']}\nother = 1\n")
    project.git("data/raw")
    settings.write_text(f"[a]\npassword = {SECRETS['around']}\nother = 2\ntoken = {SECRETS['changed']}\n")
    # One that git ignores, and one that it does not.
    for name in (".env", "keys.txt"):
        (project.root / name).write_text(f"PASSWORD={SECRETS['untracked']}\n")
    origin = f"https://me:{SECRETS['git']}@127.0.0.1:9/x.git"
    subprocess.run(["git", "remote", "add", "origin", origin], cwd=project.root, check=True)
    project.run("dvc", "remote", "add", "--local", "-d", "r", f"https://me:{SECRETS['remote']}@127.0.0.1:9/store")
    return project


def test_no_password_leaves_its_place(tmp_path):
    servers = Servers(tmp_path)
    try:
        uri = servers.mlflow(f"sqlite:///{tmp_path / 'server.db'}")
        address = uri.replace("://", f"://me:{SECRETS['tracking']}@")
        variables = {"MLFLOW_TRACKING_URI": address, "MY_API_KEY": SECRETS["variable"]}
        project = prepare(tmp_path, **variables)
        printed = [
            project.run("dvc", "repro"),
            project.run("darkroom", "runs"),
            project.run("darkroom", "champion"),
            project.run("darkroom", "check"),
            project.run("darkroom", "retrain", code=2),
            project.run("darkroom", "runs", code=2, MLFLOW_TRACKING_URI=f"{uri}?password={SECRETS['option']}"),
        ]
        assert "View run" in printed[0]
        assert "lines are hidden, because they seem to hold passwords or keys" in printed[0]
        wrong = {
            "train.mlp.initial_weights": f"https://me:{SECRETS['weights']}@host/w.keras",
            "search.storage": f"postgresql://me:{SECRETS['storage']}@127.0.0.1:9/studies",
        }
        for name, value in wrong.items():
            before = (project.root / "params.yaml").read_text()
            project.params(**{name: value, "search.seed": 1, "search.mlp": SPACE})
            command = ("python", "-m", "pipeline", "search", "mlp", "data/prepared", "best.json", "trials.csv")
            printed.append(project.run(*command, code=2))
            (project.root / "params.yaml").write_text(before)
    finally:
        servers.stop()
    printed.append(project.run("darkroom", "runs", code=2))
    evaluated = project.run("dvc", "repro", "--force", "--single-item", "evaluate@mlp", code=255)
    assert "Traceback" not in evaluated
    printed.append(evaluated)

    found = [leak for text in printed for leak in leaks(text, text.encode())]
    for path in tmp_path.rglob("*"):
        inside = path.relative_to(project.root).as_posix() if path.is_relative_to(project.root) else ""
        if path.is_file() and not any(inside == given or inside.startswith(f"{given}/") for given in GIVEN):
            found += leaks(path, str(path).encode() + path.read_bytes())
    assert found == []
    assert list(tmp_path.rglob("uncommitted.diff")), "the diff was recorded"
