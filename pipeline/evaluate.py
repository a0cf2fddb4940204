"""Hold one trained network against the test split, which no other stage before promotion reads."""

from pathlib import Path

from darkroom import script
from darkroom.networks import Network
from darkroom.params import read_params


def main(network: Network, prepared: str, model: str, runs: str, report: str) -> None:
    params = read_params()
    from darkroom import tracking
    from darkroom.stages.evaluate import evaluate_network

    tracking.open_store()
    record = tracking.RunRecord.read(Path(runs) / "run.json")
    with tracking.continue_run(record, network) as run:
        evaluate_network(network, params.evaluate, Path(prepared), Path(model), record, Path(runs), Path(report), run)


if __name__ == "__main__":
    script.run(main)
