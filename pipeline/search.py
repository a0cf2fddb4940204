"""Search for better parameters of one network; with no trials to run, pass its own ones through."""

from pathlib import Path

from darkroom import script
from darkroom.files import write_json, write_text
from darkroom.networks import Network
from darkroom.params import read_params


def main(network: Network, prepared: str, best_params_path: str, trials_path: str) -> None:
    params = read_params()
    if params.search.budget.is_given and params.space(network).ranges():
        if params.search.storage:
            # A database that does not answer is said before TensorFlow is loaded.
            from darkroom.search.study import open_storage

            open_storage(params.search.storage).engine.dispose()
        if params.search.executor == "ray":
            # Likewise a cluster.
            from darkroom.search import ray_cluster

            ray_cluster.check(params.search.ray)
        from darkroom.stages.search import search_network

        search_network(network, params, Path(prepared), best_params_path, trials_path)
    else:
        print(f"{network}: nothing to search; train.{network} is used as it is")
        write_json(best_params_path, {})
        write_text(trials_path, "number,state,val_loss,epochs\n")


if __name__ == "__main__":
    script.run(main)
