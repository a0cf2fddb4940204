"""Run git and DVC commands, on top of ``darkroom.base.commands``."""

from pathlib import Path

from darkroom.base import commands
from darkroom.base.commands import DVC
from darkroom.base.errors import InputError
from darkroom.base.git import git


def run_git(*arguments: str, folder: str | Path = ".") -> None:
    """Run a git command.

    Raises:
        DarkroomError: the command failed; the text contains git's reason.
    """
    commands.run("git", *arguments, folder=folder)


def changed_files(*places: str) -> list[str]:
    """Return modified and untracked files, without ignored ones.

    Args:
        places: git pathspecs that limit the result; all files if there are none.
    """
    # Lines are sliced, not stripped: the first status column may be a space.
    return [line[3:] for line in (git("status", "--porcelain", "--", *places) or "").splitlines()]


def ask_dvc(*arguments: str) -> str:
    """Run a DVC command and return its output.

    Raises:
        InputError: the command failed.
    """
    return commands.run(*DVC, *arguments, failure=InputError)


def run_dvc(*arguments: str, folder: str | Path = ".", **environment: str) -> None:
    """Run a DVC command with its output on the terminal.

    Raises:
        DarkroomError: the command failed; DVC has printed the reason.
    """
    commands.run_visibly(*DVC, *arguments, folder=folder, environment=environment)
