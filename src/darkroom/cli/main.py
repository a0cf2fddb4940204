"""The command's entry point: parse the arguments, run the command, turn errors into messages and exit codes."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from darkroom.base import environment, failures, project
from darkroom.cli import checking, labelling, networks, predictions, registry, store


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 success, 1 failure, 2 invalid input, 3 drift or a difference, 130 interrupted.
    """
    if arguments is None:
        environment.open_standard_streams()
        environment.use_utf8()
        signal.signal(signal.SIGTERM, _end)
    chosen = _parser().parse_args(arguments)
    try:
        environment.prepare()
        code = int(chosen.command(chosen))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe, such as `head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort
        return failures.tell(f"darkroom {chosen.name}", error)
    return code


def _end(number: int, _: object) -> None:
    """End by a signal, as without this function, but leave no temporary files behind."""
    project.remove_temporary_folder()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom", description="An experiment pipeline for image classification.")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    for group in (checking, labelling, networks, predictions, registry, store):
        group.add(commands)
    return parser
