"""Run git, DVC and other command-line tools, and extract the reason from their error output."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from darkroom.base.errors import DarkroomError, InputError

DVC = (sys.executable, "-m", "dvc")
ERRORS = ("ERROR: ", "error: ", "fatal: ", "ssh: ", "remote: ERROR: ", "remote: error: ", "remote: fatal: ", " ! ")
"""Prefixes of error lines of git, DVC and ssh."""
ASIDES = ("hint: ", "warning: ", "WARNING: ")


class Finished(NamedTuple):
    """Exit code and output of a command."""

    code: int
    stdout: bytes
    stderr: str


def capture(
    *command: str, folder: str | Path = ".", stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a command and capture its output, whatever its exit code.

    Args:
        command: the tool and its arguments.
        folder: the working directory.
        stdin: its standard input.
        environment: variables in addition to those of this process.

    Raises:
        InputError: the tool is not installed.
    """
    variables = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(command, cwd=folder, input=stdin, env=variables, capture_output=True, check=False)  # noqa: S603
    except (FileNotFoundError, PermissionError) as error:
        if error.filename != command[0]:
            raise
        raise InputError(f"{command[0]} cannot be started ({error.strerror}); install it or add it to PATH") from None
    return Finished(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def run(
    *command: str,
    folder: str | Path = ".",
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    failure: type[DarkroomError] = DarkroomError,
) -> str:
    """Run a command and return its standard output.

    Args:
        command: the tool and its arguments.
        folder: the working directory.
        stdin: its standard input.
        environment: variables in addition to those of this process.
        failure: the error class to raise; InputError if only the user can cause a failure.

    Raises:
        DarkroomError: the command failed; one line with the tool's reason.
        InputError: the tool is not installed.
    """
    done = capture(*command, folder=folder, stdin=stdin.encode(), environment=environment)
    if done.code:
        raise failure(f"{title(command)} failed: {reason(done.stderr)}")
    return done.stdout.decode("utf-8", "replace")


def run_visibly(*command: str, folder: str | Path = ".", environment: Mapping[str, str] | None = None) -> None:
    """Run a command with its output on the terminal.

    Raises:
        DarkroomError: the command failed and has printed the reason.
    """
    sys.stdout.flush()
    done = subprocess.run(command, cwd=folder, env={**os.environ, **(environment or {})}, check=False)  # noqa: S603
    if done.returncode:
        raise DarkroomError(f"{title(command)} failed; see its output above")


def title(command: tuple[str, ...]) -> str:
    """Return the tool and its subcommand without options, such as ``git push``."""
    tool, rest = ("dvc", command[len(DVC) :]) if command[: len(DVC)] == DVC else (Path(command[0]).name, command[1:])
    words = iter(rest)
    for word in words:
        if word == "-c":
            next(words, None)  # the option's value
        elif not word.startswith("-"):
            return f"{tool} {word}"
    return tool


def reason(text: str) -> str:
    """Return the first error line of a tool's output; if there is none, the last line that is not a hint or warning.

    Args:
        text: the tool's standard error.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        for prefix in ERRORS:
            if line.startswith(prefix):
                return " ".join(line.removeprefix(prefix).split())
    told = [line for line in lines if not line.startswith(ASIDES)]
    return (told or lines or ["no reason given"])[-1].strip()
