"""Check that initial weights can be had, and that they are those of the results in the workspace."""

from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.base.files import is_there
from darkroom.networks import Network, NetworkParams, weights_file
from darkroom.reporting.results import Results
from darkroom.tracking import address
from darkroom.tracking.record import RunRecord


def check_weights(network: Network, values: NetworkParams) -> None:
    """Check a network's initial weights; addresses of models are resolved when training starts.

    ImageNet weights are downloaded if they are missing.

    Raises:
        InputError: the file is missing, damaged or another one than that of ``initial_weights_sha256`` or, without
            that, of the network in the workspace: DVC notices other parameters, but not another file of this name.
    """
    name = values.initial_weights
    if name is None or name.startswith(address.MODEL_ADDRESSES):
        return
    if name != "imagenet" and not Path(name).is_file():
        raise InputError(
            f"train.{network}.initial_weights: {name} does not exist; set a file that Darkroom saved, such as "
            f"a copy of {Results(Path(), network).model}, an address models:/NAME@champion, or imagenet"
        )
    file = weights_file.find(network, name)
    if file is None:
        return
    found = weights_file.sha256(file)
    weights_file.check(network, values, found)
    record = Results(Path(), network).run_record
    before = RunRecord.read(record).tags if is_there(record) else {}
    trained_with = before.get(weights_file.SHA256, found)
    if values.initial_weights_sha256 is None and before.get(weights_file.NAME) == name and trained_with != found:
        was, now = (digest[: weights_file.SHOWN] for digest in (trained_with, found))
        raise InputError(
            f"train.{network}.initial_weights: {name} is another file than {network} was trained with (SHA-256 was "
            f"{was}, is {now}); restore it, or set initial_weights_sha256: {now} to train with it"
        )
