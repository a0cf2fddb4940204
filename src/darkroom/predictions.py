"""``darkroom predict``: a packaged model and image files, or a table of prices, in; predictions out."""

import csv
import importlib
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from darkroom.errors import ImageError, InputError
from darkroom.files import as_json, read_json
from darkroom.images import ENDINGS, Pixels

PORTION = 32


@dataclass(frozen=True)
class Answer:
    """What a model says of one file: a prediction, or why there is none."""

    image: str
    prediction: dict[str, Any] | None
    error: str | None = None

    @property
    def probability(self) -> float:
        """The probability of the label."""
        if self.prediction is None:
            raise ValueError(f"{self.image} has no prediction")
        return float(max(self.prediction["probabilities"].values()))


def find_images(places: Sequence[str]) -> list[Path]:
    """List the files named, and the image files below the folders named.

    Raises:
        InputError: a place does not exist, or a folder holds no image.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if not place.exists():
            raise InputError(f"{place} does not exist; name image files, or folders of them")
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
            if not inside:
                raise InputError(f"{place} holds no image ({', '.join(ENDINGS)}); name another folder")
            found.extend(inside)
        else:
            found.append(place)
    return found


def answers(model: Any, paths: Sequence[Path], minimum_probability: float) -> Iterator[Answer]:
    """Predict files in portions; a file that cannot be used does not keep the others from their answers."""
    for start in range(0, len(paths), PORTION):
        portion = paths[start : start + PORTION]
        try:
            yield from _predict(model, portion, minimum_probability)
        except ImageError:
            for path in portion:
                try:
                    yield from _predict(model, [path], minimum_probability)
                except ImageError as error:
                    yield Answer(str(path), None, str(error).removeprefix("image 0: "))


def chart_answers(
    model: Any, charts: Iterable[tuple[str, Pixels | str]], minimum_probability: float
) -> Iterator[Answer]:
    """Predict charts by their names; where there is a text instead of a chart, it says why there is none."""
    remaining = iter(charts)
    while portion := list(itertools.islice(remaining, PORTION)):
        drawn = {name: chart for name, chart in portion if not isinstance(chart, str)}
        predicted = _answered(model, list(drawn), list(drawn.values()), minimum_probability) if drawn else []
        found = {answer.image: answer for answer in predicted}
        yield from (Answer(name, None, chart) if isinstance(chart, str) else found[name] for name, chart in portion)


def newest_charts(uri: str, table: Path, ticker: str | None = None) -> Iterator[tuple[str, Pixels | str]]:
    """Draw the last days of each ticker in a table as the charts that a model was trained with.

    Args:
        uri: address of a packaged model of price charts: how it was trained to see prices travels with it.
        table: see ``price_tables.read_table``.
        ticker: the only one that is asked for.

    Yields:
        Ticker and days, and the chart; or the ticker, and why it has none.

    Raises:
        InputError: the model is none of price charts, the table cannot be used, or it has no such ticker.
    """
    from darkroom import price_charts, tracking
    from darkroom.packaged_model import import_privately
    from darkroom.price_tables import read_table
    from darkroom.sections import PriceChartsParams

    files = tracking.packaged_files(uri)
    description = read_json(files["description"])
    if not description.get("price_charts"):
        raise InputError(f"{uri}: was not trained on price charts but on {description['source']}; give it images")
    params = PriceChartsParams.model_validate_json(json.dumps(description["price_charts"]))
    asked = [series for series in read_table(table, params.maximum_gap) if ticker in {None, series.ticker}]
    if not asked:
        raise InputError(f"{table}: no ticker {ticker}; leave --ticker out to predict all")
    drawing = importlib.import_module(".charts", import_privately(files["code"]).__package__)
    for series in asked:
        try:
            yield price_charts.newest(series, params, description["size"], drawing.draw)
        except InputError as error:
            yield series.ticker, str(error).removeprefix(f"{series.ticker}: ")


def _predict(model: Any, paths: Sequence[Path], minimum_probability: float) -> list[Answer]:
    return _answered(model, list(map(str, paths)), [read(path) for path in paths], minimum_probability)


def _answered(
    model: Any, names: Sequence[str], content: Sequence[bytes | Pixels], minimum_probability: float
) -> list[Answer]:
    from mlflow.exceptions import MlflowException

    try:
        predictions = model.predict(content, params={"minimum_probability": minimum_probability})
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise ImageError(error.message) from None
    return [Answer(name, prediction) for name, prediction in zip(names, predictions, strict=True)]


def read(path: Path) -> bytes:
    """Return the content of an image file.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from None


def render(given: Sequence[Answer], form: Literal["table", "csv", "json"]) -> str:
    """Write predictions for a person, a spreadsheet or a program."""
    predicted = [(answer, answer.prediction) for answer in given if answer.prediction is not None]
    match form:
        case "json":
            return as_json([{"image": answer.image, **prediction} for answer, prediction in predicted])
        case "csv":
            return _csv(predicted)
        case "table":
            width = max((len(answer.image) for answer, _ in predicted), default=0)
            labels = max((len(prediction["label"]) for _, prediction in predicted), default=0)
            return "".join(
                f"{answer.image:<{width}}  {prediction['label']:<{labels}}  {answer.probability:.4f}"
                f"{'  unsure' if prediction.get('unsure') else ''}\n"
                for answer, prediction in predicted
            )


def _csv(predicted: Sequence[tuple[Answer, dict[str, Any]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    classes = list(predicted[0][1]["probabilities"]) if predicted else []
    writer.writerow(["image", "label", "probability", "unsure", *(f"p({label})" for label in classes)])
    for answer, prediction in predicted:
        unsure = str(prediction.get("unsure", False)).lower()
        row = [answer.image, prediction["label"], answer.probability, unsure]
        writer.writerow([*row, *prediction["probabilities"].values()])
    return text.getvalue()
