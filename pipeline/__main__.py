"""Run one stage of dvc.yaml: ``python -m pipeline STAGE ARGUMENT…``.

params.yaml is checked as a whole before the stage, and the heavy libraries with it, is imported.
"""

import inspect
import os
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A stage runs the code of its own checkout, also where DVC runs an experiment in a copy of the repository.
sys.path.insert(0, str(ROOT / "src"))

from darkroom.base import environment, inputs, script
from darkroom.base.errors import InputError

RESULTS = {"data", "models", "reports", "runs"}
"""Folders with the files that stages pass on."""
STAGES = sorted({file.stem for file in Path(__file__).parent.glob("*.py")} - {"__init__", "__main__"})


def run(stage: str, arguments: list[str]) -> None:
    """Check params.yaml, import the stage and call its ``main(params, *arguments)``.

    Raises:
        InputError: there is no such stage, the number of arguments is wrong, params.yaml is refused, or an input that
            dvc.yaml declares does not exist.
    """
    if stage not in STAGES:
        raise InputError(f"no stage {stage!r}; dvc.yaml has {', '.join(STAGES)}")
    from darkroom.params import read_params

    params = read_params()
    main = import_module(f"pipeline.{stage}").main
    expected = list(inspect.signature(main).parameters)[1:]
    if len(arguments) != len(expected):
        raise InputError(f"usage: python -m pipeline {stage} {' '.join(expected)}   (dvc.yaml has the call)")
    inputs.require(stage, arguments, Path())
    try:
        main(params, *arguments)
    except FileNotFoundError as error:
        # Some libraries give the path as the text.
        missing = os.path.relpath(str(error.filename or error) or ".")
        if missing.partition(os.sep)[0] not in RESULTS:
            raise
        raise inputs.missing(missing) from error


if __name__ == "__main__":
    environment.open_standard_streams()
    environment.use_utf8()
    stage, *arguments = sys.argv[1:] or [""]
    script.run(stage or "pipeline", lambda: run(stage, arguments))
