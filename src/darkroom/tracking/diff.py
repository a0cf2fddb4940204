"""The uncommitted changes of a run's code."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from darkroom.base.git import ask_git, decode, git, head
from darkroom.params import Untracked

RESULTS = ("dvc.lock", "runs", "reports", "data/expectations.json", "data/splits.csv")
"""Stage outputs tracked by git. They change while the pipeline runs and do not count as uncommitted changes."""
SOURCES = (".", *(f":(exclude){place}" for place in RESULTS))
"""Git pathspecs of all other files in the project."""
SHOWN = 1_000_000
"""Maximum total size in bytes of the new files that a diff contains in full if asked; the smallest come first."""


class _NewFile(NamedTuple):
    path: bytes
    size: int
    sha256: str


def uncommitted_diff(untracked: Untracked = "hash") -> str:
    """Return the difference between the working tree and the last commit, without stage outputs.

    The text lists new files (untracked, not ignored) with the SHA-256 of their content, followed by a patch for
    ``git apply``.

    Args:
        untracked: ``content``: the patch contains new files too, up to ``SHOWN`` bytes in total.
    """
    if head() is None:
        return ""
    new = _new_files()
    names = b"".join(b"new file %s %s\n" % (file.sha256.encode(), file.path) for file in new)
    by_size = sorted(new, key=lambda file: file.size)
    totals = accumulate(file.size for file in by_size)
    shown = [file.path for file, total in zip(by_size, totals, strict=True) if total <= SHOWN]
    shown = shown if untracked == "content" else []
    with _index_with(shown) as environment:
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary")
        diff = ask_git("diff", *plain, "HEAD", "--", *SOURCES, environment=environment)
    return decode(names + (diff or b""))


def _new_files() -> list[_NewFile]:
    listed = ask_git("ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCES) or b""
    return [_new_file(path) for path in listed.split(b"\0") if path]


def _new_file(path: bytes) -> _NewFile:
    # A folder here is a nested repository, which git does not list; reading a pipe would block.
    if not os.path.isfile(path):  # noqa: PTH113 - the name may not be valid text
        return _NewFile(path, SHOWN + 1, "unread")
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return _NewFile(path, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return _NewFile(path, SHOWN + 1, "unread")


@contextmanager
def _index_with(files: Sequence[bytes]) -> Iterator[dict[str, str]]:
    """Yield an environment in which git treats new files as tracked, by a copy of its index."""
    index = git("rev-parse", "--git-path", "index")
    if not files or index is None or not Path(index).is_file():
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {"GIT_INDEX_FILE": shutil.copy(index, folder)}
        add = ("--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
        ask_git(*add, stdin=b"\0".join(files), environment=environment)
        yield environment
