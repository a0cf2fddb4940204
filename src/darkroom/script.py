"""How a stage script runs: its arguments, and its errors as one line each."""

import gc
import inspect
import os
import sys
from collections.abc import Callable

from darkroom import processes
from darkroom.errors import DarkroomError


def run(main: Callable[..., None]) -> None:
    """Call a stage's ``main`` with the command line's arguments, and end the process as it went.

    The process ends at once then: everything is written, and TensorFlow would take two seconds to take itself apart.

    Exit codes: 0 done, 1 the work failed, 2 the user's input is wrong, 130 interrupted.
    """
    name = inspect.getmodule(main).__spec__.name  # type: ignore[union-attr]
    arguments = sys.argv[1:]
    expected = list(inspect.signature(main).parameters)
    if len(arguments) != len(expected):
        print(f"usage: python -m {name} {' '.join(expected)}   (dvc.yaml has the call)", file=sys.stderr)
        sys.exit(2)
    if "DVC_STAGE" in os.environ:
        processes.end_with_dvc()
    # A million objects come with the imports and stay; looking for garbage among them would cost a second.
    gc.set_threshold(100_000, 50, 50)
    code = 0
    try:
        main(*arguments)
    except DarkroomError as error:
        for line in str(error).splitlines():
            print(f"{name.rpartition('.')[2]}: {line}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print(f"{name.rpartition('.')[2]}: interrupted", file=sys.stderr)
        code = 130
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
