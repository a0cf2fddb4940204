"""Command lines: what a failure says in one line, and when git's refusal means that there is no answer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom import repository
from darkroom.base import commands, git
from darkroom.base.errors import DarkroomError, InputError
from darkroom.experiments import reproduce
from darkroom.maintenance import needs
from darkroom.maintenance.check import check_inputs
from darkroom.tracking import diff, lineage
from support.projects import ROOT


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


def empty(path):
    Path(path).write_bytes(b"")


def remove_commit():
    commit = git.git("rev-parse", "HEAD")
    Path(".git/objects", commit[:2], commit[2:]).unlink()


DAMAGES = {
    "an empty branch": lambda: empty(".git/refs/heads/main"),
    "a spoilt branch": lambda: Path(".git/refs/heads/main").write_text("spoilt\n"),
    "an empty HEAD": lambda: empty(".git/HEAD"),
    "a missing commit": remove_commit,
    "a short index": lambda: Path(".git/index").write_bytes(b"DIRC"),
    "half a configuration": lambda: Path(".git/config").write_text("[core"),
    "a later format": lambda: Path(".git/config").write_text("[core]\n\trepositoryformatversion = 9\n"),
    "no objects": lambda: shutil.rmtree(".git/objects"),
    "no references": lambda: shutil.rmtree(".git/refs"),
    "a worktree whose repository is gone": lambda: (
        shutil.rmtree(".git"),
        Path(".git").write_text("gitdir: /nowhere/.git/worktrees/x\n"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_of_a_repository_makes_a_run_without_lineage(committed, damage):
    subprocess.run(["git", "branch", "-m", "main"], check=True)
    Path("code.py").write_text("changed\n")
    DAMAGES[damage]()
    with pytest.raises(InputError, match=r"^git [\w-]+ failed: .*; run git status and git fsck for details$"):
        lineage.tags("train")


def test_a_damaged_branch_is_not_left_out_of_what_is_needed(committed):
    subprocess.run(["git", "branch", "other"], check=True)
    empty(".git/refs/heads/other")
    with pytest.raises(InputError, match=r"^git for-each-ref failed: .*ignoring broken ref refs/heads/other; "):
        needs.references()


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 1", "exit 3", "echo fatal: cannot fork >&2; exit 128"])
def test_a_git_that_ends_without_an_answer_is_no_missing_repository(committed, monkeypatch, end):
    programs = committed / "programs"
    programs.mkdir()
    (programs / "git").write_text(f"#!/bin/sh\n{end}\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match=r"^git diff failed: (it was killed by SIGKILL|no reason given|cannot fork); "):
        git.git("diff", "HEAD")


def test_a_repository_of_another_user_is_refused_with_gits_own_remedy(committed, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    words = rf"^git [\w-]+ failed: detected dubious .*; run git config --global --add safe\.directory {committed}$"
    with pytest.raises(InputError, match=words):
        lineage.tags("train")
    with pytest.raises(InputError, match=words):
        check_inputs(ROOT / "params.yaml")
    with pytest.raises(InputError, match=r"^git diff failed: "):
        git.git("diff", "HEAD")


def test_why_a_run_has_no_commit_is_said(folder, monkeypatch):
    assert git.why_no_commit() == "there is no git repository, so runs record no commit"
    (folder / ".git").mkdir()
    assert git.why_no_commit() == "there is no git repository, so runs record no commit"
    subprocess.run(["git", "init", "-q", "."], check=True)
    assert git.why_no_commit() == "the branch has no commit yet, so runs record none"
    monkeypatch.setenv("PATH", str(folder))
    assert git.why_no_commit() == f"git is not installed, so runs do not record the commit of the repository {folder}"


def test_with_a_commit_nothing_is_said(committed):
    assert git.why_no_commit() is None
    subprocess.run(["git", "checkout", "-q", "--detach"], check=True)
    assert git.why_no_commit() is None
    subprocess.run(["git", "checkout", "-q", "--orphan", "new"], check=True)
    assert git.why_no_commit() == "the branch has no commit yet, so runs record none"


def test_a_commit_that_is_not_in_this_clone_is_no_equal_code(committed):
    assert list(reproduce.differing_code("HEAD")) == []
    with pytest.raises(InputError, match=r"^commit abcdef123456 is not in this clone; run git fetch --unshallow$"):
        list(reproduce.differing_code(MISSING))
