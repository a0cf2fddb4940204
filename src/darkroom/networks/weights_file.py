"""The file with a training's initial weights, identified by its content."""

import hashlib
from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.params.network import NetworkParams
from darkroom.params.network_files import Network, load

NAME = "initial_weights"
"""Tag of a run: where its initial weights came from."""
SHA256 = "initial_weights_sha256"
"""Tag of a run: digest of the file with its initial weights."""
SHOWN = 16
"""Digits of a digest in messages."""


def find(network: Network, weights: str) -> Path | None:
    """Return a file with initial weights; None if it does not exist, or if ImageNet weights are not in one file.

    Args:
        network: the network.
        weights: a path, or ``imagenet``.

    Raises:
        InputError: ImageNet weights are not installed, cannot be downloaded or are damaged.
    """
    if weights == "imagenet":
        imagenet_file = getattr(load(network), "imagenet_file", None)
        return imagenet_file() if imagenet_file else None
    return Path(weights) if Path(weights).is_file() else None


def sha256(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"initial_weights: {file}: {error.strerror}; restore or install the file again") from None


def check(network: Network, values: NetworkParams, found: str) -> None:
    """Compare the digest of initial weights with ``initial_weights_sha256``, if that is set.

    Raises:
        InputError: it is another file.
    """
    expected = values.initial_weights_sha256
    if expected and not found.startswith(expected):
        raise InputError(
            f"train.{network}.initial_weights: {values.initial_weights} has SHA-256 {found[: len(expected)]}, but "
            f"initial_weights_sha256 is {expected}: another or a damaged file; restore it, or set "
            f"initial_weights_sha256: {found[:SHOWN]} to train with it"
        )
