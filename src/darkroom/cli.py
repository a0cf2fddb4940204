"""The command ``darkroom``. Heavy libraries are imported by the command that needs them."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from darkroom.errors import DarkroomError, InputError
from darkroom.files import as_json, write_text

if TYPE_CHECKING:
    from darkroom.networks import Network, NetworkParams
    from darkroom.params import PromoteParams

DRIFT = DIFFERS = 3  # exit code
CLEANABLE = ("models", "runs", "cache", "searches", "trainings", "images", "experiments")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 the work failed, 2 the user's input is wrong, 3 there is drift or a difference, 130 interrupted.
    """
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.command(chosen))
    except DarkroomError as error:
        for line in str(error).splitlines():
            print(f"darkroom {chosen.name}: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has seen enough, as `head` has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom", description="An experiment pipeline for image classification.")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    _add_checking(commands)
    _add_networks(commands)
    _add_answers(commands)
    _add_store(commands)
    return parser


def _add_checking(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add what holds the project together."""
    check = commands.add_parser("check", help="check params.yaml, the data, the tracking store and the registry")
    part = check.add_mutually_exclusive_group()
    part.add_argument("--inputs", action="store_true", help="only what must be in order before a run")
    part.add_argument(
        "--registry", action="store_true", help="only whether the registry is as the last promotion left it"
    )
    check.set_defaults(command=_check)

    retrain = commands.add_parser("retrain", help="pull, run what changed, push, sum up, offer the results: for CI")
    retrain.add_argument("--summary", type=Path, default=Path(".darkroom/summary"), metavar="FOLDER")
    retrain.add_argument("--base", metavar="REVISION", help="what to compare with; default: the last results")
    retrain.set_defaults(command=_retrain)

    drift = commands.add_parser("drift", help="hold new images against the training data; exit code 3 if they differ")
    drift.add_argument("images", metavar="FOLDER|ZIP", help="new images; their labels count if folders name classes")
    model = drift.add_mutually_exclusive_group()
    model.add_argument("--model", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    model.add_argument("--no-model", action="store_true", help="compare labels and image statistics alone")
    drift.add_argument(
        "--level", type=_level, default=0.01, metavar="P", help="chance of a false alarm in all; default: 0.01"
    )
    drift.add_argument("--seed", type=_seed, default=0, help="of the images drawn and the permutations; default: 0")
    drift.add_argument(
        "--out", type=Path, default=Path("reports/drift/index.html"), metavar="FILE", help="default: %(default)s"
    )
    drift.add_argument("--json", action="store_true", help="print JSON")
    drift.set_defaults(command=_drift)


def _add_networks(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add what is asked of networks, before they are trained for good."""
    from darkroom.ladder import RATES
    from darkroom.networks import NETWORKS

    params = commands.add_parser("params", help="show a network's effective parameters and where each comes from")
    params.add_argument("network", choices=NETWORKS)
    params.add_argument("--json", action="store_true", help="print JSON")
    params.set_defaults(command=_params)

    models = commands.add_parser("models", help="list the networks, or show the layers of one")
    models.add_argument("network", nargs="?", type=_network, metavar="NETWORK", help=f"one of {', '.join(NETWORKS)}")
    models.add_argument("--input", type=_image_size, metavar="HxWxC", help="default: the published one")
    models.add_argument("--classes", type=_class_count, metavar="N", help="default: the published number")
    models.add_argument("--json", action="store_true", help="print JSON")
    models.set_defaults(command=_models)

    sweep = commands.add_parser("sweep", help="train a few epochs with each rate of a ladder: which learning rate?")
    sweep.add_argument("network", choices=NETWORKS)
    sweep.add_argument("--rates", nargs="+", default=RATES, metavar="RATE", help=f"default: {' '.join(RATES)}")
    sweep.add_argument("--epochs", type=_count, default=3, help="epochs with each rate; default: 3")
    sweep.add_argument("--images", type=_count, default=2000, help="training images at most; default: 2000")
    sweep.add_argument("--json", action="store_true", help="print JSON, with the losses of all epochs")
    sweep.set_defaults(command=_sweep)

    curve = commands.add_parser("learning-curve", help="train on ever more images: more data, or more tuning?")
    curve.add_argument("network", choices=NETWORKS)
    curve.add_argument(
        "--shares",
        nargs="+",
        type=_share,
        default=(0.125, 0.25, 0.5, 1.0),
        metavar="SHARE",
        help="default: .125 .25 .5 1",
    )
    curve.add_argument("--json", action="store_true", help="print JSON")
    curve.set_defaults(command=_learning_curve)


def _add_answers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add what is asked of trained models."""
    predict = commands.add_parser("predict", help="classify images, or the newest price charts, with a promoted model")
    predict.add_argument("images", nargs="*", metavar="IMAGE|FOLDER")
    predict.add_argument("--table", type=Path, metavar="FILE", help="daily prices: classify each ticker's last days")
    predict.add_argument("--ticker", help="of the table, the only one")
    predict.add_argument("--model", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    predict.add_argument(
        "--min-probability", type=_probability, default=0.0, metavar="P", help="mark answers below P as unsure"
    )
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="print CSV")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    predict.set_defaults(command=_predict, form="table")

    serve = commands.add_parser(
        "serve", help="answer images over HTTP, as mlflow models serve does, bad requests briefly"
    )
    serve.add_argument("model", nargs="?", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    serve.add_argument("--port", type=int, default=5001, help="default: %(default)s")
    serve.add_argument(
        "--largest", type=_count, default=32, metavar="MB", help="megabytes of a request at most; default: %(default)s"
    )
    serve.set_defaults(command=_serve)

    explain = commands.add_parser(
        "explain",
        help="draw where a promoted model looks in images, and what it sees there",
        usage="%(prog)s [-h] [--model URI] [--output FOLDER] [models:/…|runs:/…] IMAGE|FOLDER…",
    )
    explain.add_argument("images", nargs="+", metavar="IMAGE|FOLDER", help="image files, or folders of them")
    explain.add_argument("--model", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    explain.add_argument(
        "--output", type=Path, default=Path("explanations"), metavar="FOLDER", help="default: explanations"
    )
    explain.set_defaults(command=_explain)


def _add_store(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add what is asked of the tracking store, and what looks after it."""
    runs = commands.add_parser("runs", help="list training runs with commit, dvc.lock, experiment and model version")
    runs.add_argument("--rev", metavar="REVISION", help="only the runs whose results this git revision holds")
    runs.add_argument("--json", action="store_true", help="print JSON")
    runs.set_defaults(command=_runs)

    champion = commands.add_parser("champion", help="show who is the champion, since when, why and on what data")
    champion.add_argument("--json", action="store_true", help="print JSON")
    champion.set_defaults(command=_show_champion)

    promote = commands.add_parser("promote", help="make a version the champion by hand")
    promote.add_argument("version", metavar="VERSION", help="its number, as darkroom runs lists it")
    promote.add_argument("--reason", required=True, help="kept in the registry")
    promote.set_defaults(command=_promote)

    rollback = commands.add_parser("rollback", help="bring back the champion before the current one")
    rollback.add_argument("--reason", required=True, help="kept in the registry")
    rollback.set_defaults(command=_rollback)

    compare = commands.add_parser("compare", help="hold two models against one another on the images of both")
    for name in ("first", "second"):
        compare.add_argument(name, metavar="MODEL", help="an alias, a version, or the beginning of a run's id")
    compare.add_argument("--images", type=int, default=20, help="disagreeing images to list; default: 20")
    compare.add_argument(
        "--out", type=Path, default=Path("reports/comparison/index.html"), metavar="FILE", help="default: %(default)s"
    )
    compare.add_argument("--json", action="store_true", help="print JSON, with all disagreeing images")
    compare.set_defaults(command=_compare)

    reproduce = commands.add_parser(
        "reproduce",
        help="train a recorded model once more, and say what differs; exit code 3 if anything does",
    )
    reproduce.add_argument("model", nargs="?", default="champion", metavar="MODEL", help="an alias, a version or a run")
    reproduce.add_argument("--here", action="store_true", help="with this workspace's code and parameters")
    reproduce.set_defaults(command=_reproduce)

    restore = commands.add_parser("restore", help="rebuild a lost or empty tracking store from git and DVC")
    restore.add_argument("--all", action="store_true", help="every run in git's history, not the workspace's alone")
    restore.set_defaults(command=_restore)

    clean = commands.add_parser("clean", help="show what takes up disk, and free what nothing needs")
    clean.add_argument("what", nargs="*", type=_cleanable, metavar="WHAT", help=f"free {', '.join(CLEANABLE)}")
    clean.add_argument("--json", action="store_true", help="print JSON, with sizes in bytes")
    clean.set_defaults(command=_clean)

    ui = commands.add_parser("ui", help="open the MLflow UI on this project's store")
    ui.add_argument("--port", type=int, default=5000)
    ui.set_defaults(command=_ui)

    dashboard = commands.add_parser(
        "dashboard", help="open Optuna's dashboard on a search that runs or was interrupted"
    )
    dashboard.add_argument("network", nargs="?", help="whose search; without it, the newest one")
    dashboard.add_argument("--port", type=int, default=8080)
    dashboard.set_defaults(command=_dashboard)


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} given, a number from 0 to 1 was expected")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share; give a number above 0, up to 1")
    return value


def _level(text: str) -> float:
    value = float(text)
    # Below, the permutations would take minutes.
    if not 0.001 <= value <= 0.5:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} given, a number from 0.001 to 0.5 was expected")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} given, a whole number from 0 on was expected")
    return int(text)


def _network(text: str) -> str:
    # Not as choices, with which argparse before Python 3.12 wants one.
    from darkroom.networks import NETWORKS

    if text not in NETWORKS:
        raise argparse.ArgumentTypeError(f"{text} given, one of {', '.join(NETWORKS)} was expected")
    return text


def _image_size(text: str) -> tuple[int, ...]:
    parts = text.replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts) or parts[2] not in {"1", "3"}:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} given, height x width x channels was expected, such as 64x48x3")
    return tuple(map(int, parts))


def _class_count(text: str) -> int:
    if not text.isdigit() or int(text) < 2:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} given, a whole number from 2 on was expected")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} given, a whole number from 1 on was expected")
    return int(text)


def _cleanable(text: str) -> str:
    # Not as choices, with which argparse before Python 3.12 wants at least one.
    if text not in CLEANABLE:
        raise argparse.ArgumentTypeError(f"{text} given, one of {', '.join(CLEANABLE)} was expected")
    return text


def _check(chosen: argparse.Namespace) -> int:
    from darkroom.checks import check_inputs, check_registry

    if not chosen.registry:
        print(check_inputs())
    if not chosen.inputs:
        print(check_registry())
    return 0


def _runs(chosen: argparse.Namespace) -> int:
    from darkroom import listing, services
    from darkroom.lineage import git

    if chosen.rev and git("rev-parse", "--verify", "--quiet", f"{chosen.rev}^{{commit}}") is None:
        raise InputError(f"--rev {chosen.rev}: no such revision; git log lists them")
    services.check_tracking(must_exist=True)
    rows = listing.rows(_registered_model(), chosen.rev)
    shown = as_json(rows) if chosen.json else _table([listing.shortened(row) for row in rows]) if rows else "no runs\n"
    print(shown, end="")
    return 0


def _show_champion(chosen: argparse.Namespace) -> int:
    from darkroom import champions, tracking

    tracking.open_store()
    found = champions.described(_registered_model())
    if chosen.json:
        print(as_json(found), end="")
    else:
        width = max(map(len, found))
        print(*(f"{name.ljust(width)}  {_text(value)}" for name, value in found.items()), sep="\n")
    return 0


def _promote(chosen: argparse.Namespace) -> int:
    from darkroom import champions, tracking

    tracking.open_store()
    with tracking.answering():
        version = champions.promote(_registered_model(), chosen.version, chosen.reason)
    print(f"models:/{version.name}@champion is version {version.version}")
    return 0


def _rollback(chosen: argparse.Namespace) -> int:
    from darkroom import champions, tracking

    tracking.open_store()
    with tracking.answering():
        version = champions.rollback(_registered_model(), chosen.reason)
    print(f"models:/{version.name}@champion is version {version.version} again")
    return 0


def _compare(chosen: argparse.Namespace) -> int:
    from darkroom import comparing, comparing_report, tracking

    tracking.open_store()
    rules = _promotion()
    one, other = (comparing.find(rules.registered_model, named) for named in (chosen.first, chosen.second))
    found = comparing.compare(one, other, rules)
    apart = [{str(name): value for name, value in row.items()} for row in found.disagreeing.to_dict("records")]
    pictures = comparing_report.find_pictures(Path("data/prepared"), found)
    write_text(chosen.out, comparing_report.page(one.name, other.name, found, pictures))
    if lacking := len(apart) - len(pictures):
        print(
            f"darkroom compare: {lacking} of these images are not in data/prepared/test, and have no picture on the "
            "page; dvc pull data/prepared/test brings the current ones",
            file=sys.stderr,
        )
    if chosen.json:
        of_all = {"images": found.images, "gained": found.gained, "p": found.p, "test": found.test}
        print(as_json({**of_all, "scores": found.rows, "disagreeing": apart}), end="")
        return 0
    print(_table(found.rows), end="")
    print(comparing.sentence(other.name, found))
    if apart and chosen.images > 0:
        print(_table(apart[: chosen.images]), end="")
    print(f"page: {chosen.out}")
    return 0


def _reproduce(chosen: argparse.Namespace) -> int:
    from darkroom import reproducing, tracking

    tracking.open_store()
    found = reproducing.reproduce(_registered_model(), chosen.model, here=chosen.here)
    print(f"{found.network}, run {found.run_id}, from commit {found.commit[:12]}")
    print(*found.known, *found.differences, sep="\n", end="\n" if found.known or found.differences else "")
    print("identical: all weights and metrics are the same" if found.identical else "not identical")
    return 0 if found.identical else DIFFERS


def _restore(chosen: argparse.Namespace) -> int:
    from darkroom import restoring

    lines = list(restoring.restore(every=chosen.all)) or ["nothing is missing"]
    print("\n".join(lines))
    return 0


def _clean(chosen: argparse.Namespace) -> int:
    from darkroom import services

    services.check_tracking(must_exist=True)
    from darkroom import cleaning

    if not chosen.what:
        rows = cleaning.rows()
        print(as_json(rows) if chosen.json else _table([cleaning.shortened(row) for row in rows]), end="")
        return 0
    freed = []
    for row in cleaning.free(chosen.what, _registered_model()):
        freed.append(row)
        if not chosen.json:
            print(cleaning.line(row), flush=True)
    left = cleaning.remainder(freed)
    if chosen.json:
        print(as_json(freed), end="")
    elif left:
        print(left)
    return 0


def _retrain(chosen: argparse.Namespace) -> int:
    from darkroom.retraining import retrain

    retrain(chosen.summary, chosen.base)
    return 0


def _drift(chosen: argparse.Namespace) -> int:
    from darkroom import arrivals, datasets, services

    found = arrivals.find(chosen.images)
    prepared = Path("data/prepared")
    datasets.require_prepared(prepared)
    if not chosen.no_model:
        services.check_tracking(must_exist=True)
        from darkroom import backend  # noqa: F401 - backend keeps TensorFlow quiet
    from darkroom import drift_report, drifting

    judge = None if chosen.no_model else drifting.Judge.load(chosen.model or _champion())
    comparison = drifting.compare(found, prepared, judge, chosen.level, chosen.seed)
    write_text(chosen.out, drift_report.page(comparison))
    for line in [*(f"{failure} (left out)" for failure in comparison.failures), *comparison.notes]:
        print(f"darkroom drift: {line}", file=sys.stderr)
    rows = [outcome.row() for outcome in comparison.outcomes]
    if chosen.json:
        print(as_json(rows), end="")
    else:
        print(_table([{**row, "drift": "yes" if row["drift"] else "no"} for row in rows]), end="")
        print(*comparison.facts, f"page: {chosen.out}", comparison.verdict, sep="\n")
    return DRIFT if comparison.drifted else InputError.exit_code if comparison.failures else 0


def _params(chosen: argparse.Namespace) -> int:
    from darkroom.params import flattened, origins, read_best_params, read_params, with_values

    params = read_params()
    found = Path("runs") / chosen.network / "best_params.json"
    best = read_best_params(found) if found.is_file() else {}
    values = flattened(with_values(params.network(chosen.network), best).model_dump(mode="json"))
    origin = origins(params, chosen.network, best)
    rows = [{"parameter": name, "value": value, "origin": origin[name]} for name, value in values.items()]
    print(as_json(rows) if chosen.json else _table(rows), end="")
    return 0


def _models(chosen: argparse.Namespace) -> int:
    if chosen.network is None and (chosen.input or chosen.classes):
        raise InputError("--input and --classes are for one network; name it, such as darkroom models lenet5")
    from darkroom import anatomy
    from darkroom.models import module

    if chosen.network is None:
        rows = list(anatomy.networks())
        print(as_json(rows) if chosen.json else _table([_with_commas(row) for row in rows]), end="")
        return 0
    published = module(chosen.network)
    values, origin = _values(chosen.network)
    size, classes = chosen.input or published.PUBLISHED_INPUT, chosen.classes or published.PUBLISHED_CLASSES
    model = anatomy.built(chosen.network, values, size, classes)
    rows = anatomy.layers(model)
    if chosen.json:
        print(as_json(rows), end="")
        return 0
    print(_table([_with_commas(row) for row in rows]), end="")
    trained = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    print(f"{model.count_params():,} parameters, {trained:,} of them trained; {origin}\n{published.SOURCE}")
    return 0


def _values(network: "Network") -> "tuple[NetworkParams, str]":
    """Return a network's values, and where they are from."""
    from darkroom.networks import PARAMS
    from darkroom.params import read_params

    if Path("params.yaml").is_file():
        params = read_params()
        if getattr(params.train, network) is not None:
            return params.network(network), f"with train.{network} of params.yaml"
    return PARAMS[network](), "as published"


def _with_commas(row: dict[str, Any]) -> dict[str, Any]:
    """Write the whole numbers of a row with commas."""
    return {name: f"{value:,}" if isinstance(value, int) else value for name, value in row.items()}


def _sweep(chosen: argparse.Namespace) -> int:
    from darkroom import datasets, ladder, services
    from darkroom.params import read_params

    params = read_params()
    rates = ladder.rates(chosen.rates, params.network(chosen.network))
    prepared = Path("data/prepared")
    datasets.require_prepared(prepared)
    services.check_tracking()
    from darkroom import sweeping

    budget = sweeping.Budget(rates, chosen.epochs, chosen.images)
    outcome = sweeping.sweep(chosen.network, params, budget, prepared, show=not chosen.json)
    rows = outcome.rows()
    print(as_json(rows) if chosen.json else _table([ladder.shortened(row) for row in rows]), end="")
    if not chosen.json:
        print(f"picture: {sweeping.folder(chosen.network) / 'sweep.png'}")
    summary = outcome.summary(chosen.network)
    if not chosen.json:
        print(summary)
    return 0


def _learning_curve(chosen: argparse.Namespace) -> int:
    shares = sorted(set(chosen.shares))
    if len(shares) < 2:  # noqa: PLR2004 - a curve
        raise InputError("--shares: one share is no curve; give at least two")
    from darkroom.datasets import require_prepared
    from darkroom.params import read_params

    params = read_params()
    prepared = Path("data/prepared")
    require_prepared(prepared)
    from darkroom import learning_curve

    points, answer = learning_curve.learning_curve(chosen.network, params, shares, prepared, show=not chosen.json)
    rows = [asdict(point) for point in points]
    if chosen.json:
        print(as_json({"points": rows, "verdict": answer.verdict, "reason": answer.reason}), end="")
    else:
        print(_table(rows), end="")
        print(f"{chosen.network}: {answer.verdict}: {answer.reason}")
        print(f"picture: {learning_curve.folder(chosen.network)}/learning_curve.png")
    return 0


def _predict(chosen: argparse.Namespace) -> int:
    from darkroom import predictions, services

    if bool(chosen.images) == bool(chosen.table) or (chosen.ticker and not chosen.table):
        raise InputError("name either images, or folders of them, or a table of prices (--table FILE, --ticker NAME)")
    if chosen.table and not chosen.table.is_file():
        raise InputError(f"{chosen.table} is no file; name a table of daily prices")
    paths = predictions.find_images(chosen.images)
    services.check_tracking(must_exist=True)
    from darkroom import backend, tracking  # noqa: F401 - backend keeps TensorFlow quiet

    uri = chosen.model or _champion()
    if chosen.table:
        charts = list(predictions.newest_charts(uri, chosen.table, chosen.ticker))
        given = list(predictions.chart_answers(tracking.load_model(uri), charts, chosen.min_probability))
    else:
        given = list(predictions.answers(tracking.load_model(uri), paths, chosen.min_probability))
    print(predictions.render(given, chosen.form), end="")
    failed = [answer for answer in given if answer.error]
    for answer in failed:
        print(f"darkroom predict: {answer.image}: {answer.error}", file=sys.stderr)
    return InputError.exit_code if failed else 0


def _serve(chosen: argparse.Namespace) -> int:
    from darkroom import services

    services.check_tracking(must_exist=True)
    from darkroom import guard

    with guard.listen(chosen.host, chosen.port) as place:
        from darkroom import backend, tracking  # noqa: F401 - backend keeps TensorFlow quiet

        uri = chosen.model or _champion()
        model = tracking.load_model(uri)
        print(f"{uri} answers at http://{chosen.host}:{chosen.port}{guard.PLACE}", flush=True)
        guard.serve(model, place, chosen.largest * 10**6)
    return 0


def _explain(chosen: argparse.Namespace) -> int:
    from darkroom import predictions, services

    model, places = _model_and_images(chosen.model, chosen.images)
    paths = predictions.find_images(places)
    services.check_tracking(must_exist=True)
    from darkroom import backend, explanations  # noqa: F401 - backend keeps TensorFlow quiet
    from darkroom.errors import ImageError

    network = explanations.PackagedNetwork.load(model or _champion())
    failed = False
    for path, name in zip(paths, explanations.unique_names(paths), strict=True):
        try:
            for written in explanations.draw(network, path, chosen.output, name):
                print(written, flush=True)
        except ImageError as error:
            print(f"darkroom explain: {path}: {error}", file=sys.stderr)
            failed = True
    return InputError.exit_code if failed else 0


def _model_and_images(model: str | None, places: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Take the model from in front of the images, where it stands there.

    Raises:
        InputError: two models are named, or no image.
    """
    from darkroom.services import MODEL_ADDRESSES

    if not places[0].startswith(MODEL_ADDRESSES):
        return model, places
    if model:
        raise InputError(f"two models named, {model} and {places[0]}; name one")
    if not places[1:]:
        raise InputError(f"no image named for {places[0]}; name image files, or folders of them")
    return places[0], places[1:]


def _champion() -> str:
    return f"models:/{_registered_model()}@champion"


def _registered_model() -> str:
    return _promotion().registered_model


def _promotion() -> "PromoteParams":
    from darkroom.params import PromoteParams, read_params

    return read_params().promote if Path("params.yaml").is_file() else PromoteParams()


def _ui(chosen: argparse.Namespace) -> int:
    from darkroom import services

    services.check_tracking()
    if not services.is_server():
        _become_ui(chosen.port)
    print(f"the server has the MLflow UI: {services.shown_uri()}")
    return 0


def _dashboard(chosen: argparse.Namespace) -> int:
    from darkroom.search.dashboard import serve

    serve(chosen.network, chosen.port)
    return 0


def _become_ui(port: int) -> NoReturn:
    from darkroom import services, tracking

    # Before MLflow's server does it, which would choose another place for the files.
    tracking.open_store()
    # Not as an argument, which everybody on this machine can read: it may hold a password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = services.tracking_uri()
    # By the Python that runs this: its folder need not be in PATH.
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", "--port", str(port)])  # noqa: S606


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Lay rows out in columns, with their keys as heads."""
    lines = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
