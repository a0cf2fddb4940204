"""``darkroom retrain``: what CI does when data, parameters or code have changed, in one command."""

import csv
import os
import re
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from darkroom import lineage, repository, services
from darkroom.checks import check_inputs
from darkroom.errors import DarkroomError, InputError
from darkroom.files import read_json, write_json, write_text
from darkroom.lineage import git
from darkroom.params import read_params
from darkroom.repository import ask_dvc, run_dvc, run_git

PROMOTION = Path("reports/promotion.json")
RESULTS = ("dvc.lock", "runs", "reports")
SHORT = 12
PICTURES = ("curves.png", "confusion_matrix.png")
NO_REGISTRY = "no persistent registry: nothing promoted"
REMOTE_URL = "DVC_REMOTE_URL"


def retrain(summary: Path, base: str | None = None) -> None:
    """Pull, run what has changed, push, sum up, and offer the results as a pull request.

    Args:
        summary: folder that gets summary.md and its pictures.
        base: revision to compare with; by default that of the pull request, else the commit of the last results.

    Raises:
        InputError: the tree is dirty, or a secret is wrong.
        DarkroomError: DVC or git failed.
    """
    with services.locked("retrain", 0):
        _require_clean_tree()
        base = base or _base()
        withheld = _withheld()
        without_remote = _without_remote()
        remote = without_remote is None
        _reproduce(remote=remote, withheld=withheld)
        if remote:
            repository.push()
        notes = [note for note in (withheld, without_remote) if note]
        changed = repository.changed_files(*RESULTS)
        text = _summary(base, notes, changed=bool(changed))
        write_text(summary / "summary.md", text + _pictures(summary))
        if step := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(step).open("a", encoding="utf-8") as page:
                page.write(text)
        for note in notes:
            print(note)
        print(f"{summary / 'summary.md'} says what has changed" if changed else "nothing has changed")
        if changed and not _is_pull_request():
            _offer(summary / "summary.md")


def _require_clean_tree() -> None:
    if git("rev-parse", "HEAD") is None:
        raise InputError("this is no git repository with a commit; retraining starts from one: git init, git commit")
    if dirty := repository.changed_files():
        more = f" and {len(dirty) - 1} more" if len(dirty) > 1 else ""
        raise InputError(
            f"the tree is dirty ({dirty[0]}{more}); commit, stash or ignore it, so that results name a commit"
        )


def _is_pull_request() -> bool:
    return os.environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request")


def _base() -> str:
    if branch := os.environ.get("GITHUB_BASE_REF"):
        return f"origin/{branch}"
    # What has changed since the results at hand.
    return git("log", "-1", "--format=%H", "--", "dvc.lock") or "HEAD"


def _withheld() -> str | None:
    """Return why nothing may be promoted; None where it may."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        # A variable that is set but empty is what a missing secret looks like.
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        return NO_REGISTRY
    return "pull request: nothing promoted" if _is_pull_request() else None


def _without_remote() -> str | None:
    """Set DVC's remote to the one that the environment names; return why there is none to use, or None.

    Raises:
        InputError: there is one, but it cannot be read.
    """
    if url := os.environ.get(REMOTE_URL):
        run_dvc("remote", "add", "--quiet", "--local", "--force", "--default", repository.DEFAULT_REMOTE, url)
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


def _reproduce(*, remote: bool, withheld: str | None) -> None:
    data = read_params().data.path
    missing = not Path(data).exists()
    if missing and not remote:
        raise InputError(f"{data} is not here, and there is no DVC remote to pull it from; set {REMOTE_URL}")
    if not missing:
        check_inputs()
    services.check_tracking()
    if services.is_local():
        _restore_store(remote=remote)
    if withheld is None and PROMOTION.is_file() and read_json(PROMOTION).get("withheld"):
        # A decision that was not to be carried out then may be now; DVC runs a stage again whose output was changed.
        write_json(PROMOTION, {})
    repro = partial(run_dvc, "repro", *(("--pull", "--allow-missing") if remote else ()))
    environment = {lineage.DECIDE_ONLY: withheld} if withheld else {}
    try:
        repro(**environment)
    except DarkroomError:
        if not (remote and missing):
            raise
        # The images may be what was missing: to promotion, where a champion of other data must look at them.
        run_dvc("pull", "--quiet", data)
        repro(**environment)


def _restore_store(*, remote: bool) -> None:
    """Fill the new store of a fresh machine, so that there is a champion to compare with and a run to go on with."""
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
        # What cannot be restored is trained anew, or compared with nothing; either is said.
        print(f"not restored: {error}")


def _summary(base: str, notes: Iterable[str], *, changed: bool) -> str:
    if not changed:
        return "# Retraining\n\nNothing has changed: data, parameters and code are those of the results in git.\n"
    decision = read_json(PROMOTION)
    parts = [
        "# Retraining",
        f"**{decision['outcome'].capitalize()}**: {decision['reason']}",
        *(f"> {note}" for note in notes),
        f"Compared with `{_shown(base)}`:",
        "## Metrics",
        _difference("metrics", base, sorted(Path().glob("runs/*/test.json"))),
        "## Parameters",
        _difference("params", base, [Path("params.yaml")]),
        "## Training",
        _curves(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(revision: str) -> str:
    """Shorten a commit; a branch stays what it is."""
    return revision[:SHORT] if re.fullmatch("[0-9a-f]{40}", revision) else revision


def _difference(what: str, base: str, targets: Iterable[Path]) -> str:
    """Return DVC's table of what has changed since a revision."""
    table = ask_dvc(what, "diff", base, "--md", "--targets", *map(str, targets)).strip()
    rows = table.splitlines()[2:]  # below the head and its line
    return table.replace(base, _shown(base)) if rows else "Nothing has changed."


def _curves() -> str:
    """Draw the validation accuracy of each network as Mermaid, which GitHub shows where no picture can be stored."""
    charts = []
    for network in read_params().models:
        history = Path("reports") / network / "history.csv"
        if not history.is_file():
            continue
        with history.open(encoding="utf-8") as file:
            accuracies = [f"{float(row['val_accuracy']):.4f}" for row in csv.DictReader(file)]
        charts.append(
            f'```mermaid\nxychart-beta\n  title "{network}"\n  x-axis "epoch" 1 --> {max(2, len(accuracies))}\n'
            f'  y-axis "validation accuracy" 0 --> 1\n  line [{", ".join(accuracies)}]\n```'
        )
    return "\n\n".join(charts)


def _pictures(folder: Path) -> str:
    """Copy the pictures of all networks beside the summary, and show them."""
    shown = []
    for network in read_params().models:
        for name in PICTURES:
            picture = Path("reports") / network / name
            if picture.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, folder / f"{network}-{name}")
                shown.append(f"![{network}, {picture.stem.replace('_', ' ')}]({network}-{name})")
    return "\n## Pictures\n\n" + "\n\n".join(shown) + "\n" if shown else ""


def _offer(body: Path) -> None:
    """Push the results on a branch of their own, and open a pull request where GitHub's command line is at hand."""
    branch = f"retrain/{lineage.current_lock_digest()}"
    target = os.environ.get("GITHUB_REF_NAME") or git("branch", "--show-current") or "main"
    if git("remote", "get-url", "origin") is None:
        print("no git remote origin: commit dvc.lock, runs and reports yourself")
        return
    github = shutil.which("gh") and os.environ.get("GH_TOKEN")
    # The token goes to git through GitHub's own helper, and onto no disk.
    helper = ("-c", "credential.helper=!gh auth git-credential") if github else ()
    if git(*helper, "ls-remote", "--exit-code", "origin", f"refs/heads/{branch}"):
        print(f"these results are on the branch {branch} already")
        return
    identity = (
        () if git("config", "user.email") else ("-c", "user.name=Darkroom", "-c", "user.email=darkroom@localhost")
    )
    title = f"Retrain: {read_json(PROMOTION)['reason']}"
    run_git("switch", "--quiet", "--create", branch)
    run_git("add", "--", *RESULTS)
    run_git(*identity, "commit", "--quiet", "--message", title)
    run_git(*helper, "push", "--quiet", "origin", branch)
    if github:
        repository.run(
            "gh", "pr", "create", "--base", target, "--head", branch, "--title", title, "--body-file", str(body)
        )
    else:
        print(f"pushed the branch {branch}; open a pull request from it to {target}")
