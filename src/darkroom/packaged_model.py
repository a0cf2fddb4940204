"""The script that MLflow stores with each model and runs when the model is loaded (models from code, no pickle).

The code that the model was trained with travels as an artifact beside it. It is imported under a name of its own, so
that two versions in one process each run their own code, whatever version of Darkroom is installed.
"""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel


def import_privately(code: Path) -> ModuleType:
    """Import a copy of Darkroom's code from a folder, as a package with a name that no other copy has."""
    name = f"darkroom_{hashlib.sha256(str(code.resolve()).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, code / "__init__.py", submodule_search_locations=[str(code)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{code} holds no package")
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"{name}.serving")


class Refused(MlflowException):
    """The caller's mistake, in our words alone: MLflow's server would put the whole request in front of them."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        super().__init__(reason, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """What was wrong."""
        return self._reason

    @message.setter
    def message(self, text: str) -> None:
        """Keep what was wrong as it is."""


class PackagedModel(PythonModel):
    """Raw images in, label and probabilities out."""

    # MLflow's own switch: by type hints it would check and convert the input, and images come in more forms than that.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Load network, description and code from the model's artifacts."""
        self._serving = import_privately(Path(context.artifacts["code"]))
        self._classifier = self._serving.Classifier.load(context.artifacts["network"], context.artifacts["description"])

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002
        """Classify images; see ``Classifier.predict`` in the model's own code."""
        try:
            predictions = self._classifier.predict(model_input)
        except self._serving.ImageError as error:
            raise Refused(str(error)) from None
        minimum = (params or {}).get("minimum_probability", 0.0)
        if minimum > 0:
            for prediction in predictions:
                prediction["unsure"] = max(prediction["probabilities"].values()) < minimum
        return predictions


mlflow.models.set_model(PackagedModel())
