"""The files that a stage reads, as dvc.yaml declares them: all must be there before it begins.

DVC refuses a missing one too, but not with ``--force --single-item``, and without a remedy. A stage would take some of
them for empty: no corrections, no columns of one's own, a report without figures.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from darkroom.base.code import CODE
from darkroom.base.errors import InputError
from darkroom.base.yaml_files import MAXIMUM_LOCK_BYTES, read_yaml

OF_NETWORK = "${item.model}"


def require(stage: str, arguments: Sequence[str], root: Path) -> None:
    """Check that the inputs of a stage exist, if it is run with the command of dvc.yaml.

    Args:
        stage: its name in dvc.yaml, without the network.
        arguments: after the stage; of a stage for each network, the first is the network.
        root: the folder that contains dvc.yaml.

    Raises:
        InputError: one is missing; the text says how to get it.
    """
    if not (root / "dvc.yaml").is_file():
        return
    try:
        stages: Mapping[str, Any] = read_yaml(root / "dvc.yaml", MAXIMUM_LOCK_BYTES)["stages"]
        declared = [str(path) for path in stages[stage]["deps"]]
        network = arguments[0] if "matrix" in stages[stage] else ""
        command = str(stages[stage]["cmd"]).replace(OF_NETWORK, network).split()
        written = [path.replace(OF_NETWORK, network) for path in _written(stages)]
    except (KeyError, TypeError, IndexError, AttributeError):
        return
    if command[-len(arguments) :] != list(arguments):
        return
    for path in (each.replace(OF_NETWORK, network) for each in declared):
        if "${" in path or path.partition("/")[0] in CODE:
            continue
        if (root / path).is_dir() or (root / path).is_file():
            continue
        if (root / path).exists():
            raise InputError(f"{path} is no file, but a pipe or device; remove it, and run dvc repro")
        raise missing(path, in_git=not any(_overlap(path, other) for other in written))


def missing(path: str, *, in_git: bool = False) -> InputError:
    """Return the error for a missing input.

    Args:
        path: the file or folder.
        in_git: whether it is kept in git, and written by no stage.
    """
    if in_git:
        return InputError(f"{path} does not exist; it is kept in git: restore it with git checkout HEAD -- {path}")
    of_experiment = (
        "; an experiment in a copy has only what git and DVC know: commit dvc.lock, data/, runs/ and reports/ first"
    )
    return InputError(
        f"{path} does not exist: the stage that writes it has not run here; run dvc repro, without --single-item, or "
        f"dvc pull{of_experiment if 'DVC_EXP_NAME' in os.environ else ''}"
    )


def _written(stages: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the stages write."""
    for stage in stages.values():
        for kind in ("outs", "metrics", "plots"):
            for path in stage.get(kind) or []:
                yield str(next(iter(path)) if isinstance(path, dict) else path)


def _overlap(path: str, other: str) -> bool:
    """Return whether two paths are equal, or one lies below the other."""
    return f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")
