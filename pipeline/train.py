"""Train one network with its effective parameters, and package it."""

from pathlib import Path

from darkroom import script
from darkroom.networks import Network
from darkroom.params import read_best_params, read_params, with_values


def main(
    network: Network, prepared: str, best_params: str, preview: str, model: str, identity: str, report: str
) -> None:
    params = read_params()
    values = with_values(params.network(network), read_best_params(best_params))
    import pandas as pd

    from darkroom import records, tracking, training
    from darkroom.datasets import Description
    from darkroom.stages import train

    description = Description.read(Path(prepared) / "dataset.json")
    training.check_devices(params.train.strategy, network, values, sum(description.training_counts.values()))
    tracking.open_store()
    with tracking.start_run(network, "train", train.run_tags(network, description)) as run:
        records.log_inputs(run, params, values, description, preview)
        records.log_training_images(run, pd.read_parquet(Path(prepared) / "train" / "manifest.parquet"))
        train.log_own_preview(params, values, Path(prepared), run)
        with train.train_network(network, params, values, description, Path(prepared), run) as trained:
            train.write_report(run, trained, network, Path(report))
            trained.save(model)
            reached = train.training_accuracy(trained, description, Path(prepared))
            record = train.package(run, trained, model, Path(prepared) / "dataset.json", reached)
            record.write(identity)
    print(f"{network}: {record}")


if __name__ == "__main__":
    script.run(main)
