"""DVC's default remote: configure, check and push."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkroom.base.commands import reason
from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.failures import of_machine
from darkroom.repository.commands import ask_dvc, run_dvc

DEFAULT_REMOTE = "darkroom"
PROBE = "writable"  # file written to the remote by check_remote


def has_remote() -> bool:
    """Whether a default remote is configured."""
    return any(line.startswith("core.remote=") for line in ask_dvc("config", "--list").splitlines())


@contextmanager
def default_remote(url: str | None) -> Iterator[None]:
    """Temporarily use another default remote; the project's configuration is restored afterwards.

    Args:
        url: the remote's URL; None or an empty string keeps the configured remote.
    """
    if not url:
        yield
        return
    from dvc.config import Config

    settings = Path(".dvc") / "config.local"
    before = settings.read_bytes() if settings.is_file() else None
    try:
        # Not by dvc remote add: other users of the machine can read a command's arguments.
        with Config(str(Path(".dvc").resolve())).edit("local") as config:
            config["core"]["remote"] = DEFAULT_REMOTE
            config["remote"][DEFAULT_REMOTE] = {"url": url}
        yield
    finally:
        if before is not None:
            settings.write_bytes(before)
        else:
            settings.unlink(missing_ok=True)


def check_remote(*, writing: bool = True) -> None:
    """Check that the default remote is readable and writable, by writing a small file.

    Testing for existence is not enough: a new remote's folder does not exist yet, nor does one in a missing bucket.

    Args:
        writing: False checks only that there is something in it that can be read.

    Raises:
        InputError: the remote is unreachable, does not exist, or denies access.
    """
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            remote = repo.cloud.get_remote()
            if not writing:
                remote.fs.ls(remote.path)
                return
            remote.fs.exists(remote.path)
            remote.fs.makedirs(remote.path)
            remote.fs.pipe_file(
                remote.fs.join(remote.path, PROBE), b"Written by darkroom retrain to check write access.\n"
            )
    except Exception as error:  # each kind of remote raises its own errors
        if of_machine(error):
            raise
        raise InputError(
            f"the DVC remote is not readable and writable ({reason(str(error))}); check its URL (dvc remote list, or "
            "DVC_REMOTE_URL) and credentials (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        ) from None


def push() -> None:
    """Push data, outputs and the run cache to the default remote, so that other machines can reuse finished stages.

    ``dvc push --run-cache`` omits outputs in git (``cache: false``), without which another machine cannot restore a
    stage from the run cache. They are in DVC's local cache too, and are pushed from there.

    Raises:
        DarkroomError: the push failed; DVC has printed the reason.
    """
    run_dvc("push", "--quiet", "--run-cache")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            in_git = {out.hash_info for out in repo.index.outs if not out.use_cache and out.hash_info}
            failed = repo.cloud.push({known for known in in_git if repo.cache.local.exists(known.value)}).failed
    except DvcException as error:
        raise DarkroomError(f"dvc push failed: {error}") from None
    if failed:
        raise DarkroomError(f"dvc push failed for {len(failed)} outputs in git (cache: false); run dvc push again")
