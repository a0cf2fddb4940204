"""Commands on networks before training: params, models, sweep, learning-curve."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.base.errors import InputError
from darkroom.base.files import as_json, is_there
from darkroom.cli.arguments import class_count, count, image_size, network, share
from darkroom.cli.progress import step
from darkroom.networks import Network, NetworkParams
from darkroom.reporting.tables import plain_table

if TYPE_CHECKING:
    from darkroom.networks import Network, NetworkParams


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this group."""
    from darkroom.experiments.ladder import RATES
    from darkroom.networks import names

    known = names()
    params = commands.add_parser("params", help="show a network's effective parameters and their origin")
    params.add_argument("network", choices=known)
    params.add_argument("--json", action="store_true", help="print JSON")
    params.set_defaults(command=_params)

    models = commands.add_parser("models", help="list the networks, or show the layers of one")
    models.add_argument("network", nargs="?", type=network, metavar="NETWORK", help=f"one of {', '.join(known)}")
    models.add_argument("--input", type=image_size, metavar="HxWxC", help="default: the published size")
    models.add_argument("--classes", type=class_count, metavar="N", help="default: the published number")
    models.add_argument("--json", action="store_true", help="print JSON")
    models.set_defaults(command=_models)

    sweep = commands.add_parser("sweep", help="learning-rate sweep: train a few epochs with each of several rates")
    sweep.add_argument("network", choices=known)
    sweep.add_argument("--rates", nargs="+", default=RATES, metavar="RATE", help=f"default: {' '.join(RATES)}")
    sweep.add_argument("--epochs", type=count, default=3, help="epochs per rate; default: 3")
    sweep.add_argument("--images", type=count, default=2000, help="maximum number of training images; default: 2000")
    sweep.add_argument("--json", action="store_true", help="print JSON, with the losses of all epochs")
    sweep.set_defaults(command=_sweep)

    curve = commands.add_parser(
        "learning-curve", help="train on increasing shares of the images: more data, or more tuning?"
    )
    curve.add_argument("network", choices=known)
    curve.add_argument(
        "--shares",
        nargs="+",
        type=share,
        default=(0.125, 0.25, 0.5, 1.0),
        metavar="SHARE",
        help="default: .125 .25 .5 1",
    )
    curve.add_argument("--json", action="store_true", help="print JSON")
    curve.set_defaults(command=_learning_curve)


def _params(chosen: argparse.Namespace) -> int:
    from darkroom.params import flatten, origins, read_best_params, read_params, with_values
    from darkroom.reporting.results import Results

    params = read_params()
    found = Results(Path(), chosen.network).best_params
    best = read_best_params(found) if is_there(found) else {}
    values = flatten(with_values(params.network(chosen.network), best).model_dump(mode="json"))
    origin = origins(params, chosen.network, best)
    rows = [{"parameter": name, "value": value, "origin": origin[name]} for name, value in values.items()]
    print(as_json(rows) if chosen.json else plain_table(rows), end="")
    return 0


def _models(chosen: argparse.Namespace) -> int:
    if chosen.network is None and (chosen.input or chosen.classes):
        raise InputError("--input and --classes require a network, such as darkroom models lenet5")
    if chosen.network is None:
        from darkroom.networks import catalogue

        rows = list(catalogue.networks())
        print(as_json(rows) if chosen.json else plain_table(rows, commas=True), end="")
        return 0
    values, origin = _values(chosen.network)
    with step(f"building {chosen.network}", patience=0):
        from darkroom.experiments import anatomy
        from darkroom.networks import load

        published = load(chosen.network)
        size = chosen.input or getattr(published, "PUBLISHED_INPUT", None)
        classes = chosen.classes or getattr(published, "PUBLISHED_CLASSES", None)
        if size is None or classes is None:
            raise InputError(f"networks/{chosen.network}.py has no PUBLISHED_INPUT; give --input and --classes")
        model = anatomy.build(chosen.network, values, size, classes)
        rows = anatomy.layers(model)
    if chosen.json:
        print(as_json(rows), end="")
        return 0
    print(plain_table(rows, commas=True), end="")
    source = getattr(published, "SOURCE", f"networks/{chosen.network}.py")
    trained = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    print(f"{model.count_params():,} parameters, {trained:,} of them trainable; {origin}\n{source}")
    return 0


def _values(network: "Network") -> "tuple[NetworkParams, str]":
    """Return a network's parameters and their origin."""
    from darkroom.networks import PARAMS
    from darkroom.params import read_params

    if is_there("params.yaml"):
        params = read_params()
        if params.train.parts.get(network) is not None:
            return params.network(network), f"with train.{network} of params.yaml"
    return PARAMS[network](), "as published"


def _sweep(chosen: argparse.Namespace) -> int:
    from darkroom.data.prepared.prepared import Prepared
    from darkroom.experiments import ladder
    from darkroom.params import read_params
    from darkroom.tracking import address

    params = read_params()
    rates = ladder.rates(chosen.rates, params.network(chosen.network))
    prepared = Prepared.of_project()
    prepared.require()
    address.check_tracking()
    with step("loading TensorFlow", patience=0):
        from darkroom.experiments import sweep as experiments_sweep
        from darkroom.experiments.sweep import Budget, folder

    budget = Budget(rates, chosen.epochs, chosen.images)
    with step(f"training {chosen.network} with {len(rates)} learning rates"):
        outcome = experiments_sweep.sweep(chosen.network, params, budget, prepared, show=not chosen.json)
    rows = outcome.rows()
    print(as_json(rows) if chosen.json else plain_table([ladder.shortened(row) for row in rows]), end="")
    if not chosen.json:
        print(f"picture: {folder(chosen.network) / 'sweep.png'}")
    summary = outcome.summary(chosen.network)
    if not chosen.json:
        print(summary)
    return 0


def _learning_curve(chosen: argparse.Namespace) -> int:
    shares = sorted(set(chosen.shares))
    if len(shares) < 2:  # noqa: PLR2004
        raise InputError("--shares: one share given; a curve needs at least two")
    from darkroom.data.prepared.prepared import Prepared
    from darkroom.params import read_params

    params = read_params()
    prepared = Prepared.of_project()
    prepared.require()
    with step("loading TensorFlow", patience=0):
        from darkroom.experiments import learning_curve

    with step(f"training {chosen.network} on {len(shares)} shares of the images"):
        points, found = learning_curve.learning_curve(chosen.network, params, shares, prepared, show=not chosen.json)
    rows = [asdict(point) for point in points]
    if chosen.json:
        print(as_json({"points": rows, "verdict": found.verdict, "reason": found.reason}), end="")
    else:
        print(plain_table(rows), end="")
        print(f"{chosen.network}: {found.verdict}: {found.reason}")
        print(f"picture: {learning_curve.folder(chosen.network)}/learning_curve.png")
    return 0
