"""Run one of Darkroom's programs: one-line errors, exit codes, and a fast exit."""

import gc
import os
import sys
from collections.abc import Callable

from darkroom.base import environment, failures, processes, project


def run(name: str, work: Callable[[], None]) -> None:
    """Prepare the environment, call a function and exit with its exit code.

    The process exits without interpreter shutdown, for which TensorFlow would need two seconds.

    Exit codes: 0 success, 1 the work failed, 2 the user's input is wrong, 130 interrupted.

    Args:
        name: prefix of each error line.
        work: the function to call.
    """
    if "DVC_STAGE" in os.environ:
        processes.end_with_dvc()
    # Imports create about a million long-lived objects; default garbage collection over them costs a second.
    gc.set_threshold(100_000, 50, 50)
    code = 0
    try:
        environment.prepare()
        work()
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort
        code = failures.tell(name, error)
    project.remove_temporary_folder()
    os._exit(code)
