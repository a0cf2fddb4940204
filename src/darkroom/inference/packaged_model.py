"""The script that MLflow stores with each model and runs to load it (models from code, no pickle).

The code that the model was trained with is an artifact of the model. It is imported under a unique name, so that
several versions can run in one process, independent of the installed Darkroom.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel


def import_privately(code: Path) -> ModuleType:
    """Import a copy of Darkroom's code from a folder, as a package with a unique name."""
    name = f"darkroom_{hashlib.sha256(str(code.resolve()).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, code / "__init__.py", submodule_search_locations=[str(code)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{code} is not a package")
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
    # Models packaged by earlier versions contain one flat folder.
    return importlib.import_module(
        f"{name}.inference.classifier" if (code / "inference").is_dir() else f"{name}.serving"
    )


class InvalidRequest(MlflowException):
    """Invalid input. The message is the reason alone, without the request that MLflow's server would prepend."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        super().__init__(reason, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """Why the input is invalid."""
        return self._reason

    @message.setter
    def message(self, text: str) -> None:
        """Ignore changes by MLflow's server."""


class PackagedModel(PythonModel):
    """Classifies raw images: labels, probabilities, prediction sets, and whether an image is unknown."""

    # Disables MLflow's validation and conversion by type hints, which do not cover all accepted inputs.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Load code, network and description from the model's artifacts."""
        self._serving = import_privately(Path(context.artifacts["code"]))
        files = [
            context.artifacts[name] for name in ("network", "description", "reference") if name in context.artifacts
        ]
        self._classifier = self._serving.Classifier.load(*files)

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002
        """Classify images; see ``Classifier.predict`` in the model's code."""
        minimum = (params or {}).get("minimum_probability", 0.0)
        if not 0 <= minimum <= 1:  # NaN as well
            raise InvalidRequest(f"minimum_probability is {minimum}; a number from 0 to 1 was expected")
        try:
            predictions = self._classifier.predict(model_input)
        except self._serving.ImageError as error:
            raise InvalidRequest(str(error)) from None
        except FloatingPointError as error:
            raise MlflowException(str(error), error_code=INTERNAL_ERROR) from None
        if minimum > 0:
            for prediction in predictions:
                prediction["unsure"] = max(prediction["probabilities"].values()) < minimum
        return predictions


mlflow.models.set_model(PackagedModel())
