"""Query git; None if the repository or the requested object does not exist."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from darkroom.base import commands
from darkroom.base.errors import InputError

NO_ANSWER = (
    "not a git repository",
    "Not a git repository",
    "does not have any commits yet",
    "unknown revision",
    "bad revision",
    "Needed a single revision",
    "invalid object name",
    "Not a valid object name",
    "not a tree object",
    "bad object",
    "does not exist in",
    "exists on disk, but not in",
    "No such remote",
    "couldn't find remote ref",
    "did not match any files",
)
"""Git's messages if there is no repository, or if the requested object is not in it."""
ENGLISH = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""Environment variables that make git's messages English."""


def ask_git(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes | None:
    """Run a git query and return its raw output.

    Args:
        arguments: git's arguments.
        stdin: its standard input.
        environment: additional variables for git.

    Returns:
        None if git is not installed, exits with 1 without a message (as for an unset setting), or reports one of
        ``NO_ANSWER``.

    Raises:
        InputError: git failed for any other reason.
    """
    if shutil.which("git") is None:
        return None
    done = commands.capture("git", *arguments, stdin=stdin, environment={**ENGLISH, **(environment or {})})
    if done.code == 0:
        return done.stdout
    if (done.code == 1 and not done.stderr.strip()) or any(known in done.stderr for known in NO_ANSWER):
        return None
    asked = commands.title(("git", *arguments))
    raise InputError(f"{asked} failed: {commands.reason(done.stderr)}; run git status and git fsck for details")


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
