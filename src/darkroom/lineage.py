"""Which code and which data: what git and DVC know at the moment a stage runs."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from darkroom.errors import InputError

DECIDE_ONLY = "DARKROOM_DECIDE_ONLY"
"""Environment variable: why no promotion may be carried out."""
RESULTS = ("dvc.lock", "runs", "reports", "data/expectations.json", "data/splits.csv")
"""What the stages write for git: they change while the pipeline runs, and make nobody's tree dirty."""
SOURCES = (".", *(f":(exclude){place}" for place in RESULTS))
"""Git's words for all the rest of the project."""
SHOWN = 1_000_000
"""Bytes of new files, the smallest first, that a diff holds in full."""


def ask_git(*arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes | None:
    """Ask git, and return its answer as it is.

    Args:
        arguments: of git.
        stdin: what it reads.
        environment: variables for it alone.

    Returns:
        None outside a repository, where git is missing, or where it has no answer.
    """
    command = ["git", *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command, input=stdin, env={**os.environ, **(environment or {})}, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def git(*arguments: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Ask git for text; None outside a repository, where git is missing, or where it has no answer."""
    answer = ask_git(*arguments, environment=environment)
    return None if answer is None else _text(answer).rstrip("\n")


def _text(answer: bytes) -> str:
    """Decode what git says; it hands on the bytes of files in other encodings as they are."""
    return answer.decode("utf-8", "backslashreplace")


class _NewFile(NamedTuple):
    path: bytes
    size: int
    sha256: str


def uncommitted_diff() -> str:
    """Return what differs from the last commit, results aside: what git does not know and does not ignore counts too.

    New files come first, each with the SHA-256 of its content. What follows is a patch, with the new files as far as
    they are not too large; ``git apply`` restores what it shows.
    """
    if git("rev-parse", "HEAD") is None:
        return ""
    new = _new_files()
    names = b"".join(b"new file %s %s\n" % (file.sha256.encode(), file.path) for file in new)
    by_size = sorted(new, key=lambda file: file.size)
    totals = accumulate(file.size for file in by_size)
    shown = [file.path for file, total in zip(by_size, totals, strict=True) if total <= SHOWN]
    with _index_with(shown) as environment:
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary")
        diff = ask_git("diff", *plain, "HEAD", "--", *SOURCES, environment=environment)
    return _text(names + (diff or b""))


def _new_files() -> list[_NewFile]:
    listed = ask_git("ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCES) or b""
    return [_examined(path) for path in listed.split(b"\0") if path]


def _examined(path: bytes) -> _NewFile:
    # A folder is another repository, in which git does not look; a pipe would never end.
    if not os.path.isfile(path):  # noqa: PTH113 - its name may be no text
        return _NewFile(path, SHOWN + 1, "unread")
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return _NewFile(path, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return _NewFile(path, SHOWN + 1, "unread")


@contextmanager
def _index_with(files: Sequence[bytes]) -> Iterator[dict[str, str]]:
    """Give the environment in which git takes new files for tracked ones; its own index stays as it is."""
    index = git("rev-parse", "--git-path", "index")
    if not files or index is None or not Path(index).is_file():
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {"GIT_INDEX_FILE": shutil.copy(index, folder)}
        add = ("--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
        ask_git(*add, stdin=b"\0".join(files), environment=environment)
        yield environment


def tags(stage: str) -> dict[str, str]:
    """Describe a stage's run: git commit, uncommitted changes, DVC experiment."""
    diff = uncommitted_diff()
    return {
        "stage": stage,
        "git_commit": git("rev-parse", "HEAD") or "none",
        "git_uncommitted_diff": hashlib.sha256(diff.encode()).hexdigest()[:16] if diff else "none",
        "dvc_experiment": os.environ.get("DVC_EXP_NAME", "none"),
    }


def short_name() -> str:
    """Return what tells this workspace's runs from others in a list: the DVC experiment, or the commit and a + ."""
    commit = (git("rev-parse", "--short", "HEAD") or "no commit") + ("+" if uncommitted_diff() else "")
    return os.environ.get("DVC_EXP_NAME", commit)


def withheld() -> str | None:
    """Return why this stage may decide but must leave the registry alone; None where it may carry its decision out."""
    if experiment := os.environ.get("DVC_EXP_NAME"):
        return f"DVC experiment {experiment}"
    return os.environ.get(DECIDE_ONLY) or None


def lock_digest(dvc_lock: str) -> str:
    """Return a digest of what a dvc.lock says of all stages but promotion, which is not reproduced but decided anew.

    Args:
        dvc_lock: the text of the file; empty where there is none.

    Raises:
        InputError: it cannot be read.
    """
    stages = {name: stage for name, stage in locked_stages(dvc_lock).items() if name != "promote"}
    return digest_of(stages) if stages else "none"


def digest_of(value: Any) -> str:
    """Return a short digest of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def locked_stages(dvc_lock: str) -> dict[str, Any]:
    """Return what a dvc.lock says of each stage.

    Raises:
        InputError: it cannot be read.
    """
    try:
        lock = YAML(typ="safe", pure=True).load(dvc_lock) or {}
    except YAMLError as error:
        raise InputError(
            f"dvc.lock cannot be read ({str(error).splitlines()[0]}), as after a merge with conflicts; take that of "
            "one side (git checkout HEAD -- dvc.lock), then dvc repro"
        ) from None
    stages: dict[str, Any] = lock.get("stages", {})
    return stages


def current_lock_digest() -> str:
    """Return the digest of the workspace's dvc.lock."""
    return lock_digest(current_lock())


def current_lock() -> str:
    """Return the text of the workspace's dvc.lock; empty where there is none."""
    lock = Path("dvc.lock")
    return lock.read_text(encoding="utf-8") if lock.is_file() else ""


def recorded_runs() -> dict[str, str]:
    """Return the training runs that git has results of, each with the newest commit that holds or held them.

    Commits of branches, tags and DVC experiments count alike.
    """
    log = git("log", "--all", "--format=commit %H", "-p", "-U0", "--no-ext-diff", "--", "runs/*/run.json") or ""
    found: dict[str, str] = {}
    commit = ""
    for line in log.splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line.startswith("+") and '"run_id": "' in line:
            found.setdefault(line.split('"')[3], commit)
    return found
