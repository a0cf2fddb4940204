"""``darkroom retrain``: what CI does when data, parameters or code have changed, in one command.

What a champion would be made of is in the DVC remote and in git before the registry hears of it.
"""

import os
from functools import partial
from pathlib import Path

from darkroom import lineage, offering, repository, services, summary
from darkroom.checks import check_inputs
from darkroom.errors import DarkroomError, InputError
from darkroom.files import read_json, write_json
from darkroom.lineage import SOURCES, git
from darkroom.offering import PROMOTION
from darkroom.params import read_params
from darkroom.repository import run_dvc

BEFORE_PROMOTION = "evaluate"
NO_REGISTRY = "no persistent registry: nothing promoted"
REMOTE_URL = "DVC_REMOTE_URL"


def retrain(folder: Path, base: str | None = None) -> None:
    """Pull, run what has changed, push, decide, sum up, and offer the results as a pull request.

    Args:
        folder: it gets summary.md and its pictures.
        base: revision to compare with; by default that of the pull request, else the commit of the last results.

    Raises:
        InputError: the tree is dirty, a secret is wrong, or another process holds DVC or the tracking store.
        DarkroomError: a stage, DVC or git failed.
    """
    with services.locked("retrain", 0):
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
        _reproduce(BEFORE_PROMOTION, remote=remote)
        _push(remote=remote)
        saved = None if withheld else offering.save()
        _promote(remote=remote, withheld=withheld)
        after = offering.tree()
        offered = after != offering.committed_tree()
        page = summary.changed(base, notes) if offered else summary.unchanged(notes)
        _push(remote=remote)
        for note in notes:
            print(note)
        print(f"{folder / 'summary.md'} says what has changed" if after != before else "nothing has changed")
        if offered and not _is_pull_request():
            print(offering.offer(page, saved))
    except DarkroomError as error:
        page += f"\n> stopped: {error}\n"
        raise
    finally:
        summary.write(folder, page)


def _require_clean_tree() -> None:
    if git("rev-parse", "HEAD") is None:
        raise InputError("this is no git repository with a commit; retraining starts from one: git init, git commit")
    # Results that are not committed are those of the last retraining; what is left to do about them is done now.
    if dirty := repository.changed_files(*SOURCES):
        more = f" and {len(dirty) - 1} more" if len(dirty) > 1 else ""
        raise InputError(
            f"the tree is dirty ({dirty[0]}{more}); commit, stash or ignore it, so that results name a commit"
        )
    if torn := git("diff", "--name-only", "--diff-filter=U"):
        raise InputError(f"{torn.splitlines()[0]} is in conflict; end the merge with git commit, or git merge --abort")


def _require_readable_results() -> None:
    lineage.current_lock_digest()
    for path in (PROMOTION, *sorted(Path().glob("runs/*/*.json"))):
        if path.is_file():
            read_json(path)


def _is_pull_request() -> bool:
    return os.environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request")


def _base() -> str:
    if branch := os.environ.get("GITHUB_BASE_REF"):
        return f"origin/{branch}"
    # What has changed since the results at hand.
    return git("log", "-1", "--format=%H", "--", "dvc.lock") or "HEAD"


def _revision(name: str) -> str:
    if git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}") is None:
        raise InputError(f"--base {name}: no such revision; git log lists them, git fetch brings those of others")
    return name


def _without_remote() -> str | None:
    """Return why there is no DVC remote to use; None where there is one.

    Raises:
        InputError: there is one, but it cannot be used.
    """
    if not repository.has_remote():
        return f"no DVC remote: nothing pulled or pushed (set {REMOTE_URL}, or dvc remote add --default)"
    try:
        repository.reach_remote()
    except InputError:
        # The pull request of a fork gets no keys.
        if not _is_pull_request():
            raise
        return "pull request without access to the DVC remote: nothing pulled or pushed"
    return None


def _withheld(without_remote: str | None) -> str | None:
    """Return why nothing may be promoted; None where it may."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        # A variable that is set but empty is what a missing secret looks like.
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        return NO_REGISTRY
    if _is_pull_request():
        return "pull request: nothing promoted"
    if without_remote:
        return f"{NO_REGISTRY}, since no DVC remote would keep what the champion is made of"
    return lineage.withheld()


def _open(*, remote: bool) -> list[str]:
    """Check what the work needs, and open the tracking store; return what is to be said about it.

    Raises:
        InputError: something is missing, wrong or refused.
    """
    data = read_params().data.path
    if Path(data).exists():
        check_inputs()
    elif not remote:
        raise InputError(f"{data} is not here, and there is no DVC remote to pull it from; set {REMOTE_URL}")
    from darkroom import tracking

    tracking.open_store()
    return _restore_store(remote=remote) if services.is_local() else []


def _restore_store(*, remote: bool) -> list[str]:
    """Fill the new store of a fresh machine, so that there is a champion to compare with and a run to go on with.

    Returns:
        A warning for what could not be restored: it is trained anew, or compared with nothing.
    """
    from darkroom import restoring

    networks = restoring.networks_of(Path())
    try:
        if networks and remote:
            lock = restoring.lock_of(Path())
            targets = sorted({name for network in networks for name in restoring.outputs_of(network, lock)})
            run_dvc("pull", "--quiet", "--allow-missing", *targets)
        for line in restoring.restore():
            print(line)
    except DarkroomError as error:
        return [f"not restored: {error}"]
    return []


def _reproduce(*targets: str, remote: bool, **environment: str) -> None:
    """Run what has changed."""
    try:
        run_dvc("repro", *targets, *(("--pull", "--allow-missing") if remote else ()), **environment)
    except DarkroomError:
        # If another DVC came between, that is the reason.
        repository.require_idle()
        raise


def _push(*, remote: bool) -> None:
    if remote:
        repository.push()


def _promote(*, remote: bool, withheld: str | None) -> None:
    """Let the rest of the pipeline run: promotion."""
    from darkroom.stages import promote

    if withheld is None and PROMOTION.is_file() and read_json(PROMOTION).get("withheld"):
        # A decision that was not to be carried out then may be now; DVC runs a stage again whose output was changed.
        write_json(PROMOTION, {})
    reproduce = partial(_reproduce, remote=remote, **({lineage.DECIDE_ONLY: withheld} if withheld else {}))
    wish = promote.wish()
    asked: set[str] = set()
    while True:
        wish.unlink(missing_ok=True)
        try:
            reproduce()
        except DarkroomError:
            wanted = wish.read_text(encoding="utf-8") if wish.exists() else None
            if not remote or wanted is None or wanted in asked:
                raise
            # A champion of other data must look at the images themselves, and predictions may be elsewhere; promotion
            # is the only stage that may lack them.
            asked.add(wanted)
            run_dvc("pull", "--quiet", wanted)
        else:
            return
