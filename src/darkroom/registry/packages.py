"""Package a trained network as an MLflow model, with the code that decodes, resizes and predicts."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import DataType, ParamSchema, ParamSpec

from darkroom.base.files import read_json, write_json
from darkroom.tracking.opening import PARTS
from darkroom.tracking.runs import Run
from darkroom.tracking.store import MODEL, find_run

PACKAGED_REQUIREMENTS = ("mlflow", "keras", "numpy", "pandas", "pillow")
MINIMUM_PROBABILITY = ParamSpec("minimum_probability", DataType.double, 0.0)
DARKROOM = Path(__file__).parents[1]
"""Folder of Darkroom's code."""
BASE_CODE = ("base/__init__.py", "base/errors.py")
"""Files of Darkroom packaged with a model, beside the package ``inference``."""
VIEWS = "test_time_augmentation"
"""Key of the packaged description and of ``test.json``: the views of an image whose predictions are averaged."""
SETS, UNKNOWN = "prediction_sets", "unknown"
"""Further keys of both: the thresholds of prediction sets and of unknown images, see ``evaluation.known``."""
ADDED = (VIEWS, SETS, UNKNOWN)
REFERENCE = "reference"
"""Artifact of a model that tells unknown images: the file of ``networks.reference``."""
EARLIER_CODE = ("charts.py", "errors.py", "images.py", "serving.py")
"""What is packaged for commits before the package ``inference``, which ``darkroom restore --all`` packages again."""


def log_model(
    run: Run,
    network: str | Path,
    description: str | Path,
    darkroom: Path = DARKROOM,
    added: Mapping[str, Any] | None = None,
    reference: Path | None = None,
) -> str:
    """Package a saved network with its preprocessing, class names and inference code.

    If the run has a model already, it is overwritten, so that registered versions still refer to it.

    Args:
        run: the run that trained the network; must be active.
        network: the saved network.
        description: dataset.json of its data.
        darkroom: folder of the code to package.
        added: further keys of the packaged description, of ``ADDED``.
        reference: file of ``networks.reference``, packaged if ``added`` has the key ``UNKNOWN``.

    Returns:
        The model's URI in the store, ``models:/m-…``.
    """
    stored = find_run(run.run_id)
    earlier = logged_model(stored) if stored else None
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # An input example only serves to infer a schema, which is omitted on purpose, see below.
        warnings.filterwarnings("ignore", message=".*An input example was not provided", category=UserWarning)
        script = copy_code(darkroom, Path(folder) / "code")
        if added:
            described = read_json(description) | dict(added)
            description = Path(folder) / Path(description).name
            write_json(description, described)
        artifacts = dict(zip(PARTS, map(str, (network, description, Path(folder) / "code")), strict=True))
        if reference is not None and UNKNOWN in (added or {}):
            artifacts[REFERENCE] = str(reference)
        parts: dict[str, Any] = {
            "python_model": str(script),
            "artifacts": artifacts,
            "pip_requirements": requirements(),
            # No input schema: it would reject some of the accepted image encodings.
            "signature": ModelSignature(params=ParamSchema([MINIMUM_PROBABILITY])),
        }
        if earlier is not None:
            _overwrite(run.run_id, earlier, Path(folder) / "model", parts)
            return str(earlier.model_uri)
        info = mlflow.pyfunc.log_model(name="model", **parts)
    run.tag({MODEL: info.model_uri})
    return str(info.model_uri)


def added_by(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what evaluation adds to the packaged description, from the content of ``test.json``."""
    return {name: summary[name] for name in ADDED if name in summary}


def copy_code(darkroom: Path, target: Path) -> Path:
    """Copy the code to package with a model; return the script that MLflow runs when it loads the model."""
    script = Path("inference/packaged_model.py")
    inference = [path.relative_to(darkroom) for path in sorted((darkroom / "inference").glob("*.py"))]
    current = [*map(Path, BASE_CODE), *(name for name in inference if name != script)]
    for name in current if inference else map(Path, EARLIER_CODE):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(darkroom / name, target / name)
    # Empty, because Darkroom's own __init__ of earlier commits sets environment variables.
    (target / "__init__.py").touch()
    return darkroom / (script if inference else script.name)


def _overwrite(run_id: str, model: LoggedModel, folder: Path, parts: Mapping[str, Any]) -> None:
    described = Model(model.artifact_location, run_id=run_id, model_id=model.model_id, model_uuid=model.model_id)
    mlflow.pyfunc.save_model(folder, mlflow_model=described, **parts)
    MlflowClient().log_model_artifacts(model.model_id, str(folder))


def logged_model(run: StoredRun) -> LoggedModel | None:
    """Return a run's packaged model; None if the run has none or the store no longer has it."""
    try:
        return MlflowClient().get_logged_model(run.data.tags.get(MODEL, "none").removeprefix("models:/"))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def has_files(model: LoggedModel) -> bool:
    """Return whether the files of a packaged model exist in the store."""
    listed = MlflowClient().list_logged_model_artifacts
    if not {"MLmodel", "artifacts"} <= {file.path for file in listed(model.model_id)}:
        return False
    return len(listed(model.model_id, "artifacts")) >= len(PARTS)


def requirements() -> list[str]:
    """Return the requirements of a packaged model, pinned to the installed versions."""
    tensorflow = next(name for name in ("tensorflow-cpu", "tensorflow") if _installed(name))
    heif = ["pillow-heif"] if _installed("pillow-heif") else []
    return [f"{name}=={metadata.version(name)}" for name in (*PACKAGED_REQUIREMENTS, *heif, tensorflow)]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
