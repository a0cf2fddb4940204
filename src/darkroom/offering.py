"""The results of a retraining on their way to git: a commit on a branch of its own, and a pull request.

All of it is done beside the user's own branch, index and files, which stay as they are.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from darkroom import lineage, repository
from darkroom.files import parse_json, read_json
from darkroom.lineage import RESULTS, git

PROMOTION = Path("reports/promotion.json")
DECIDED = ("withheld", "champion_run_id", "candidate")
"""What a decision is known by; the words of its reason change when it is made a second time."""


def tree() -> str:
    """Return git's name of the last commit's files together with the workspace's results.

    Raises:
        DarkroomError: git cannot store them.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        repository.run("git", "read-tree", "HEAD", environment=own)
        there = [place for place in RESULTS if Path(place).exists()]
        if there:
            repository.run("git", "add", "--all", "--", *there, environment=own)
        return repository.run("git", "write-tree", environment=own).strip()


def committed_tree() -> str | None:
    """Return git's name of the last commit's files."""
    return git("rev-parse", "HEAD^{tree}")


def save() -> str | None:
    """Push results that git lacks onto their branch, before anything is decided about them.

    Returns:
        The commit; None where there is nothing to push, or nowhere.

    Raises:
        DarkroomError: git refuses.
    """
    if not _has_origin() or tree() == committed_tree() or _tip(_branch()):
        return None
    commit = _commit("HEAD", "Results of a retraining, before its decision")
    _push(commit, _branch())
    return commit


def offer(page: str, saved: str | None) -> str:
    """Push the results with the decision, and open a pull request where GitHub's command line is at hand.

    Args:
        page: what the pull request says.
        saved: the commit that ``save`` has pushed.

    Returns:
        A line that says what was done.

    Raises:
        DarkroomError: git or GitHub refuses.
    """
    if not _has_origin():
        return "no git remote origin: commit dvc.lock, data, runs and reports yourself"
    decision = read_json(PROMOTION)
    known = _known_by(lineage.current_lock(), decision)
    branch, tip = _branch(), _tip(_branch())
    if tip not in {None, saved} and _offered(str(tip)) != known:
        # The same results, decided otherwise.
        branch = f"{branch}-{known}"
        tip = _tip(branch)
    title = f"Retrain: {decision['reason']}"
    new = tip in {None, saved}
    if new:
        _push(_commit(saved or "HEAD", title), branch)
    done = f"pushed the branch {branch}" if new else f"these results are on the branch {branch} already"
    target = os.environ.get("GITHUB_REF_NAME") or git("branch", "--show-current") or "main"
    if not _github():
        return f"{done}; open a pull request from it to {target}" if new else done
    # A pull request that was closed stays closed, unless there is something new to say.
    of_branch = ("--head", branch, "--state", "open" if new else "all")
    if found := repository.run("gh", "pr", "list", *of_branch, "--json", "url", "--jq", ".[].url").split():
        return f"{done}: {found[0]}"
    ends = ("--base", target, "--head", branch)
    opened = repository.run("gh", "pr", "create", *ends, "--title", title, "--body-file", "-", stdin=page)
    return f"{done}: {opened.strip()}"


def _branch() -> str:
    """Name the branch of these results, whatever is decided about them."""
    return f"retrain/{lineage.current_lock_digest()}"


def _known_by(dvc_lock: str, decision: dict[str, Any]) -> str:
    """Return a digest of what is offered: all results, by what rules they were judged, and what follows from it."""
    stages = lineage.locked_stages(dvc_lock)
    stages["promote"] = {key: value for key, value in stages.get("promote", {}).items() if key != "outs"}
    return lineage.digest_of([stages, {key: decision.get(key) for key in DECIDED}])


def _offered(commit: str) -> str:
    lock, decision = (git("show", f"{commit}:./{name}") or "" for name in ("dvc.lock", PROMOTION))
    return _known_by(lock, parse_json(decision, f"{commit}:{PROMOTION}") if decision else {})


def _has_origin() -> bool:
    return git("remote", "get-url", "origin") is not None


def _github() -> bool:
    return bool(shutil.which("gh") and os.environ.get("GH_TOKEN"))


def _access() -> tuple[str, ...]:
    """Let git take the token through GitHub's own helper, so that it comes onto no disk."""
    return ("-c", "credential.helper=!gh auth git-credential") if _github() else ()


def _tip(branch: str) -> str | None:
    """Fetch a branch of origin; return its commit, or None where there is none."""
    if git(*_access(), "fetch", "--quiet", "origin", f"refs/heads/{branch}") is None:
        return None
    return git("rev-parse", "FETCH_HEAD")


def _commit(parent: str, title: str) -> str:
    """Store the results on top of a commit; return the new one."""
    known = git("config", "user.email")
    identity = () if known else ("-c", "user.name=Darkroom", "-c", "user.email=darkroom@localhost")
    return repository.run("git", *identity, "commit-tree", tree(), "-p", parent, "-m", title).strip()


def _push(commit: str, branch: str) -> None:
    repository.run_git(*_access(), "push", "--quiet", "origin", f"{commit}:refs/heads/{branch}")
