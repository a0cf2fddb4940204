"""The Keras model that ``fit`` trains, and its loss on one or several devices."""

from typing import Any

import numpy as np

from darkroom.base.backend import disable_gradient_sum, keras, loss_weight
from darkroom.base.hooks import require_hook
from darkroom.networks import Network, NetworkParams
from darkroom.training.optimizers import loss_function, optimizer, validation_loss


def compiled(network: Network, values: NetworkParams, start: Any, built: keras.Model) -> "Classifier":
    """Compile a network for ``fit``, without the layers before the tensor ``start``."""
    is_divided = built.distribute_strategy.num_replicas_in_sync > 1
    if is_divided:
        for hook in ("_maybe_symbolic_build", "_symbolic_build"):
            require_hook(keras.Model, hook, "keras")
    model = (DividedClassifier if is_divided else Classifier)(start, built.outputs, name=network)
    model.auxiliary_weight = getattr(values, "auxiliary_weight", 0.0)
    model.objective = loss_function(values)
    steps = optimizer(values)
    if not is_divided:
        disable_gradient_sum(steps)
    # Given by name, it would get its variables within the first step, and TensorFlow would trace the step twice.
    accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
    model.compile(optimizer=steps, loss=model.objective, metrics=[accuracy])
    # Create the optimizer's variables now, within the scope of the strategy: a checkpoint is compared with them.
    steps.build(model.trainable_variables)
    return model


class Classifier(keras.Model):  # type: ignore[misc]
    """A network in training; its validation loss is plain cross-entropy, whatever the training loss.

    Auxiliary classifiers, penalties, label smoothing and other losses affect the training loss only, so that validation
    losses are comparable between networks and trials.
    """

    auxiliary_weight: float
    objective: keras.losses.Loss

    def compute_loss(
        self,
        x: Any = None,  # noqa: ARG002 - Keras' signature
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """Return the training loss with auxiliary classifiers and penalties, or the validation loss."""
        predicted, *sides = keras.tree.flatten(y_pred)
        if not training:
            return validation_loss()(y, predicted)
        loss = self.objective(y, predicted, sample_weight)
        loss += self.auxiliary_weight * sum(self.objective(y, side, sample_weight) for side in sides)
        # The devices' losses are summed, so each adds its share of the penalties; Keras' own losses are scaled already.
        return loss + sum(self.losses) / self.distribute_strategy.num_replicas_in_sync

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Compute metrics of the main classifier alone."""
        return super().compute_metrics(x, y, keras.tree.flatten(y_pred)[0], sample_weight)


class DividedClassifier(Classifier):
    """A classifier on several devices, each with a part of every batch; the last batch may leave a device empty."""

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:  # noqa: ARG002
        # Keras averages the devices' first batches as an example, which requires equal sizes.
        if self.optimizer.built:
            return
        (images, *_), (outputs, *_) = self.inputs, self.outputs
        example = [keras.KerasTensor((1, *like.shape[1:]), like.dtype) for like in (images, outputs)]
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=tuple(example))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Predict a device's part of a batch, which may have no images."""
        count = keras.ops.shape(inputs)[0]
        # Convolutions fail on empty batches: predict one black image and drop its output.
        black = keras.ops.zeros((1, *inputs.shape[1:]), inputs.dtype)
        some = keras.ops.concatenate([inputs, black])[: keras.ops.maximum(count, 1)]
        return keras.tree.map_structure(lambda output: output[:count], super().call(some, training, mask))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """Return the loss, with its gradient weighted by the device's share of the batch."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        # Only the gradient: Keras weights the reported loss by the number of images itself.
        part = loss_weight(keras.ops.shape(y)[0])
        return part * loss + keras.ops.stop_gradient((1 - part) * loss)


class OneStatistic(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages the batch-norm statistics of all devices before validation and checkpoints."""

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Average the statistics before validation."""
        for variable in self.model.non_trainable_variables:
            if "float" in variable.dtype:
                own = self.model.distribute_strategy.experimental_local_results(variable.value)
                variable.assign(np.mean([each.numpy() for each in own], axis=0))
