"""Training: build, compile and fit one network. Independent of MLflow, Optuna and DVC.

``train`` runs a ``TrainingJob`` in one or two ``phases``. ``build_model``, ``optimizer`` and ``loss_function`` make its
components, ``frozen`` and ``features`` compute once what does not train, ``logistic`` fits a logistic regression on it,
``initial_weights`` loads pretrained weights, and ``checkpoints`` and ``interrupted`` resume interrupted trainings.
"""

from darkroom.training.devices import check_devices
from darkroom.training.epochs import Epoch, OnEpoch, StopTraining, progress_line
from darkroom.training.estimate import duration
from darkroom.training.features import Features
from darkroom.training.fit import train
from darkroom.training.job import TrainingJob
from darkroom.training.model import build_model, inference_model
from darkroom.training.optimizers import loss_function, optimizer, validation_loss
from darkroom.training.trained import Trained

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
