"""Pipelines that are killed with all their processes at random moments, then run to their end."""

import random
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.faults.project import Project, compared, kill, make

ROUND = 3
"""Kills of one project before it is run to its end."""
PART = 0.5
"""Share of the pipeline's duration after which a process is killed at the latest; later ones go on from there."""
BEGUN = re.compile(r"^Running stage '(.+)':$", re.MULTILINE)


class Round(NamedTuple):
    """A project that was killed several times, and its end."""

    stages: tuple[str, ...]
    """The stage in which each kill came; empty for one before, between or after them."""
    repaired: str
    """What ``darkroom check --inputs`` said of half-written files."""
    fault: str
    """What is wrong, or nothing."""

    @property
    def title(self) -> str:
        """Where the kills came."""
        return f"killed in {', '.join(stage or 'none' for stage in self.stages)}"


def run(kills: int, seed: int) -> Iterator[Round]:
    """Kill pipelines; yield each round.

    Args:
        kills: their number, over all rounds.
        seed: of the moments.
    """
    moments = random.Random(seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        template = make(folder / "template", workers=2)
        undisturbed = template.copy(folder / "undisturbed")
        seconds = undisturbed.require("dvc", "repro").seconds
        expected = undisturbed.results()
        for first in range(0, kills, ROUND):
            after = [moments.uniform(0, PART * seconds) for _ in range(min(ROUND, kills - first))]
            yield killed(template.copy(folder / "killed"), after, expected)
            shutil.rmtree(folder / "killed")


def killed(project: Project, after: list[float], expected: dict[str, str]) -> Round:
    """Kill a pipeline several times, then run it to its end.

    Args:
        project: a new project.
        after: seconds from the start of each ``dvc repro`` to its kill.
        expected: the results of an undisturbed run.
    """
    stages, repaired = [], ""
    for seconds in after:
        stages.append(_kill_after(project, seconds))
        # make repro begins with it: DVC may have been killed while it wrote a file of its own.
        checked = project.require("darkroom", "check", "--inputs").printed
        repaired += "".join(line for line in checked.splitlines(keepends=True) if "half-written" in line)
    done = project.run("dvc", "repro")
    if done.code:
        return Round(tuple(stages), repaired, f"dvc repro ended with {done.code}: {done.printed[-2000:]}")
    return Round(tuple(stages), repaired, compared("kills", project, expected).fault)


def _kill_after(project: Project, seconds: float) -> str:
    """Start the pipeline and kill it; return the last stage that it began."""
    with project.started("dvc", "repro") as process:
        time.sleep(seconds)
        kill(process)
        begun: list[str] = BEGUN.findall(process.communicate()[0])
    return begun[-1] if begun else ""


def report(rounds: list[Round]) -> str:
    """Return a Markdown table."""
    stages = Counter(stage or "before the first" for each in rounds for stage in each.stages)
    repaired = sum(bool(each.repaired) for each in rounds)
    return "\n".join(
        (
            "| | |\n| --- | --- |",
            f"| kills, by the stage that ran | {sum(stages.values())}: {dict(stages)} |",
            f"| pipelines run to their end | {sum(not each.fault for each in rounds)} of {len(rounds)} |",
            f"| of them after DVC's half-written files were repaired | {repaired} |",
        )
    )
