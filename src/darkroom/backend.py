"""Keras and, where Keras has nothing of its own, TensorFlow: the one place that imports them.

Other modules say ``from darkroom.backend import keras, tf``, so that TensorFlow's greeting is dropped once for all.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Written by TensorFlow's C++ code before any of its log levels applies.
GREETINGS = ("WARNING: All log messages before absl::InitializeLog()", "oneDNN custom operations are on")


@contextmanager
def _without_greetings() -> Iterator[None]:
    """Hold back what is written to standard error at the level of the system, and pass on all but the greetings."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not any(greeting in line for greeting in GREETINGS):
                    print(line, file=sys.stderr)


with _without_greetings():
    import keras
    import tensorflow as tf

__all__ = ["choose_deterministic_kernels", "keras", "limit_threads", "make_reproducible", "memory", "tf"]


def make_reproducible(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, choose deterministic kernels, and forget earlier models' names and graphs."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    choose_deterministic_kernels()


def choose_deterministic_kernels() -> None:
    """Let the same computation give the same bits each time, on a GPU too."""
    tf.config.experimental.enable_op_determinism()


def memory() -> int:
    """Return the most memory that this process has had, in bytes: the accelerator's where there is one."""
    if accelerators := tf.config.list_physical_devices("GPU"):
        return sum(
            int(tf.config.experimental.get_memory_info(f"GPU:{number}")["peak"]) for number in range(len(accelerators))
        )
    import resource

    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def limit_threads(count: int) -> None:
    """Let TensorFlow use so many threads for one operation, and for operations at once; before anything is computed."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
