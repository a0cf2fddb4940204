"""``darkroom retrain``: the CI workflow after changes of data, parameters or code, in one command.

Results are pushed to the DVC remote and to git before a champion is registered.
"""

import os
from functools import partial
from pathlib import Path

from darkroom import repository
from darkroom.base import project
from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.files import is_there, read_json, read_mapping, write_json
from darkroom.base.git import git, head
from darkroom.maintenance import offering, summary
from darkroom.maintenance.check import check_inputs
from darkroom.maintenance.offering import PROMOTION
from darkroom.params import read_params
from darkroom.repository import run_dvc
from darkroom.tracking import address, lineage
from darkroom.tracking.diff import SOURCES

BEFORE_PROMOTION = ("evaluate", "overview")
NO_REGISTRY = "no persistent registry: nothing promoted"
REMOTE_URL = "DVC_REMOTE_URL"
PICTURES, DESCRIBED, FEATURES = Path("data/pictures.parquet"), Path("data/described"), Path("data/features")


def retrain(folder: Path, base: str | None = None) -> None:
    """Pull, run changed stages, push, promote, summarise, and open a pull request with the results.

    Args:
        folder: output folder of summary.md and its pictures.
        base: revision to compare with; default: the pull request's base, else the commit of the last results.

    Raises:
        InputError: the tree is dirty, a secret is wrong, or another process locks DVC or the tracking store.
        DarkroomError: a stage, DVC or git failed.
    """
    with project.locked("retrain", 0):
        _require_clean_tree()
        _require_readable_results()
        base = _revision(base or _base())
        repository.require_idle()
        with repository.default_remote(os.environ.get(REMOTE_URL)):
            _retrain(folder, base)


def _retrain(folder: Path, base: str) -> None:
    without_remote = _without_remote()
    remote, withheld = without_remote is None, _withheld(without_remote)
    notes = [note for note in (withheld, without_remote) if note]
    before, page = offering.tree(), summary.without_decision(notes)
    try:
        notes += _open(remote=remote)
        page = summary.without_decision(notes)
        _pull_earlier(remote=remote)
        _reproduce(*BEFORE_PROMOTION, remote=remote)
        _push(remote=remote)
        saved = None if withheld else offering.save()
        _promote(remote=remote, withheld=withheld)
        after = offering.tree()
        offered = after != offering.committed_tree()
        page = summary.changed(base, notes) if offered else summary.unchanged(notes)
        _push(remote=remote)
        for note in notes:
            print(note)
        print(f"changes: {folder / 'summary.md'}" if after != before else "nothing has changed")
        if offered and not _is_pull_request():
            print(offering.offer(page, saved))
    except DarkroomError as error:
        page += f"\n> stopped: {error}\n"
        raise
    finally:
        summary.write(folder, page)


def _require_clean_tree() -> None:
    if head() is None:
        raise InputError(
            "no git repository with a commit found, which retraining requires; run git init and git commit"
        )
    # Uncommitted results are those of the last retraining, which is completed now.
    if dirty := repository.changed_files(*SOURCES):
        more = f" and {len(dirty) - 1} more" if len(dirty) > 1 else ""
        raise InputError(
            f"the tree is dirty ({dirty[0]}{more}); commit, stash or ignore it, so that results refer to a commit"
        )
    if torn := git("diff", "--name-only", "--diff-filter=U"):
        raise InputError(
            f"{torn.splitlines()[0]} has merge conflicts; finish the merge with git commit, or run git merge --abort"
        )


def _require_readable_results() -> None:
    lineage.current_lock_digest()
    for path in (PROMOTION, *sorted(Path().glob("runs/*/*.json"))):
        if is_there(path):
            read_json(path)


def _is_pull_request() -> bool:
    return os.environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request")


def _base() -> str:
    if branch := os.environ.get("GITHUB_BASE_REF"):
        return f"origin/{branch}"
    # The commit of the current results.
    return git("log", "-1", "--format=%H", "--", "dvc.lock") or "HEAD"


def _revision(name: str) -> str:
    if git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}") is None:
        raise InputError(f"--base {name}: no such revision; see git log, or run git fetch")
    return name


def _without_remote() -> str | None:
    """Return why no DVC remote is used; None if there is one.

    Raises:
        InputError: the remote is not accessible.
    """
    if not repository.has_remote():
        return f"no DVC remote: nothing pulled or pushed (set {REMOTE_URL}, or dvc remote add --default)"
    try:
        repository.check_remote(writing=not _is_pull_request())
    except InputError:
        # Pull requests from forks have no access to secrets.
        if not _is_pull_request():
            raise
        return "pull request without access to the DVC remote: nothing pulled or pushed"
    return None


def _withheld(without_remote: str | None) -> str | None:
    """Return why promotion is a dry run; None if it is not."""
    if _is_pull_request():
        return "pull request: nothing promoted"
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return NO_REGISTRY
    if without_remote:
        return f"{NO_REGISTRY}, since no DVC remote would store the champion's data"
    return lineage.dry_run_reason()


def _open(*, remote: bool) -> list[str]:
    """Check the inputs and open the tracking store; return notes for the summary.

    Raises:
        InputError: an input is missing, invalid or not accessible.
    """
    data = read_params().data.path
    if Path(data).exists():
        check_inputs()
    elif not remote:
        raise InputError(f"{data} does not exist, and there is no DVC remote to pull it from; set {REMOTE_URL}")
    from darkroom.tracking import store

    store.open_store()
    return _restore_store(remote=remote) if address.is_local() else []


def _restore_store(*, remote: bool) -> list[str]:
    """Restore runs and champion to the store of a new machine, for comparison and continuation.

    Returns:
        A warning if something could not be restored; it is trained again, or there is no comparison.
    """
    from darkroom.maintenance import restore

    networks = restore.networks_of(Path())
    try:
        if networks and remote:
            targets = sorted({target for network in networks for target in restore.targets_of(network)})
            run_dvc("pull", "--quiet", "--allow-missing", *targets)
        for line in restore.restore():
            print(line)
    except DarkroomError as error:
        return [f"not restored: {error}"]
    return []


def _pull_earlier(*, remote: bool) -> None:
    """Pull what stages take from before, or as a whole, which ``dvc repro --pull --allow-missing`` leaves out.

    DVC pulls no output of a stage that it runs again: not the earlier pictures, nor features that still fit. Of the
    folder of all networks' features, on which ``describe`` depends, it would take what is there for the whole.
    """
    features = [FEATURES / network for network in read_params().models]
    if remote and (missing := [path for path in (PICTURES, DESCRIBED, *features) if not path.exists()]):
        run_dvc("pull", "--quiet", "--allow-missing", *map(str, missing))


def _reproduce(*targets: str, remote: bool, **environment: str) -> None:
    """Run changed stages."""
    try:
        run_dvc("repro", *targets, *(("--pull", "--allow-missing") if remote else ()), **environment)
    except DarkroomError:
        # Report another running DVC command as the cause.
        repository.require_idle()
        raise


def _push(*, remote: bool) -> None:
    """Push the results, unless they are a pull request's: what nobody has reviewed is not reused after the merge."""
    if remote and not _is_pull_request():
        repository.push()


def _promote(*, remote: bool, withheld: str | None) -> None:
    """Run the rest of the pipeline: promotion."""
    from darkroom.promotion import predictions

    if withheld is None and is_there(PROMOTION) and read_mapping(PROMOTION).get("withheld"):
        # The last decision was a dry run; changing its output makes DVC run the stage again.
        write_json(PROMOTION, {})
    reproduce = partial(_reproduce, remote=remote, **({lineage.DECIDE_ONLY: withheld} if withheld else {}))
    missing_input = predictions.missing_input()
    asked: set[str] = set()
    while True:
        missing_input.unlink(missing_ok=True)
        try:
            reproduce()
        except DarkroomError:
            wanted = missing_input.read_text(encoding="utf-8") if missing_input.exists() else None
            if not remote or wanted is None or wanted in asked:
                raise
            # A champion trained on other data must predict the test images, which only promotion may lack.
            asked.add(wanted)
            run_dvc("pull", "--quiet", wanted)
        else:
            return
