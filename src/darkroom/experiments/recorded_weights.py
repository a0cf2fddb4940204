"""Provide the initial weights of a recorded training in a checkout, where it is repeated."""

import shutil
from pathlib import Path

from ruamel.yaml import YAML

from darkroom.base.errors import InputError
from darkroom.networks import Network, weights_file
from darkroom.tracking import initial_network
from darkroom.tracking.address import MODEL_ADDRESSES
from darkroom.tracking.record import RunRecord


def provide(folder: Path, network: Network, record: RunRecord) -> None:
    """Copy the initial weights of a run into a checkout, and name the copy in its params.yaml.

    The checkout has a tracking store of its own, and perhaps not the file, which need not be in git. Published weights
    stay where they are. Earlier versions of Darkroom did not record initial weights: then nothing is done.

    Args:
        folder: the checkout.
        network: the network.
        record: the run's record.

    Raises:
        InputError: the file or model is lost, or is another one now.
    """
    weights, expected = record.tags.get(weights_file.NAME), record.tags.get(weights_file.SHA256)
    if weights is None or expected is None:
        return
    own = folder / weights
    is_in_checkout = not weights.startswith(MODEL_ADDRESSES) and own.is_file()
    file = own if is_in_checkout else initial_network.file_of(network, weights)
    if file is None:
        raise InputError(f"{weights} does not exist, but run {record.run_id} began with its weights; restore it")
    if (found := weights_file.sha256(file)) != expected:
        raise InputError(
            f"{weights} has SHA-256 {found}, but run {record.run_id} began with weights of SHA-256 {expected}; "
            "restore that file"
        )
    if weights == "imagenet" or is_in_checkout:
        return
    copied = shutil.copy(file, (folder / "initial_weights").with_suffix(file.suffix).resolve())
    yaml, params = YAML(), folder / "params.yaml"
    content = yaml.load(params.read_text(encoding="utf-8"))
    content["train"][network]["initial_weights"] = str(copied)
    with params.open("w", encoding="utf-8") as rewritten:
        yaml.dump(content, rewritten)
