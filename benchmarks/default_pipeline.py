"""Overhead of the default pipeline: `dvc repro` compared with bare fits and the stages' imports.

    python -m benchmarks.default_pipeline

Runs the pipeline in a clone of the last commit. Then fits the same networks on the same images for the same number of
epochs as search and training, with plain `model.fit` on arrays in memory, and runs the imports of each stage in a new
process. Prints Markdown.
"""

import ast
import os
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from darkroom import training
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.prepared.targets import one_hot
from darkroom.networks import Network, images_per_step
from darkroom.params import Params, read_params

ROOT = Path(__file__).resolve().parents[1]


def run(project: Path, *command: str) -> float:
    """Run a command in this environment; return its duration in seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(project / "src")
    started = time.perf_counter()
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def stages(project: Path, networks: int) -> list[str]:
    """Return the stages of dvc.yaml, those that run for each network as often as there are networks."""
    described = YAML(typ="safe").load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return [name for name, stage in described.items() for _ in range(networks if "matrix" in stage else 1)]


def imports(stage: Path) -> str:
    """Return all imports of a stage, including those inside functions, as a program."""
    found = ast.walk(ast.parse(stage.read_text(encoding="utf-8")))
    return "\n".join(ast.unparse(node) for node in found if isinstance(node, ast.Import | ast.ImportFrom))


def fit(network: Network, params: Params, epochs: int) -> float:
    """Train a network with Keras only; return the duration in seconds."""
    prepared = Prepared.of_project()
    description = prepared.description
    count = len(description.labels)
    train, validation = (
        (split.images[:], one_hot(split.classes, count)) for split in (prepared.training, prepared.validation)
    )
    values = params.network(network)
    started = time.perf_counter()
    model = training.build_model(network, values, description)
    model.compile(training.optimizer(values), training.loss_function(values), metrics=["accuracy"])
    batch = images_per_step(values, len(train[0]))
    model.fit(*train, batch_size=batch, epochs=epochs, validation_data=validation, verbose=0)
    return time.perf_counter() - started


def main() -> None:
    """Run the measurements and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "darkroom"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        run(project, sys.executable, "-m", "compileall", "-q", "src", "pipeline", "networks")
        whole = run(project, "dvc", "repro")
        with chdir(project):
            params, bare = read_params(), {}
            for network in params.models:
                trials = pd.read_csv(f"reports/{network}/trials.csv")
                epochs = len(pd.read_csv(f"reports/{network}/history.csv")) + int(trials["epochs"].sum())
                bare[f"{network}, {epochs} epochs"] = fit(network, params, epochs)
        importing = run(project, sys.executable, "-c", "import dvc.cli, dvc.repo")
        run_stages = stages(project, len(params.models))
        for stage in run_stages:
            importing += run(project, sys.executable, "-c", imports(project / "pipeline" / f"{stage}.py"))
    print("| what | seconds |\n| --- | --- |")
    print(f"| `dvc repro` | {whole:.1f} |")
    for what, seconds in bare.items():
        print(f"| bare fit of {what} | {seconds:.1f} |")
    print(f"| imports of {len(run_stages)} stages, and of DVC | {importing:.1f} |")
    print(f"| rest | {whole - sum(bare.values()) - importing:.1f} |")


if __name__ == "__main__":
    main()
