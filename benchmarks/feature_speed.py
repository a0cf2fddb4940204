"""Speed of the features of a pretrained network, compared with a bare loop of LiteRT over the same layers.

    python -m benchmarks.feature_speed [NETWORK [IMAGES]] [--memory BATCH]

``darkroom`` computes features as the stages ``features`` and ``describe`` do. ``LiteRT`` is TensorFlow Lite's
interpreter with XNNPACK on all cores. All compute the same numbers from the same uint8 images in memory (noise, which
takes as long as photographs). They alternate for 11 rounds (see turns.py). Prints medians, and median and quartiles of
the ratios per round, in Markdown; a ratio above 1 means more time than the pipeline takes.

``--memory``: print the peak memory of this process after a prediction in steps of so many images instead.
"""

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks import turns
from benchmarks.recipes import machine
from benchmarks.turns import Way, median, now, ratios, since
from darkroom.base.backend import keras, peak_memory, tf
from darkroom.base.types import Floats, Pixels
from darkroom.data.prepared.datasets import Description
from darkroom.networks import PARAMS, Network, inference
from darkroom.tracking.initial_network import initial_network
from darkroom.training import frozen
from darkroom.training.model import build_model

ROUNDS = 11
SIZE = (224, 224, 3)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", nargs="?", default="efficientnet_lite0")
    parser.add_argument("images", type=int, nargs="?", default=256)
    parser.add_argument("--memory", type=int, metavar="BATCH")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", message="(?s).*tf.lite.Interpreter is deprecated")
    part = frozen_layers(chosen.network)
    images = np.random.default_rng(0).integers(0, 256, (chosen.images, *SIZE), dtype=np.uint8)
    if chosen.memory:
        part.predict(images, batch_size=chosen.memory, verbose=0)
        print(f"{len(images)} images, {chosen.memory} at a time: {peak_memory() / 1e6:,.0f} MB")
        return
    computations: dict[str, Callable[[Pixels], Floats]] = {
        "darkroom": inference.with_constant_weights(part),
        "Keras' predict": partial(inference.probabilities, part),
        "LiteRT, one image at a time": lite_loop(part, 1),
        "LiteRT, eight": lite_loop(part, 8),
    }
    expected = computations["darkroom"](images[:16])
    for compute in computations.values():
        np.testing.assert_allclose(compute(images[:16]), expected, rtol=1e-3, atol=1e-3)
    costs = turns.runs({name: timed(compute, images) for name, compute in computations.items()}, ROUNDS)
    print(f"{len(images)} images of {SIZE}, features of {chosen.network}, {os.cpu_count()} cores, ", end="")
    print(f"{machine()['processor']}, TensorFlow {tf.__version__}\n")
    print(
        "| features | images per second | wall time relative to darkroom | processor time |\n| --- | --- | --- | --- |"
    )
    for name, found in costs.items():
        print(f"| {name} | {len(images) / median(found):.1f} | {ratios(found, costs['darkroom'])} |")


def frozen_layers(network: Network) -> keras.Model:
    """Return the layers of a pretrained network up to its features."""
    values = PARAMS[network]()
    description = Description(("a", "b"), SIZE, "bicubic", "stretch", (0.5,) * 3, (0.25,) * 3, "noise", {}, {}, "")
    built = build_model(network, values, description, initial_network(network, values))
    return keras.Model(built.input, frozen.cut(built))


def lite_loop(part: keras.Model, batch: int) -> Callable[[Pixels], Floats]:
    """Return a function that computes features by LiteRT, ``batch`` images at a time."""
    with tempfile.TemporaryDirectory() as folder:
        part.export(folder, verbose=False)
        content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=os.cpu_count())
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], (batch, *SIZE), strict=True)
    interpreter.allocate_tensors()

    def compute(images: Pixels) -> Floats:
        found = np.empty((len(images), *part.output_shape[1:]), np.float32)
        for start in range(0, len(images), batch):
            interpreter.set_tensor(source["index"], images[start : start + batch])
            interpreter.invoke()
            found[start : start + batch] = interpreter.get_tensor(result["index"])
        return found

    return compute


def timed(compute: Callable[[Pixels], Floats], images: Pixels) -> Way:
    """Return a function that measures the computation of all images' features."""

    def run() -> turns.Cost:
        begun = now()
        compute(images)
        return since(begun)

    return run


if __name__ == "__main__":
    main()
