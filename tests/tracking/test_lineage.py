"""What git says of a run's code, in real repositories; and small files that a merge or a crash has spoilt."""

import hashlib
import subprocess

import pytest

from darkroom.base.errors import InputError
from darkroom.base.files import read_json
from darkroom.tracking import diff as tracking_diff
from darkroom.tracking import lineage
from darkroom.tracking.diff import uncommitted_diff


def git(*arguments):
    identity = ("-c", "user.email=test@example.org", "-c", "user.name=test")
    return subprocess.run(["git", *identity, *arguments], capture_output=True, check=True).stdout


def tag():
    return lineage.tags("train")["git_uncommitted_diff"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with code and results, all of it committed."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    (tmp_path / ".gitignore").write_text("/mlflow.db\n")
    (tmp_path / "code.py").write_text("one\ntwo\n")
    for name in ("dvc.lock", "runs/mlp/run.json", "reports/promotion.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    return tmp_path


def test_what_stages_write_makes_no_tree_dirty(repository):
    (repository / "dvc.lock").write_text("schema: '2.0'\n")
    (repository / "runs/mlp/run.json").unlink()
    (repository / "runs/lenet5").mkdir()
    (repository / "runs/lenet5/run.json").write_text("{}")
    (repository / "reports/promotion.json").write_text('{"a": 1}\n')
    (repository / "mlflow.db").write_text("ignored")
    assert uncommitted_diff() == ""
    assert tag() == "none"
    assert not lineage.short_name().endswith("+")


def test_new_files_count_with_their_content(repository):
    (repository / "new.py").write_text("first\n")
    first = tag()
    assert first != "none"
    assert lineage.short_name().endswith("+")
    (repository / "new.py").write_text("other\n")
    assert tag() not in {"none", first}
    assert hashlib.sha256(b"other\n").hexdigest() in uncommitted_diff()


def test_a_diff_restores_changed_binary_and_new_files(repository):
    (repository / "picture.png").write_bytes(bytes(range(256)))
    git("add", "picture.png")
    git("commit", "--quiet", "--message", "picture")
    (repository / "code.py").write_bytes(b"one\r\nthree\n")
    (repository / "picture.png").write_bytes(bytes(range(255, -1, -1)))
    (repository / "deep").mkdir()
    (repository / "deep/new [1] ä.py").write_text("new\n")
    index = git("status", "--porcelain")
    diff = uncommitted_diff("content")
    assert git("status", "--porcelain") == index, "nothing was added to git's own index"
    git("reset", "--quiet", "--hard")
    (repository / "deep/new [1] ä.py").unlink()
    subprocess.run(["git", "apply"], input=diff.encode(), check=True)
    assert (repository / "code.py").read_bytes() == b"one\r\nthree\n"
    assert (repository / "picture.png").read_bytes() == bytes(range(255, -1, -1))
    assert (repository / "deep/new [1] ä.py").read_text() == "new\n"


def test_a_large_new_file_is_named_and_not_shown(repository, monkeypatch):
    monkeypatch.setattr(tracking_diff, "SHOWN", 100)
    (repository / "small.py").write_text("small\n")
    (repository / "large.csv").write_text("large\n" * 100)
    diff = uncommitted_diff("content")
    digest = hashlib.sha256(b"large\n" * 100).hexdigest()
    assert f"new file {digest} large.csv\n" in diff
    assert "+large" not in diff
    assert "+small" in diff
    before = tag()
    (repository / "large.csv").write_text("LARGE\n" * 100)
    assert tag() != before


def test_other_encodings_are_no_reason_to_fail(repository):
    (repository / "code.py").write_bytes("größer\n".encode("latin-1"))
    first = tag()
    assert "gr\\xf6\\xdfer" in uncommitted_diff()
    uncommitted_diff().encode()
    (repository / "code.py").write_bytes("gräßer\n".encode("latin-1"))
    assert tag() != first


def test_a_repository_within_is_not_entered(repository):
    (repository / "other").mkdir()
    git("init", "--quiet", "other")
    (repository / "new.py").write_text("new\n")
    assert "new file unread other/\n" in uncommitted_diff()
    assert "+new" in uncommitted_diff("content")


def test_without_a_commit_there_is_no_diff(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tag() == "none"
    git("init", "--quiet")
    (tmp_path / "new.py").write_text("new\n")
    assert tag() == "none"


@pytest.mark.parametrize("text", ["", '{"a": ', '<<<<<<< HEAD\n{"a": 1}\n=======\n{}\n>>>>>>> theirs\n', "\udcff"])
def test_a_spoilt_result_is_named_with_the_remedy(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    remedy = r"^run.json is not valid JSON .* git checkout HEAD -- run.json, .* dvc repro$"
    with pytest.raises(InputError, match=remedy) as raised:
        read_json("run.json")
    assert "\n" not in str(raised.value)


def test_a_spoilt_lock_is_named_with_the_remedy():
    with pytest.raises(InputError, match=r"^dvc.lock, line .*invalid YAML .*git checkout HEAD -- dvc.lock\)"):
        lineage.lock_digest("schema: '2.0'\n<<<<<<< HEAD\nstages:\n=======\n  a: {\n>>>>>>> theirs\n")


def test_the_digest_of_a_lock_leaves_out_what_no_model_depends_on():
    lock = "stages:\n  train@mlp: {cmd: a}\n"
    digest = lineage.lock_digest(lock)
    assert lineage.lock_digest(f"{lock}  promote: {{cmd: b}}\n  card@mlp: {{cmd: c}}\n") == digest
    pages = "  describe: {cmd: d}\n  overview: {cmd: e}\n  report: {cmd: f}\n"
    assert lineage.lock_digest(f"{lock}{pages}") == digest
    assert lineage.lock_digest(f"{lock}  evaluate@mlp: {{cmd: b}}\n") != digest
    assert lineage.lock_digest("stages:\n  promote: {cmd: b}\n  card@mlp: {cmd: c}\n") == "none"
