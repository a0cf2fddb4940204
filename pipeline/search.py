"""Search the hyperparameters of one network; without a search space or budget, keep its parameters."""

from pathlib import Path

from darkroom.base.files import write_json, write_text
from darkroom.networks import Network
from darkroom.params import Params


def main(params: Params, network: Network, prepared: str, features: str, best_params: str, trials: str) -> None:
    """Write the best parameters and a table of all trials. Heavy imports are skipped if there is nothing to search."""
    if not (params.search.budget.is_given and params.space(network).ranges()):
        print(f"{network}: nothing to search; using train.{network} unchanged")
        write_json(best_params, {})
        write_text(trials, "number,state,val_loss,epochs\n")
        return
    _check_services(params)
    from darkroom.data.prepared.prepared import Prepared
    from darkroom.search.run import search_network

    search_network(network, params, Prepared(Path(prepared)), Path(features), best_params, trials)


def _check_services(params: Params) -> None:
    """Check that the database and the Ray cluster are reachable, before TensorFlow is loaded.

    Raises:
        InputError: one of them is not reachable.
    """
    if params.search.storage:
        from darkroom.search.study import open_storage

        open_storage(params.search.storage).engine.dispose()
    if params.search.executor == "ray":
        from darkroom.search.executors import ray_connection

        ray_connection.check(params.search.ray)
