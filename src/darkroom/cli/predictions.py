"""Commands on trained models: predict, serve, explain."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.base.terminal import shown
from darkroom.cli.arguments import count, probability
from darkroom.cli.progress import step
from darkroom.cli.settings import champion


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this group."""
    predict = commands.add_parser("predict", help="classify images or the latest price charts with a registered model")
    predict.add_argument("images", nargs="*", metavar="IMAGE|FOLDER")
    predict.add_argument("--table", type=Path, metavar="FILE", help="daily prices: classify each ticker's latest chart")
    predict.add_argument("--ticker", help="only this ticker of the table")
    predict.add_argument("--model", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    predict.add_argument(
        "--min-probability", type=probability, default=0.0, metavar="P", help="mark predictions below P as unsure"
    )
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="print CSV")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    predict.set_defaults(command=_predict, form="table")

    serve = commands.add_parser(
        "serve", help="serve predictions over HTTP like mlflow models serve, with short errors for bad requests"
    )
    serve.add_argument("model", nargs="?", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    serve.add_argument("--port", type=int, default=5001, help="default: %(default)s")
    serve.add_argument(
        "--largest",
        type=count,
        default=32,
        metavar="MB",
        help="maximum request size in megabytes; default: %(default)s",
    )
    serve.add_argument(
        "--connections",
        type=count,
        default=256,
        metavar="N",
        help="maximum open connections, further ones get 503; default: %(default)s",
    )
    serve.set_defaults(command=_serve)

    explain = commands.add_parser(
        "explain",
        help="draw Grad-CAM heat maps and feature maps of a registered model on images",
        usage="%(prog)s [-h] [--model URI] [--output FOLDER] [models:/…|runs:/…] IMAGE|FOLDER…",
    )
    explain.add_argument("images", nargs="+", metavar="IMAGE|FOLDER", help="image files, or folders of them")
    explain.add_argument("--model", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    explain.add_argument(
        "--output", type=Path, default=Path("explanations"), metavar="FOLDER", help="default: explanations"
    )
    explain.set_defaults(command=_explain)


def _predict(chosen: argparse.Namespace) -> int:
    from darkroom.data.formats.usable import others_line
    from darkroom.serving.predict import (
        draw_newest_charts,
        find_images,
        other_files,
        predict_charts,
        predict_files,
        render,
    )
    from darkroom.tracking import address

    if bool(chosen.images) == bool(chosen.table) or (chosen.ticker and not chosen.table):
        raise InputError("name either images, or folders of them, or a table of prices (--table FILE, --ticker NAME)")
    if chosen.table and not chosen.table.is_file():
        raise InputError(f"{chosen.table}: no such file; name a table of daily prices")
    paths = find_images(chosen.images)
    for line in others_line(other_files(chosen.images)):
        print(f"darkroom predict: {line}", file=sys.stderr)
    address.check_tracking(must_exist=True, reading=True)
    with step("loading TensorFlow and MLflow", patience=0):
        from darkroom.tracking import opening

    uri = chosen.model or champion()
    with step(f"loading {uri} and classifying"):
        if chosen.table:
            charts = list(draw_newest_charts(uri, chosen.table, chosen.ticker))
            predictions = list(predict_charts(opening.load_model(uri), charts, chosen.min_probability))
        else:
            predictions = list(predict_files(opening.load_model(uri), paths, chosen.min_probability))
    print(render(predictions, chosen.form), end="")
    failed = [prediction for prediction in predictions if prediction.error]
    for prediction in failed:
        print(f"darkroom predict: {shown(f'{prediction.image}: {prediction.error}')}", file=sys.stderr)
    return InputError.exit_code if failed else 0


def _serve(chosen: argparse.Namespace) -> int:
    from darkroom.tracking import address

    address.check_tracking(must_exist=True, reading=True)
    from darkroom.serving import server
    from darkroom.serving.answers import PLACE
    from darkroom.serving.limits import Limits

    limits = Limits(largest=chosen.largest * 10**6, connections=chosen.connections)
    with server.listen(chosen.host, chosen.port) as place:
        uri = chosen.model or champion()
        with step(f"loading {uri}", patience=0):
            from darkroom.tracking import opening

            model = opening.load_model(uri)
        print(f"serving {uri} at http://{chosen.host}:{place.getsockname()[1]}{PLACE}", flush=True)
        server.serve(model, place, limits)
    return 0


def _explain(chosen: argparse.Namespace) -> int:
    from darkroom.data.formats.usable import others_line
    from darkroom.serving.predict import find_images, other_files
    from darkroom.tracking import address

    model, places = _model_and_images(chosen.model, chosen.images)
    paths = find_images(places)
    for line in others_line(other_files(places)):
        print(f"darkroom explain: {line}", file=sys.stderr)
    address.check_tracking(must_exist=True, reading=True)
    uri = model or champion()
    with step(f"loading {uri}", patience=0):
        from darkroom.base.errors import ImageError
        from darkroom.serving.explain import PackagedNetwork, draw, unique_names

        network = PackagedNetwork.load(uri)
    failed = False
    for path, name in zip(paths, unique_names(paths), strict=True):
        try:
            for written in draw(network, path, chosen.output, name):
                print(shown(str(written)), flush=True)
        except ImageError as error:
            print(f"darkroom explain: {shown(f'{path}: {error}')}", file=sys.stderr)
            failed = True
    return InputError.exit_code if failed else 0


def _model_and_images(model: str | None, places: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Split a model address before the images from the images.

    Raises:
        InputError: two models or no images are given.
    """
    from darkroom.tracking.address import MODEL_ADDRESSES

    if not places[0].startswith(MODEL_ADDRESSES):
        return model, places
    if model:
        raise InputError(f"two models given, {model} and {places[0]}; give one")
    if not places[1:]:
        raise InputError(f"no image given for {places[0]}; name image files, or folders of them")
    return places[0], places[1:]
