"""Optimizers and losses from parameters."""

from darkroom.base.backend import keras
from darkroom.networks import NetworkParams
from darkroom.training.muon import Muon


def optimizer(values: NetworkParams) -> keras.optimizers.Optimizer:
    """Return the optimizer that the parameters specify."""
    common = {
        "learning_rate": values.learning_rate,
        "weight_decay": values.weight_decay or None,
        "global_clipnorm": values.clip_norm or None,
        "use_ema": bool(values.ema),
        "ema_momentum": values.ema,
    }
    made: keras.optimizers.Optimizer
    match values.optimizer:
        case "sgd":
            made = keras.optimizers.SGD(momentum=values.momentum, nesterov=values.nesterov, **common)
        case "rmsprop":
            epsilon = values.epsilon or 1e-7
            made = keras.optimizers.RMSprop(rho=values.rho, momentum=values.momentum, epsilon=epsilon, **common)
        case "adam":
            epsilon = values.epsilon or 1e-8
            made = keras.optimizers.Adam(beta_1=values.beta_1, beta_2=values.beta_2, epsilon=epsilon, **common)
        case "muon":
            made = Muon(
                momentum=values.momentum or 0.95,
                nesterov=values.nesterov,
                adam_weight_decay=values.weight_decay or None,
                exclude_layers=["output"],
                **common,
            )
        case "lbfgs":
            raise ValueError("lbfgs is no optimizer of Keras; see training.logistic")
    if values.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def loss_function(values: NetworkParams) -> keras.losses.Loss:
    """Return the loss that the parameters specify, on one-hot targets and probabilities."""
    if values.loss == "mean_squared_error":
        return keras.losses.MeanSquaredError()
    return keras.losses.CategoricalCrossentropy(label_smoothing=values.label_smoothing)


def validation_loss() -> keras.losses.Loss:
    """Return the validation loss: plain cross-entropy, comparable between trainings."""
    return keras.losses.CategoricalCrossentropy()
