"""The command's entry point: parse the arguments, run the command, turn errors into messages and exit codes."""

import argparse
import os
import sys
from collections.abc import Sequence

from darkroom.base import environment
from darkroom.base.errors import DarkroomError
from darkroom.cli import checking, networks, predictions, registry, store


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 success, 1 failure, 2 invalid input, 3 drift or a difference, 130 interrupted.
    """
    if arguments is None:
        environment.use_utf8()
    environment.prepare()
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.command(chosen))
    except DarkroomError as error:
        for line in str(error).splitlines():
            print(f"darkroom {chosen.name}: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader closed the pipe, such as `head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom", description="An experiment pipeline for image classification.")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    for group in (checking, networks, predictions, registry, store):
        group.add(commands)
    return parser
