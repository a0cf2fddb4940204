"""Query git; None if the repository or the requested object does not exist. Any other failure of git is an error."""

import os
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from darkroom.base import commands
from darkroom.base.commands import Finished
from darkroom.base.errors import InputError

NO_REPOSITORY = "not a git repository"
ABSENT = (
    "does not have any commits yet",
    "unknown revision",
    "bad revision",
    "Needed a single revision",
    "invalid object name",
    "Not a valid object name",
    "not a tree object",
    "does not exist in",
    "exists on disk, but not in",
    "No such remote",
    "couldn't find remote ref",
    "did not match any files",
)
"""Git's messages if the requested object is not in the repository."""
BAD_OBJECT = re.compile(r"bad object ([0-9a-f]{4,})\b")
"""Git's message for an object that is missing: absent if it is the requested one, else the repository is damaged."""
SILENT = {"config", "rev-parse", "cat-file", "symbolic-ref"}
"""Subcommands that exit with 1 and no message if the answer is no."""
BROKEN = "ignoring broken ref"
"""Git's warning that it leaves out a damaged reference; it exits with 0 nevertheless."""
ENGLISH = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""Environment variables that make git's messages English."""


def ask_git(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes | None:
    """Run a git query and return its raw output.

    Args:
        arguments: git's arguments.
        stdin: its standard input.
        environment: additional variables for git.

    Returns:
        None if git is not installed, if there is no repository, or if the requested object is not in it.

    Raises:
        InputError: git failed for any other reason, such as a repository of another user or a damaged one.
    """
    if shutil.which("git") is None:
        return None
    done = commands.capture("git", *arguments, stdin=stdin, environment={**ENGLISH, **(environment or {})})
    if done.code == 0 and BROKEN not in done.stderr:
        return done.stdout
    if _is_no_answer(done, arguments):
        return None
    asked = commands.title(("git", *arguments))
    raise InputError(f"{asked} failed: {_reason(done)}; {_remedy(done)}")


def _is_no_answer(done: Finished, arguments: tuple[str, ...]) -> bool:
    """Whether git says that something does not exist."""
    if done.code <= 0:
        return False  # killed, or damaged references
    if NO_REPOSITORY in done.stderr.lower():
        return repository_folder() is None
    if done.code == 1 and not done.stderr.strip():
        return not SILENT.isdisjoint(arguments)
    missing = BAD_OBJECT.search(done.stderr)
    if missing is not None:
        return any(argument.partition(":")[0] == missing[1] for argument in arguments)
    return any(known in done.stderr for known in ABSENT)


def repository_folder() -> Path | None:
    """Return the nearest folder with a ``.git`` that is not empty, whether or not git accepts it as a repository."""
    ends = os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if folder != here and str(folder) in ends:
            return None
        inside = folder / ".git"
        # A file leads to the repository of a worktree or submodule.
        if os.path.lexists(inside) and not (inside.is_dir() and _is_empty(inside)):
            return folder
    return None


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False


def _reason(done: Finished) -> str:
    if done.code < 0:
        return f"it was killed by {signal.Signals(-done.code).name}"
    if done.code == 0:
        return next(line for line in done.stderr.splitlines() if BROKEN in line)
    return commands.reason(done.stderr)


def _remedy(done: Finished) -> str:
    """Return git's own remedy for a repository of another user, or where to look."""
    if own := re.search(r"git config --global --add safe\.directory .*", done.stderr):
        return f"run {own[0].strip()}"
    return "run git status and git fsck for details"


def head() -> str | None:
    """Return the checked-out commit; None if there is no repository, or no commit yet.

    Raises:
        InputError: git failed, or the checked-out branch is damaged.
    """
    commit = git("rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None:
        # A branch without a commit has a name; of a damaged one, git does not even say that.
        git("symbolic-ref", "HEAD")
    return commit


def why_no_commit() -> str | None:
    """Return why runs have no commit; None if they have one.

    Raises:
        InputError: see ``head``.
    """
    if head() is not None:
        return None
    folder = repository_folder()
    if folder is None:
        return "there is no git repository, so runs record no commit"
    if shutil.which("git") is None:
        return f"git is not installed, so runs do not record the commit of the repository {folder}"
    return "the branch has no commit yet, so runs record none"


def git(*arguments: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Run a git query and return its output as text; None if ``ask_git`` returns None.

    Raises:
        InputError: git failed.
    """
    answer = ask_git(*arguments, environment=environment)
    return None if answer is None else decode(answer).rstrip("\n")


def decode(answer: bytes) -> str:
    """Decode git's output; bytes that are not UTF-8, as in file names or contents, become escapes."""
    return answer.decode("utf-8", "backslashreplace")


def networks_at(revision: str) -> list[str]:
    """Return the networks that have a run in a commit, even if their files no longer exist."""
    listed = git("ls-tree", "--name-only", revision, "./runs/") or ""
    return [Path(line).name for line in listed.splitlines()]
