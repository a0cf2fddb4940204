"""Push the results of a retraining to a separate branch, and open a pull request.

The user's branch, index and files are not changed.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from darkroom import repository
from darkroom.base import commands
from darkroom.base.files import parse_json, read_mapping
from darkroom.base.git import git
from darkroom.base.terminal import shown
from darkroom.tracking import lineage
from darkroom.tracking.diff import RESULTS

PROMOTION = Path("reports/promotion.json")
DECIDED = ("withheld", "champion_run_id", "candidate")
"""Fields that identify a decision; its reason may be worded differently when it is repeated."""


def tree() -> str:
    """Return git's tree id of the last commit with the workspace's results.

    Raises:
        DarkroomError: git cannot write the tree.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        commands.run("git", "read-tree", "HEAD", environment=own)
        existing = [place for place in RESULTS if Path(place).exists()]
        if existing:
            commands.run("git", "add", "--all", "--", *existing, environment=own)
        return commands.run("git", "write-tree", environment=own).strip()


def committed_tree() -> str | None:
    """Return git's tree id of the last commit."""
    return git("rev-parse", "HEAD^{tree}")


def save() -> str | None:
    """Push new results to their branch before promotion decides.

    Returns:
        The commit; None if there are no new results or no remote.

    Raises:
        DarkroomError: git refuses.
    """
    if not _has_origin() or tree() == committed_tree() or _tip(_branch()):
        return None
    commit = _commit("HEAD", "Results of a retraining, before its decision")
    _push(commit, _branch())
    return commit


def offer(page: str, saved: str | None) -> str:
    """Push the results with the decision, and open a pull request if GitHub's command line is available.

    Args:
        page: body of the pull request.
        saved: the commit that ``save`` pushed.

    Returns:
        A line about what was done.

    Raises:
        DarkroomError: git or GitHub refuses.
    """
    if not _has_origin():
        return "no git remote origin; commit dvc.lock, data, runs and reports yourself"
    decision = read_mapping(PROMOTION)
    known = _offer_digest(lineage.current_lock(), decision)
    branch, tip = _branch(), _tip(_branch())
    if tip not in {None, saved} and _offered(str(tip)) != known:
        # The same results with another decision.
        branch = f"{branch}-{known}"
        tip = _tip(branch)
    title = f"Retrain: {shown(decision['reason'])}"
    new = tip in {None, saved}
    if new:
        _push(_commit(saved or "HEAD", title), branch)
    done = f"pushed the branch {branch}" if new else f"these results are on the branch {branch} already"
    target = os.environ.get("GITHUB_REF_NAME") or git("branch", "--show-current") or "main"
    if not _github():
        return f"{done}; open a pull request from it to {target}" if new else done
    # A closed pull request stays closed unless there are new results.
    of_branch = ("--head", branch, "--state", "open" if new else "all")
    if found := commands.run("gh", "pr", "list", *of_branch, "--json", "url", "--jq", ".[].url").split():
        return f"{done}: {found[0]}"
    branches = ("--base", target, "--head", branch)
    opened = commands.run("gh", "pr", "create", *branches, "--title", title, "--body-file", "-", stdin=page)
    return f"{done}: {opened.strip()}"


def _branch() -> str:
    """Return the branch name of these results, independent of the decision."""
    return f"retrain/{lineage.current_lock_digest()}"


def _offer_digest(dvc_lock: str, decision: dict[str, Any]) -> str:
    """Return a digest of all results, the promotion rules and the decision."""
    locked = lineage.locked_stages(dvc_lock)
    stages = {name: stage for name, stage in locked.items() if not lineage.no_model_depends_on(name)}
    stages["promote"] = {key: value for key, value in locked.get("promote", {}).items() if key != "outs"}
    return lineage.digest_of([stages, {key: decision.get(key) for key in DECIDED}])


def _offered(commit: str) -> str:
    lock, decision = (git("show", f"{commit}:./{name}") or "" for name in ("dvc.lock", PROMOTION))
    return _offer_digest(lock, parse_json(decision, f"{commit}:{PROMOTION}") if decision else {})


def _has_origin() -> bool:
    return git("remote", "get-url", "origin") is not None


def _github() -> bool:
    return bool(shutil.which("gh") and os.environ.get("GH_TOKEN"))


def _access() -> tuple[str, ...]:
    """Return git options that use GitHub's credential helper, so that the token is not stored on disk."""
    return ("-c", "credential.helper=!gh auth git-credential") if _github() else ()


def _tip(branch: str) -> str | None:
    """Fetch a branch of origin; return its commit, or None if it does not exist."""
    if git(*_access(), "fetch", "--quiet", "origin", f"refs/heads/{branch}") is None:
        return None
    return git("rev-parse", "FETCH_HEAD")


def _commit(parent: str, title: str) -> str:
    """Commit the results on top of a commit; return the new one."""
    known = git("config", "user.email")
    identity = () if known else ("-c", "user.name=Darkroom", "-c", "user.email=darkroom@localhost")
    return commands.run("git", *identity, "commit-tree", tree(), "-p", parent, "-m", title).strip()


def _push(commit: str, branch: str) -> None:
    repository.run_git(*_access(), "push", "--quiet", "origin", f"{commit}:refs/heads/{branch}")
