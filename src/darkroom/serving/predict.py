"""``darkroom predict``: predictions of a packaged model for image files or a table of prices."""

import importlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from darkroom.base import spreadsheets
from darkroom.base.errors import DarkroomError, ImageError, InputError
from darkroom.base.files import as_json, files_below, read_limited
from darkroom.base.types import Pixels
from darkroom.data.formats.samples import MAXIMUM_FILE_BYTES, printable
from darkroom.data.sources.layout import is_hidden
from darkroom.inference.images import ENDINGS
from darkroom.reporting.tables import plain_table

BATCH = 32
KNOWN = ("set", "unknown", "unknown_score")
"""What models that are calibrated answer as well."""
NOT_A_NUMBER = "the network's output is not a number; train and promote another model"


@dataclass(frozen=True)
class Prediction:
    """A model's output for one image, or the reason why there is none."""

    image: str
    output: dict[str, Any] | None
    error: str | None = None

    @property
    def probability(self) -> float:
        """The probability of the predicted label."""
        if self.output is None:
            raise ValueError(f"{self.image} has no prediction")
        return float(max(self.output["probabilities"].values()))


def find_images(places: Sequence[str]) -> list[Path]:
    """Return the given files, and all image files in the given folders.

    Raises:
        InputError: a path does not exist, or a folder contains no image.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if not place.exists():
            raise InputError(f"{place} does not exist; name image files or folders of images")
        if place.is_dir():
            # What cannot be read, such as a pipe or a broken link, is listed with its error.
            inside = [path for path in files_below(place) if path.suffix.lower() in ENDINGS]
            if not inside:
                raise InputError(f"{place} contains no image ({', '.join(ENDINGS)}); name another folder")
            found.extend(inside)
        else:
            found.append(place)
    return found


def other_files(places: Sequence[str]) -> list[str]:
    """Return the visible files in the given folders that ``find_images`` does not list."""
    inside = (path for place in map(Path, places) if place.is_dir() for path in files_below(place))
    return [str(path) for path in inside if path.suffix.lower() not in ENDINGS and not is_hidden(path.name)]


def predict_files(model: Any, paths: Sequence[Path], minimum_probability: float) -> Iterator[Prediction]:
    """Predict image files in batches; a file that cannot be used yields an error and does not affect the others."""
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        try:
            yield from _predict(model, batch, minimum_probability)
        except ImageError:
            for path in batch:
                try:
                    yield from _predict(model, [path], minimum_probability)
                except ImageError as error:
                    yield Prediction(str(path), None, str(error).removeprefix("image 0: "))


def predict_charts(
    model: Any, charts: Iterable[tuple[str, Pixels | str]], minimum_probability: float
) -> Iterator[Prediction]:
    """Predict named charts in batches; a text instead of a chart is the reason why it is missing."""
    remaining = iter(charts)
    while batch := list(itertools.islice(remaining, BATCH)):
        usable = {name: chart for name, chart in batch if not isinstance(chart, str)}
        predicted = _predict_batch(model, list(usable), list(usable.values()), minimum_probability) if usable else []
        by_name = {prediction.image: prediction for prediction in predicted}
        yield from (Prediction(name, None, chart) if isinstance(chart, str) else by_name[name] for name, chart in batch)


def draw_newest_charts(uri: str, table: Path, ticker: str | None = None) -> Iterator[tuple[str, Pixels | str]]:
    """Draw the latest days of each ticker in a table as a chart, as for the model's training.

    Args:
        uri: a packaged model trained on price charts; it contains the drawing code and settings.
        table: see ``price_tables.read_table``.
        ticker: the only ticker to draw; None for all.

    Yields:
        Ticker with days and the chart; or the ticker and the reason why it has no chart.

    Raises:
        InputError: the model was not trained on price charts, the table cannot be used, or the ticker is not in it.
    """
    from darkroom.data.sources import price_charts
    from darkroom.data.sources.price_tables import read_table
    from darkroom.inference.packaged_model import import_privately
    from darkroom.params import PriceChartsParams
    from darkroom.tracking.packaged_parts import PackagedParts

    parts = PackagedParts.open(uri)
    description = parts.description
    if not description.get("price_charts"):
        raise InputError(
            f"{uri}: was not trained on price charts but on {description['source']}; name images to predict"
        )
    params = PriceChartsParams.model_validate_json(json.dumps(description["price_charts"]))
    asked = [series for series in read_table(table, params.maximum_gap) if ticker in {None, series.ticker}]
    if not asked:
        raise InputError(f"{table}: no ticker {ticker}; omit --ticker to predict all")
    drawing = importlib.import_module(".charts", import_privately(parts.code).__package__)
    for series in asked:
        try:
            yield price_charts.newest(series, params, description["size"], drawing.draw)
        except InputError as error:
            yield series.ticker, str(error).removeprefix(f"{series.ticker}: ")


def _predict(model: Any, paths: Sequence[Path], minimum_probability: float) -> list[Prediction]:
    return _predict_batch(model, list(map(str, paths)), [read(path) for path in paths], minimum_probability)


def _predict_batch(
    model: Any, names: Sequence[str], content: Sequence[bytes | Pixels], minimum_probability: float
) -> list[Prediction]:
    from mlflow.exceptions import MlflowException

    try:
        predictions = model.predict(content, params={"minimum_probability": minimum_probability})
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise DarkroomError(error.message) from None
        raise ImageError(error.message) from None
    return [
        Prediction(name, output) if _is_finite(output) else Prediction(name, None, NOT_A_NUMBER)
        for name, output in zip(names, predictions, strict=True)
    ]


def _is_finite(output: dict[str, Any]) -> bool:
    return all(math.isfinite(probability) for probability in output["probabilities"].values())


def read(path: Path) -> bytes:
    """Return the content of an image file.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return read_limited(path, MAXIMUM_FILE_BYTES)
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from None


def render(given: Sequence[Prediction], form: Literal["table", "csv", "json"]) -> str:
    """Return predictions as a table for the terminal, CSV or JSON; images without a prediction are left out."""
    # Names of files need not be UTF-8; CSV and JSON are.
    named = [replace(prediction, image=printable(prediction.image)) for prediction in given]
    predicted = [(prediction, prediction.output) for prediction in named if prediction.output is not None]
    match form:
        case "json":
            return as_json([{"image": prediction.image, **output} for prediction, output in predicted])
        case "csv":
            return _csv(predicted)
        case "table":
            return plain_table([_row(prediction, output) for prediction, output in predicted], head=False)


def _row(prediction: Prediction, output: dict[str, Any]) -> dict[str, str]:
    """Return a row for the terminal; a set is named where it says something else than the label."""
    several = output.get("set", [output["label"]])
    notes = [
        "unknown" if output.get("unknown") else "",
        "unsure" if output.get("unsure") else "",
        "" if several == [output["label"]] else " or ".join(several) or "no class is probable enough",
    ]
    return {
        "image": prediction.image,
        "label": output["label"],
        "probability": f"{prediction.probability:.4f}",
        "notes": "; ".join(filter(None, notes)),
    }


def _csv(predicted: Sequence[tuple[Prediction, dict[str, Any]]]) -> str:
    import pandas as pd

    classes = list(predicted[0][1]["probabilities"]) if predicted else []
    rows = [
        (
            *(prediction.image, output["label"], prediction.probability, str(output.get("unsure", False)).lower()),
            *(_cell(output[name]) for name in KNOWN if name in output),
            *output["probabilities"].values(),
        )
        for prediction, output in predicted
    ]
    known = [name for name in KNOWN if predicted and name in predicted[0][1]]
    columns = ["image", "label", "probability", "unsure", *known, *(f"p({label})" for label in classes)]
    return spreadsheets.as_csv(pd.DataFrame(rows, columns=columns))


def _cell(value: Any) -> Any:
    """Return a value for a CSV file: a set as a JSON list, since names of classes may hold any separator."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | bool) else value
