"""Build a network for training and for inference."""

from collections.abc import Iterator
from contextlib import contextmanager

from darkroom import networks
from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Description
from darkroom.networks import Network, NetworkParams
from darkroom.training import frozen, initial_weights


def build_model(
    network: Network, values: NetworkParams, description: Description, initial: keras.Model | None = None
) -> keras.Model:
    """Build a network from uint8 images of the pipeline's size to probabilities.

    The first layer normalises: it subtracts the mean and divides by the standard deviation of the training images, so
    that callers cannot forget it. It has no weights. With initial weights, it normalises as they expect.

    Args:
        network: the network's name.
        values: its parameters.
        description: description of the data.
        initial: network with the initial weights.
    """
    inputs = keras.Input(description.size, dtype="uint8", name="image")
    if initial is None:
        scale = [1 / deviation for deviation in description.deviation]
        offset = [-mean / deviation for mean, deviation in zip(description.mean, description.deviation, strict=True)]
    else:
        scale, offset = initial_weights.normalisation(initial, description.size[2])
    normalised = keras.layers.Rescaling(scale, offset, dtype="float32", name="normalise")(inputs)
    with _precision_policy(values.precision):
        outputs = networks.build(network, normalised, len(description.labels), values)
    model = keras.Model(inputs, list(outputs) if len(outputs) > 1 else outputs[0], name=network)
    if initial is not None:
        initial_weights.transfer(initial, model)
        if values.trainable != "all" or values.fine_tuning.epochs:
            # Auxiliary classifiers help to train a whole network, but not its last layers alone.
            model = inference_model(model)
        frozen.freeze(model, values.trainable, keep_statistics=values.fine_tuning.epochs > 0)
    return model


@contextmanager
def _precision_policy(precision: str) -> Iterator[None]:
    """Set the precision in which layers created within the block compute; weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def inference_model(model: keras.Model) -> keras.Model:
    """Return the network for inference, without auxiliary classifiers."""
    return keras.Model(model.input, model.outputs[0], name=model.name)
