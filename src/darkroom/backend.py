"""Keras and, where Keras has nothing of its own, TensorFlow: the one place that imports them.

Other modules say ``from darkroom.backend import keras, tf``, so that TensorFlow's greeting is dropped once for all.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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

__all__ = [
    "add_up_nothing",
    "choose_deterministic_kernels",
    "devices",
    "keras",
    "limit_threads",
    "make_reproducible",
    "memory",
    "mirrored",
    "part_of_step",
    "tf",
]


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


def devices() -> list[str]:
    """Return the names of what a training can be divided among: the GPUs, or where there is none the CPUs."""
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def mirrored() -> tf.distribute.Strategy:
    """Return what divides each batch among all devices; networks and optimizers are made in its ``scope()``."""
    # TensorFlow's collective operations were seen to take one network's gradients for another's; this adds in order.
    return tf.distribute.MirroredStrategy(devices(), cross_device_ops=tf.distribute.ReductionToOneDevice())


def add_up_nothing(optimizer: keras.optimizers.Optimizer) -> None:
    """Let an optimizer take the gradients of one device as they are.

    Keras adds them up over all devices, also where there is one. TensorFlow keeps the gradient of each such sum for
    good, and with it the graph of the whole training, some 10 MB.
    """
    optimizer._all_reduce_sum_gradients = list  # noqa: SLF001 - there is no public way


def part_of_step(images: Any) -> Any:
    """Return what a device's mean over its images counts for in a step, so that all devices' sum is that of one.

    Args:
        images: how many of the step's images are on this device, as a scalar tensor; 1 is what an even share counts.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1 or tf.distribute.in_cross_replica_context():
        return 1.0
    own = tf.cast(images, tf.float32)
    every = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
    return own * strategy.num_replicas_in_sync / every


def limit_threads(count: int) -> None:
    """Let TensorFlow use so many threads for one operation, and for operations at once; before anything is computed."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
