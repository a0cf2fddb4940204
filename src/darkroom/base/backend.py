"""Keras and TensorFlow: the only module that imports them.

Other modules write ``from darkroom.base.backend import keras, tf``. Importing here suppresses TensorFlow's startup
messages and checks Keras's configuration.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from darkroom.base.hooks import require_hook

# Printed by TensorFlow's C++ code before log levels apply.
STARTUP_MESSAGES = ("WARNING: All log messages before absl::InitializeLog()", "oneDNN custom operations are on")


@contextmanager
def _without_startup_messages() -> Iterator[None]:
    """Capture standard error at file-descriptor level, then print it without ``STARTUP_MESSAGES``."""
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
                if not any(message in line for message in STARTUP_MESSAGES):
                    print(line, file=sys.stderr)


with _without_startup_messages():
    import keras
    import tensorflow as tf
if keras.config.backend() != "tensorflow":
    raise ImportError(
        f"Keras was imported with backend {keras.config.backend()}, expected tensorflow; call "
        "darkroom.base.environment.prepare() before importing Keras"
    )
# Darkroom's arrays, networks and recorded results assume these values; the user's keras.json may have others.
keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
__all__ = [
    "choose_deterministic_kernels",
    "devices",
    "disable_gradient_sum",
    "keras",
    "limit_threads",
    "loss_weight",
    "make_reproducible",
    "mirrored_strategy",
    "peak_memory",
    "tf",
]


def make_reproducible(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, enable deterministic kernels, and clear the Keras session."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    choose_deterministic_kernels()


def choose_deterministic_kernels() -> None:
    """Make computations bitwise reproducible, on GPUs too."""
    tf.config.experimental.enable_op_determinism()


def peak_memory() -> int:
    """Return this process's peak memory in bytes: of the GPUs if there are any, else of the host."""
    if accelerators := tf.config.list_physical_devices("GPU"):
        return sum(
            int(tf.config.experimental.get_memory_info(f"GPU:{number}")["peak"]) for number in range(len(accelerators))
        )
    import resource

    # KiB on Linux, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def devices() -> list[str]:
    """Return the names of the devices for training: the GPUs, or the CPUs if there are none."""
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def mirrored_strategy() -> tf.distribute.Strategy:
    """Return the data-parallel strategy over all devices; create networks and optimizers in its ``scope()``."""
    # TensorFlow's collective operations have mixed up the gradients of two networks; this reduction runs in order.
    return tf.distribute.MirroredStrategy(devices(), cross_device_ops=tf.distribute.ReductionToOneDevice())


def disable_gradient_sum(optimizer: keras.optimizers.Optimizer) -> None:
    """Disable an optimizer's sum of gradients over devices, which a single device does not need.

    For each such sum, TensorFlow keeps a gradient function and with it the whole training graph, about 10 MB, until the
    process ends.
    """
    require_hook(optimizer, "_all_reduce_sum_gradients", "keras")
    optimizer._all_reduce_sum_gradients = list  # noqa: SLF001 - no public API


def loss_weight(images: Any) -> Any:
    """Return the weight of this device's mean loss, so that the sum over devices equals the mean over the batch.

    Args:
        images: number of the batch's images on this device, as a scalar tensor.

    Returns:
        1 if the batch is evenly divided.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1 or tf.distribute.in_cross_replica_context():
        return 1.0
    own = tf.cast(images, tf.float32)
    every = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
    return own * strategy.num_replicas_in_sync / every


def limit_threads(count: int) -> None:
    """Set the number of TensorFlow threads within and between operations; call before any computation."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
