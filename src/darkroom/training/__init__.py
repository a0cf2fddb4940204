"""Training: build, compile and fit one network. Independent of MLflow, Optuna and DVC.

``train`` runs a ``TrainingJob``. ``build_model``, ``optimizer`` and ``loss_function`` make its components,
``initial_weights`` loads pretrained weights, and ``checkpoints`` and ``interrupted`` resume interrupted trainings.
"""

from darkroom.training.devices import check_devices
from darkroom.training.epochs import Epoch, OnEpoch, StopTraining, progress_line
from darkroom.training.estimate import duration
from darkroom.training.fit import Trained, train
from darkroom.training.frozen import Features
from darkroom.training.job import TrainingJob
from darkroom.training.model import build_model, inference_model
from darkroom.training.optimizers import loss_function, optimizer, validation_loss

__all__ = [
    "Epoch",
    "Features",
    "OnEpoch",
    "StopTraining",
    "Trained",
    "TrainingJob",
    "build_model",
    "check_devices",
    "duration",
    "inference_model",
    "loss_function",
    "optimizer",
    "progress_line",
    "train",
    "validation_loss",
]
