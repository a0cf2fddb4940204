"""Keys and passwords never leave with a run's uncommitted.diff: real diffs of real repositories."""

import hashlib
import subprocess

import pytest

from darkroom.base.files import write_text
from darkroom.tracking.diff import uncommitted_diff
from darkroom.tracking.secrets import hide_secrets

KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\nAAtzc2gtZWQyNTUxOQ\n-----END OPENSSH PRIVATE KEY-----\n"
)


def git(*arguments):
    identity = ("-c", "user.email=test@example.org", "-c", "user.name=test")
    return subprocess.run(["git", *identity, *arguments], capture_output=True, check=True).stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    for name in ("params.yaml", "code.py", "settings.ini", "notes.md"):
        write_text(name, "one\n\n\n\ntwo\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line", "secret"),
    [
        ("params.yaml", "storage: postgresql://me:sesame-open@host/studies", "sesame-open"),
        ("params.yaml", "storage: postgresql://me:sesame/op@en@host/studies", "sesame/op@en"),
        ("params.yaml", "storage: postgresql://host/studies?password=sesame-open", "sesame-open"),
        ("settings.ini", "password = sesame-open", "sesame-open"),
        ("settings.ini", "token: 8f7a6b5c4d3e", "8f7a6b5c4d3e"),
        ("settings.ini", "DB_PASSWORD=sesame-open", "sesame-open"),
        ("code.py", 'password = "sesame-open"', "sesame-open"),
        ("code.py", 'client = Client("AKIAQ3EGRIXLXBPS7WZT")', "AKIAQ3EGRIXLXBPS7WZT"),
        ("code.py", 'key = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"', "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("notes.md", KEY, "AAtzc2gtZWQyNTUxOQ"),
        ("params.yaml", "owner: hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345", "AbCdEf"),
        ("notes.md", "with sk-ant-api03-abcDEF1234567890abcDEF1234567890-AA", "abcDEF"),
        ("notes.md", "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789", "mnopqr"),
        ("notes.md", "curl -H 'Authorization: Bearer abcdef0123456789' https://host", "abcdef"),
        ("notes.md", "curl -u admin:sesame-open https://host", "sesame-open"),
        ("notes.md", "mysql -u me -psesame-open data", "sesame-open"),
        ("notes.md", "machine host login me password sesame-open", "sesame-open"),
        ("notes.md", "localhost:5432:studies:me:sesame-open", "sesame-open"),
        ("notes.md", "<password>sesame-open</password>", "sesame-open"),
        ("notes.md", '  "auth": "bWU6c2VzYW1lLW9wZW4="', "c2VzYW1l"),
        ("settings.ini", "Passwort = sesame-open", "sesame-open"),
        ("code.py", 'connect(passphrase="sesame-open")', "sesame-open"),
        ("notes.md", "the value of the variable is environment-secret", "environment-secret"),
    ],
)
@pytest.mark.parametrize("where", ["added", "removed", "around"])
def test_a_line_with_a_secret_is_replaced_and_counted(repository, monkeypatch, name, line, secret, where):
    monkeypatch.setenv("SOME_API_KEY", "environment-secret")
    line = line.rstrip("\n")
    file = repository / name
    before = file.read_text()
    if where != "added":
        file.write_text(f"one\n{line}\n\ntwo\n")
        git("commit", "--quiet", "--all", "--message", "secret")
    file.write_text({"added": f"one\n{line}\n\ntwo\n", "removed": before, "around": f"one\n{line}\n\nthree\n"}[where])
    shown, count = hide_secrets(uncommitted_diff())
    assert secret not in shown
    # Three lines around a change are shown, of a key perhaps a part.
    assert count == min(len(line.splitlines()), 2 if where == "around" else 4)
    sign = {"added": "+", "removed": "-", "around": " "}[where]
    assert shown.count(f"\n{sign}[hidden by Darkroom: ") == count
    assert f"+++ b/{name}" in shown


def test_a_secret_is_hidden_wherever_else_it_stands(repository):
    (repository / "settings.ini").write_text("password = sesame-open\n")
    (repository / "notes.md").write_text("log in with sesame-open, says Ali\n")
    shown, count = hide_secrets(uncommitted_diff())
    assert "sesame" not in shown
    assert count == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("code.py", "token = read_token()\nconnect(password=password, token=token)\nsignificance=0.025\n"),
        ("params.yaml", "train: {seed: 0, mlp: {learning_rate: 0.002}}\nlabels: [cat, dog]\n"),
        ("data.dvc", "outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e.dir\n  size: 3\n"),
        ("notes.md", "see https://host/docs and postgresql://me@host/db, mail me@example.org\n"),
        ("notes.md", "a basic understanding of tokens: they cost 0.1; docker run -u 1000:1000 image\n"),
        ("params.yaml", "token_length: 12\nnote: |\n  the basic 12-layer network\n"),
        ("code.py", "headers = authorization()\nsecret: str | None = None\nlogin(user, password)\n"),
    ],
)
def test_ordinary_changes_stay_whole(repository, name, text):
    (repository / name).write_text("old\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "old")
    (repository / name).write_text(text)
    diff = uncommitted_diff()
    assert hide_secrets(diff) == (diff, 0)


def test_a_block_of_text_is_hidden_to_its_end(repository):
    (repository / "params.yaml").write_text("a:\n  password: |\n    sesame-one\n\n    sesame-two\n  other: 3\n")
    shown, count = hide_secrets(uncommitted_diff())
    assert "sesame" not in shown
    assert "+  other: 3" in shown
    assert count == 3  # with the empty line


def test_new_files_are_named_by_their_hash_unless_asked(repository):
    (repository / ".env").write_text("MLFLOW_TRACKING_PASSWORD=sesame-open\n")
    (repository / "new.py").write_text("new = 1\n")
    diff = uncommitted_diff()
    digest = hashlib.sha256(b"new = 1\n").hexdigest()
    assert f"new file {digest} new.py\n" in diff
    assert " .env\n" in diff
    assert "sesame" not in diff
    assert "+new = 1" not in diff
    shown, count = hide_secrets(uncommitted_diff("content"))
    assert "+new = 1" in shown
    assert "sesame" not in shown
    assert count == 1
