"""Latency, size and memory of a network."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from darkroom.base.backend import keras, peak_memory
from darkroom.data.prepared.datasets import Split
from darkroom.inference.views import mean_probabilities

TIMED = 50  # predictions of one image


def cost(network: keras.Model, file: Path, test: Split, views: Sequence[str] = ()) -> dict[str, float]:
    """Measure the cost of serving a network. Values vary between runs, so they are stored in a separate file.

    Args:
        network: the network.
        file: its file.
        test: the test images, of which the first is predicted.
        views: test-time augmentation; all views of the image count as one prediction.

    Returns:
        Latency for one image in milliseconds (95th percentile), file size and peak memory of this process in MB (10^6
        bytes).
    """
    one = np.asarray(test.images[:1])
    mean_probabilities(network.predict_on_batch, one, views)
    seconds = []
    for _ in range(TIMED):
        started = time.perf_counter()
        mean_probabilities(network.predict_on_batch, one, views)
        seconds.append(time.perf_counter() - started)
    return {
        "latency_ms": round(1000 * float(np.quantile(seconds, 0.95)), 2),
        "size_mb": round(file.stat().st_size / 1e6, 3),
        "memory_mb": round(peak_memory() / 1e6, 1),
    }
