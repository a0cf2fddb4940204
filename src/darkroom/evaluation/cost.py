"""Latency, size and memory of a network."""

import time
from pathlib import Path

import numpy as np

from darkroom.base.backend import keras, peak_memory
from darkroom.data.prepared.datasets import Split

TIMED = 50  # predictions of one image


def cost(network: keras.Model, file: Path, test: Split) -> dict[str, float]:
    """Measure the cost of serving a network. Values vary between runs, so they are stored in a separate file.

    Returns:
        Latency for one image in milliseconds (95th percentile), file size and peak memory of this process in MB (10^6
        bytes).
    """
    one = np.asarray(test.images[:1])
    network.predict_on_batch(one)
    seconds = []
    for _ in range(TIMED):
        started = time.perf_counter()
        network.predict_on_batch(one)
        seconds.append(time.perf_counter() - started)
    return {
        "latency_ms": round(1000 * float(np.quantile(seconds, 0.95)), 2),
        "size_mb": round(file.stat().st_size / 1e6, 3),
        "memory_mb": round(peak_memory() / 1e6, 1),
    }
