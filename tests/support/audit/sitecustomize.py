"""Log the files that a stage opens: Python runs this module at its start if its folder is in PYTHONPATH.

One line per file: ``r`` or ``w``, a tab and the absolute path, in ``$DARKROOM_AUDIT/<stage>.log``. What C++ libraries
open by themselves (Arrow's Parquet reader) is not seen.
"""

import os
import sys

FOLDER, STAGE = os.environ.get("DARKROOM_AUDIT"), os.environ.get("DVC_STAGE")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def _watch(log):
    def note(kind, path):
        if isinstance(path, str | bytes | os.PathLike):
            os.write(log, f"{kind}\t{os.path.abspath(os.fsdecode(path))}\n".encode())  # noqa: PTH100 - links are not followed

    def hook(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            if mode is None and isinstance(path, str) and not path.startswith("/"):
                return  # os.open relative to a folder's descriptor, as shutil.rmtree does
            writes = bool(flags & WRITES) if isinstance(flags, int) else bool(mode and set(mode) & set("wax+"))
            note("w" if writes else "r", path)
        elif event == "os.rename":
            note("r", arguments[0])
            note("w", arguments[1])

    sys.addaudithook(hook)


if FOLDER and STAGE:
    _watch(os.open(f"{FOLDER}/{STAGE}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
