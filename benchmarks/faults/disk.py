"""Stages that run on a full disk, and again after space was freed. Linux, and mounts must be allowed."""

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.faults.project import OF_NETWORK, STAGES, TRACKED, Compared, Ended, Project, compared, make

ALONE = ("unshare", "--map-root-user", "--mount")
"""Runs a command in a mount namespace of its own."""
SIZE = 400_000_000  # bytes of a file system
BALLAST = ".ballast"
"""The file that fills a disk; the project's git ignores it."""
WHOLE, TEMPORARY = ".", "TMPDIR"
SEARCH, TRAIN, EVALUATE = TRACKED[:3]
PLACES: dict[str, tuple[str, ...]] = {
    WHOLE: STAGES,
    "data": ("ingest", "validate", "split", "preprocess", OF_NETWORK[0], "describe"),
    "reports": ("validate", "split", "preview", "describe", "overview", *TRACKED, "report"),
    "models": (TRAIN,),
    "runs": (SEARCH, TRAIN, EVALUATE),
    "mlartifacts": TRACKED,
    ".darkroom": ("ingest", SEARCH, TRAIN),
    ".dvc/cache": STAGES,
    TEMPORARY: STAGES,
}
"""Folders of a project that are file systems of their own, and the stages that write there. ``TMPDIR`` is outside."""
SAID = ("no space left on the disk", "No space left on device", "database or disk is full", "No usable temporary")
"""How Darkroom, and DVC where it fails before or after the stage, say that a disk is full."""


class Attempt(NamedTuple):
    """A stage on a full disk."""

    place: str
    stage: str
    left: int
    """Free bytes when it was started."""
    full: Ended
    """The run on the full disk."""
    repaired: bool
    """Whether ``dvc repro`` failed after space was freed until ``darkroom check --inputs`` had repaired its files."""
    again: Ended
    """The run after space was freed."""

    @property
    def fitted(self) -> bool:
        """Whether there was space enough."""
        return self.full.code == 0

    @property
    def title(self) -> str:
        """Where it was."""
        return f"{self.place}, {self.stage}"

    @property
    def fault(self) -> str:
        """What is wrong, or nothing."""
        if self.again.code:
            return f"not recovered: {self.again.printed[-2000:]}"
        if self.fitted:
            return ""
        if "Traceback" in self.full.printed:
            return f"traceback: {self.full.printed[-4000:]}"
        said = [line for line in self.full.printed.splitlines() if any(words in line for words in SAID)]
        return "" if len(said) == 1 or self.of_dvc else f"{len(said)} lines say so: {self.full.printed[-2000:]}"

    @property
    def of_dvc(self) -> bool:
        """Whether DVC itself failed, before or after the stage, and said so in its own words."""
        errors = [line for line in self.full.printed.splitlines() if line.startswith("ERROR: ")]
        # It says so of each file that it cannot store, and then of the stage.
        return bool(errors) and not any("failed to run:" in line for line in errors)


def run(places: list[str], seed: int) -> Iterator[Attempt | Compared]:
    """Fill the disk of each place before each stage that writes there; yield each attempt, and results that differ.

    Call it in a mount namespace of its own, see ``in_own_namespace``.

    Args:
        places: keys of ``PLACES``.
        seed: of the free space, from nothing to what the stage needs.
    """
    amounts = random.Random(seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        template = make(folder / "template")
        with (template.root / ".git" / "info" / "exclude").open("a", encoding="utf-8") as excluded:
            excluded.write(f"{BALLAST}\n")
        undisturbed = template.copy(folder / "undisturbed")
        needs = {stage: _needs(undisturbed, stage) for stage in STAGES}
        expected = undisturbed.results()
        for place in places:
            with mounted(template, folder / "full", place) as (project, at):
                for stage in STAGES:
                    if stage not in PLACES[place]:
                        project.require("dvc", "repro", stage)
                        continue
                    for left in (0, int(amounts.random() * needs[stage])):
                        yield attempt(project, at, (place, stage), left)
                yield compared(place, project, expected)


def _needs(project: Project, stage: str) -> int:
    """Run a stage; return the bytes by which the project grows."""
    before = _size(project.root)
    project.require("dvc", "repro", stage)
    return max(_size(project.root) - before, 4096)


def _size(folder: Path) -> int:
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*"))


def attempt(project: Project, at: Path, of: tuple[str, str], left: int) -> Attempt:
    """Run a stage on a full disk, free space and run it again.

    Args:
        project: all earlier stages have run.
        at: the folder whose file system is filled.
        of: place and stage.
        left: bytes that stay free.
    """
    place, stage = of
    fill(at / BALLAST, left)
    try:
        full = project.run("dvc", "repro", stage)
    finally:
        (at / BALLAST).unlink()
    repaired = False
    again = project.run("dvc", "repro", stage)
    if again.code:
        repaired = True
        project.require("darkroom", "check", "--inputs")
        again = project.run("dvc", "repro", stage)
    return Attempt(place, stage, left, full, repaired, again)


def fill(ballast: Path, left: int) -> None:
    """Write a file that leaves a number of bytes free on its file system."""
    with ballast.open("wb") as file:
        status = os.statvfs(ballast)
        # Some pages less than stated may be free.
        for pages in range(1000):
            with suppress(OSError):
                free = (status.f_bavail - pages) * status.f_frsize
                os.posix_fallocate(file.fileno(), 0, max(free - left, 1))
                return


@contextmanager
def mounted(template: Project, root: Path, place: str) -> Iterator[tuple[Project, Path]]:
    """Copy a project; yield it and the folder in it, or outside, that is a small file system."""
    at = root.with_name("temporary") if place == TEMPORARY else root / place
    at.mkdir(parents=True, exist_ok=True)
    options = f"size={SIZE}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "darkroom-faults", str(at)], check=True)
    try:
        variables = {"TMPDIR": str(at)} if place == TEMPORARY else {}
        yield template.copy(root, **variables), at
    finally:
        subprocess.run(["umount", str(at)], check=True)
        subprocess.run(["rm", "-rf", str(root)], check=True)


def may_mount() -> bool:
    """Return whether this process may mount file systems, in a namespace of its own."""
    try:
        return not subprocess.run(
            [*ALONE, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True
        ).returncode
    except OSError:
        return False


def in_own_namespace(command: list[str]) -> int | None:
    """Run a command where it may mount file systems that no other process sees; return its code, None if it cannot."""
    return subprocess.run([*ALONE, *command], check=False).returncode if may_mount() else None


def report(found: list[Attempt | Compared]) -> str:
    """Return a Markdown table, a row for each place."""
    attempts = [each for each in found if isinstance(each, Attempt)]
    lines = [
        "| full | attempts | enough space | one line | DVC failed itself | recovered | after a repair | other results |"
    ]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for place in dict.fromkeys(each.place for each in attempts):
        here = [each for each in attempts if each.place == place]
        counts = (
            len(here),
            sum(each.fitted for each in here),
            sum(not each.fitted and not each.fault for each in here),
            sum(not each.fitted and each.of_dvc for each in here),
            sum(each.again.code == 0 for each in here),
            sum(each.repaired for each in here),
            *(len(each.differ) for each in found if isinstance(each, Compared) and each.where == place),
        )
        lines.append(f"| {place} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)
