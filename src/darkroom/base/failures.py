"""The last resort for errors at the entry points: one line on the terminal, the rest in a report.

Expected errors are ``DarkroomError`` and raised where they are understood. Here come those that may happen anywhere
(full disk, no memory, a server that dies), and those that nobody has thought of.
"""

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from darkroom.base.credentials import hide
from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.files import write_text
from darkroom.base.project import project_root
from darkroom.base.terminal import shown, shown_lines

INTERRUPTED = 130
SERVER = 2
"""Exit code if the MLflow server stops answering: it is a service of the user's."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_TEXTS = ("No space left on device", "database or disk is full", "Disk quota exceeded", "File too large")
"""What libraries in C and C++ say instead of setting an error number."""
OF_PATHS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
"""What the system says of paths that are not what somebody took them for, or may not be used."""
LARGEST_LINE = 500
"""Characters of an unexpected error's message that are printed; the report has all of it."""


def tell(name: str, error: BaseException) -> int:
    """Print an error in lines that begin with a name, without passwords, and return the exit code.

    Args:
        name: of the stage or command.
        error: what ended it. A report with the traceback is written unless the error is understood.
    """
    text, code = _describe(name, error)
    with suppress(OSError):  # standard error may be a file on the full disk
        for line in hide(text).rstrip("\n").split("\n"):
            print(f"{name}: {shown(line)}", file=sys.stderr)
        sys.stderr.flush()
    return code


def _describe(name: str, error: BaseException) -> tuple[str, int]:
    """Return what happened, and the exit code."""
    chain = list(_chain(error))
    # What is cleaned up after Ctrl-C may fail in turn.
    if any(isinstance(each, KeyboardInterrupt) for each in chain):
        return "interrupted", INTERRUPTED
    if isinstance(error, DarkroomError):
        return str(error), error.exit_code
    for each in chain:
        if found := _common(each):
            return found
    if isinstance(error, OSError) and error.errno in OF_PATHS and error.filename:
        return f"{error.filename} cannot be used ({error.strerror}); change its rights, or name another place", 2
    line = " ".join(str(error).split())[:LARGEST_LINE]
    what = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return f"unexpected error, {what}; {_report(name, error)}", 1


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it was raised from or during, and so on."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has none, without passwords and error numbers."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return hide(line.removeprefix(f"[Errno {error.errno}] ") if isinstance(error, OSError) else line)


def of_full_disk(error: BaseException) -> bool:
    """Return whether an error, or one behind it, is that of a full disk, which no other remedy helps against."""
    return any(map(_is_full, _chain(error)))


def of_machine(error: BaseException) -> bool:
    """Return whether an error, or one behind it, says that the disk is full or that there is too little memory.

    Code that takes any error of a library for the fault of its input lets these pass.
    """
    return any(_is_full(each) or _is_of_memory(each) for each in _chain(error))


def _is_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _is_full(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in FULL) or any(known in str(error) for known in FULL_TEXTS)


def _common(error: BaseException) -> tuple[str, int] | None:
    """Return what happened and the exit code for an error that may happen anywhere; None for any other."""
    text = str(error)
    if _is_full(error):
        where = getattr(error, "filename", None)
        line = (
            f"no space left on the disk{f' for {where}' if where else ''}, or the file is larger than allowed; free "
            "space (darkroom clean shows what can go), then run the same command again"
        )
        return line, 1
    if _is_of_memory(error):
        return "out of memory; close other programs, or reduce preprocess.size, batch_size or search.workers", 1
    if isinstance(error, RecursionError):
        return "the input is nested too deeply (recursion limit); flatten the file that the stage or command reads", 1
    library = type(error).__module__.partition(".")[0]
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    unanswered = library in {"requests", "urllib3"} or (library == "mlflow" and text.startswith("API request to "))
    if unanswered and server.lower().startswith("http"):
        line = (
            f"the MLflow server {server} has stopped answering, or answers with errors; start it or look at its log, "
            "then run the same command again to continue"
        )
        return line, SERVER
    return None


def _state() -> str:
    return str(project_root() / ".darkroom")


def _report(name: str, error: BaseException) -> str:
    """Write the traceback to a file; return where it is."""
    # A name of a file in it may not be UTF-8, which a report must not fail of.
    text = shown_lines(hide(f"{' '.join(sys.argv)}\n\n{''.join(traceback.format_exception(error))}"))
    file = f"failure-{''.join(letter if letter.isalnum() else '-' for letter in name)}.txt"
    for place in (_state, tempfile.gettempdir):
        with suppress(OSError, InputError):
            path = Path(place()) / file
            write_text(path, text)
            return f"the report is in {path}"
    return f"no report could be written, so here it is:\n{text}"
