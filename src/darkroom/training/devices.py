"""Check devices and parameters for ``train.strategy``."""

from darkroom.base.backend import devices
from darkroom.base.errors import InputError
from darkroom.networks import Network, NetworkParams, Strategy, images_per_step


def check_devices(strategy: Strategy, network: Network, values: NetworkParams, images: int) -> None:
    """Check that devices and parameters meet the requirements of ``train.strategy``.

    Args:
        strategy: the value of ``train.strategy``.
        network: the network's name.
        values: its effective parameters.
        images: number of training images.

    Raises:
        InputError: there are fewer than two devices, fewer images per step than devices, or a parameter that has
            another effect on several devices.
    """
    if strategy == "none":
        return
    found = devices()
    if len(found) < 2:  # noqa: PLR2004
        kind = found[0].partition("device:")[2].partition(":")[0]
        raise InputError(
            f"train.strategy: {strategy} given, which needs two GPUs or more, but TensorFlow has one {kind}; set none, "
            "or install TensorFlow for GPUs (make EXTRA=gpu)"
        )
    if (size := images_per_step(values, images)) < len(found):
        raise InputError(
            f"train.{network}.batch_size: {size} given, and train.strategy {strategy} divides it among {len(found)} "
            f"devices; set {len(found)} or more"
        )
    if values.clip_norm:
        raise InputError(
            f"train.{network}.clip_norm: {values.clip_norm:g} given, which would clip each device's part of a gradient "
            f"separately; set 0, or train.strategy none"
        )
