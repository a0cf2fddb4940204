"""Command lines: what a failure says in one line, and when git's refusal means that there is no answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom import repository
from darkroom.base import commands, git
from darkroom.base.errors import DarkroomError, InputError
from darkroom.tracking import diff, lineage


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


@pytest.fixture
def committed(folder):
    """A git repository with one commit."""
    identity = ("-c", "user.email=test@example.org", "-c", "user.name=test")
    (folder / "code.py").write_text("first\n")
    for words in (["init", "-q", "."], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], check=True)
    return folder


def test_a_tool_that_is_not_installed_is_named(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(InputError, match=r"^git cannot be started \(No such file or directory\); install it"):
        repository.run_git("status")


def test_a_missing_folder_is_not_taken_for_a_missing_tool(folder):
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        commands.capture(sys.executable, "--version", folder="elsewhere")


def test_input_environment_and_folder_reach_the_command(folder):
    (folder / "below").mkdir()
    code = "import os, sys; print(os.path.basename(os.getcwd()), sys.stdin.read(), os.environ['GIVEN'])"
    printed = commands.run(sys.executable, "-c", code, folder="below", stdin="größer", environment={"GIVEN": "a"})
    assert printed == "below größer a\n"


def test_a_failed_push_says_why_in_one_line(committed):
    subprocess.run(["git", "clone", "-q", "--bare", ".", "../origin.git"], check=True)
    tree = git.git("rev-parse", "HEAD^{tree}")
    identity = ("-c", "user.email=test@example.org", "-c", "user.name=test")
    other = commands.run("git", *identity, "commit-tree", tree, "-m", "other").strip()
    branch = git.git("branch", "--show-current")
    with pytest.raises(
        DarkroomError, match=rf"^git push failed: \[rejected\] {other} -> {branch} \(non-fast-forward\)$"
    ):
        repository.run_git("-c", "core.hooksPath=/dev/null", "push", "../origin.git", f"{other}:refs/heads/{branch}")


def test_dvc_is_named_as_such(folder):
    with pytest.raises(InputError, match=r"^dvc status failed: you are not inside of a DVC repository"):
        repository.ask_dvc("status")


def test_a_command_in_sight_leaves_the_reason_to_the_tool(folder, capfd):
    with pytest.raises(DarkroomError, match=r"^dvc status failed; see its output above$"):
        repository.run_dvc("status")
    assert "not inside of a DVC repository" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("warning: a\nerror: first\nfatal: second\nhint: do this\n", "first"),
        ("ERROR: failed to pull data\nout\nIs your cache up to date?\n", "failed to pull data"),
        (
            "To x\n ! [rejected]   main -> main (fetch first)\nerror: failed to push",
            "[rejected] main -> main (fetch first)",
        ),
        ("remote: error: protected branch\nerror: failed to push", "protected branch"),
        ("ssh: Could not resolve hostname x\nfatal: Could not read", "Could not resolve hostname x"),
        ("refused\nhint: ask\n", "refused"),
        ("hint: alone\n", "hint: alone"),
        ("\n", "no reason given"),
    ],
)
def test_the_first_line_that_says_what_went_wrong_is_the_reason(printed, expected):
    assert commands.reason(printed) == expected


MISSING = "abcdef1234567890abcdef1234567890abcdef12"


@pytest.mark.parametrize("language", ["C", "de_DE.UTF-8"])
def test_outside_a_repository_git_has_no_answer(folder, monkeypatch, language):
    monkeypatch.setenv("LC_ALL", language)
    monkeypatch.setenv("LANGUAGE", "de")
    assert git.git("rev-parse", "HEAD") is None
    assert git.git("status", "--porcelain") is None
    assert git.git("diff", "--name-only", "HEAD") is None


def test_without_a_commit_git_has_no_answer(folder):
    subprocess.run(["git", "init", "-q", "."], check=True)
    assert git.git("rev-parse", "HEAD") is None
    assert git.git("log", "-1", "--format=%H", "--", "dvc.lock") is None
    assert git.git("show", "HEAD:./dvc.lock") is None
    assert diff.uncommitted_diff() == ""


@pytest.mark.parametrize(
    "asked",
    [
        ("show", "HEAD:./none"),
        ("show", "none:./code.py"),
        ("show", f"{MISSING}:./code.py"),
        ("cat-file", "-e", "HEAD:src"),
        ("cat-file", "-e", f"{MISSING}:code.py"),
        ("ls-tree", "-r", MISSING, "--", "runs/"),
        ("ls-tree", "-r", "none", "--", "runs/"),
        ("diff", "--name-only", MISSING, "--", "code.py"),
        ("rev-parse", "--verify", "--quiet", "none^{commit}"),
        ("rev-parse", "none"),
        ("config", "darkroom.none"),
        ("remote", "get-url", "origin"),
        ("fetch", "--quiet", ".", "refs/heads/none"),
    ],
)
def test_what_is_not_in_the_repository_is_no_answer(committed, asked):
    assert git.git(*asked) is None


def test_without_git_there_is_no_answer(committed, monkeypatch):
    monkeypatch.setenv("PATH", str(committed))
    assert git.git("rev-parse", "HEAD") is None


def test_any_other_refusal_is_an_error(committed):
    with pytest.raises(InputError, match=r"^git log failed: .*--nonsense; run git status and git fsck for details$"):
        git.git("log", "--nonsense")
    with pytest.raises(InputError, match=r"^git fetch failed: '/nowhere' does not appear to be a git repository; "):
        git.git("fetch", "--quiet", "/nowhere", "refs/heads/main")


def test_a_damaged_repository_is_not_taken_for_none(committed):
    blob = git.git("rev-parse", "HEAD:code.py")
    damaged = Path(".git/objects", blob[:2], blob[2:])
    damaged.chmod(0o644)
    damaged.write_bytes(b"")
    with pytest.raises(InputError, match=r"^git show failed: object file .* is empty; "):
        git.git("show", "HEAD:./code.py")


@pytest.mark.skipif(os.getuid() != 0, reason="files cannot be given away")
def test_a_repository_of_another_user_is_not_taken_for_none(committed, monkeypatch):
    monkeypatch.setenv("HOME", str(committed))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for path in (committed, *committed.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(InputError, match=r"^git rev-parse failed: detected dubious ownership in repository at "):
        lineage.tags("train")
