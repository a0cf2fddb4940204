"""Search for better parameters of one network; with no trials to run, pass its own ones through."""

from typing import Any

from darkroom import script
from darkroom.files import write_json, write_text
from darkroom.params import Network, read_params


def main(network: Network, prepared: str, best_params_path: str, trials_path: str) -> None:
    params = read_params()
    best: dict[str, Any] = {}
    trials = "number,state,val_loss,epochs\n"
    if params.search.trials and params.space(network).ranges():
        from darkroom.stages.search import search_network

        best, trials = search_network(network, params, prepared)
    else:
        print(f"{network}: nothing to search; train.{network} is used as it is")
    write_json(best_params_path, best)
    write_text(trials_path, trials)


if __name__ == "__main__":
    script.run(main)
