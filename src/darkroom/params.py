"""Strict, frozen models of ``params.yaml``: the only place where types, ranges and defaults live.

Nothing heavy is imported here, so that a misspelt key is refused within a fraction of a second.
"""

import difflib
import itertools
import json
import math
import random
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from darkroom.errors import InputError
from darkroom.files import read_json
from darkroom.networks import (
    NETWORKS,
    OPTIMIZER_PARAMS,
    SCHEDULE_PARAMS,
    Network,
    NetworkParams,
    TrainParams,
    check_data,
)
from darkroom.recipes import with_recipe
from darkroom.search.settings import (
    BudgetSettings,
    MedianSettings,
    Pruner,
    RaySettings,
    Sampler,
    Storage,
    TpeSettings,
    check_installed,
    check_ray_installed,
)
from darkroom.search.spaces import Range, SearchSpace
from darkroom.sections import (
    AugmentationParams,
    Count,
    Fraction,
    Name,
    PriceChartsParams,
    Section,
    Seed,
    check_chart_size,
    refuse_geometry,
)


class DataParams(Section):
    """Where the images come from."""

    source: Literal["digits", "folder", "archive", "table", "parquet", "keras", "price_charts"]
    path: Name
    """What holds the images, or the page of those that come with a library (``digits``, ``keras``)."""
    image_column: Name = "image"
    """Of ``table``: paths of images; of ``parquet``: the images themselves."""
    label_column: Name = "label"
    group_column: Name | None = None
    """Of ``table`` and ``parquet``: what images share that must not be in several splits, such as a patient."""
    split_column: Name | None = None
    """Of ``table``: train, validation or test, where that is given."""
    price_charts: PriceChartsParams | None = None
    """How charts are drawn and what is asked of them; of ``price_charts`` alone, which needs it."""


class ValidateParams(Section):
    """What must hold of the images before anything is trained on them."""

    labels: tuple[Name, ...] | None = None
    """Class names that are expected, all of them and no others; null takes those that are found."""
    minimum_images_per_class: Count = 20
    maximum_class_ratio: Annotated[float, Field(ge=1)] = 20.0
    """The largest class may be so many times as large as the smallest."""
    maximum_duplicate_share: Fraction = 0.05
    maximum_quarantine_share: Fraction = 0.05
    """Of all files of the source; images that cannot be used are left out and listed, up to this share."""
    modes: tuple[Name, ...] = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")
    """Pillow's names of the pixel formats that are accepted."""
    minimum_side: Count = 4
    maximum_side: Count = 20_000
    minimum_contrast: Annotated[float, Field(ge=0)] = 1.0
    """Standard deviation that an image's grey values (0 to 255) must reach; an empty frame has 0."""


class SplitParams(Section):
    """Shares of the images that go to each split; they sum to 1."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.6
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2


Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
Aspect = Literal["stretch", "pad", "crop"]
Background = Literal["white", "black", "grey"]


class PreprocessParams(Section):
    """One size for all images, and who is trained on, chosen with and tested on."""

    seed: Seed = 0
    size: tuple[Count, Count, Literal[1, 3]] = (28, 28, 1)
    """Height and width in pixels, and 1 for grey or 3 for colour."""
    interpolation: Interpolation = "bicubic"
    aspect: Aspect = "stretch"
    background: Background = "white"
    """What shows through where an image is transparent."""
    split: SplitParams = SplitParams()
    augmentation: AugmentationParams = AugmentationParams()


class SearchParams(Section):
    """The budget of each network's search, how it chooses, and the space of each network."""

    seed: Seed = 0
    budget: BudgetSettings = BudgetSettings()
    epochs: Count = 10
    """Epochs of one trial at most."""
    sampler: Sampler = TpeSettings()
    pruner: Pruner = MedianSettings(startup_trials=2, warmup_epochs=2)
    executor: Literal["local", "ray"] = "local"
    """Where trials run: on this machine, or on a Ray cluster."""
    workers: Count | None = None
    """Trials at once, each in a process of its own; null is one, in this process, or all that a Ray cluster holds."""
    ray: RaySettings = RaySettings()
    storage: Storage | None = None
    """Null keeps the study in a file."""
    mlp: SearchSpace | None = None
    mnist_cnn: SearchSpace | None = None
    cifar_cnn: SearchSpace | None = None
    cifar_bn_cnn: SearchSpace | None = None
    lenet5: SearchSpace | None = None
    alexnet: SearchSpace | None = None
    inception: SearchSpace | None = None
    resnet20: SearchSpace | None = None
    resnet50: SearchSpace | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "SearchParams":
        if self.executor == "local" and self.ray != RaySettings():
            raise ValueError("ray has settings, and executor is local; set executor: ray, or take ray out")
        return self


class EvaluateParams(Section):
    """What evaluation is told, and how sure its numbers are."""

    human_accuracy: Fraction | None = None
    """What people reach on such images; shown beside the network's, and what a diagnosis calls the best possible."""
    top: Annotated[int, Field(ge=1)] = 5
    """Of the top-k accuracy: in how many answers the label is looked for."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 2000
    """Of the bootstrap that gives the intervals."""
    seed: Seed = 0


class PromoteParams(Section):
    """When a new model takes the champion's place."""

    registered_model: Annotated[str, Field(min_length=1, pattern=r"^[\w .-]+$")] = "darkroom"
    candidate: Literal["validation_accuracy", "validation_loss"] = "validation_accuracy"
    """The metric that picks the candidate among the networks of this run."""
    rule: Literal["auto", "better", "not_worse"] = "auto"
    """What the candidate must be against the champion; ``auto`` takes ``not_worse`` where the training images are
    others than the champion's, else ``better``."""
    minimum_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """For ``better``: test accuracy that the candidate must have more; with 0 it must be better at all."""
    significance: Annotated[float, Field(gt=0, le=1)] = 0.025
    """For ``better``, and for lost recall: how probable such a difference may be between equal models."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """For ``not_worse``: test accuracy that may be lost, with 95 % confidence."""
    maximum_recall_loss: Annotated[float, Field(ge=0, lt=1)] | None = 0.1
    """Of any class; null allows all."""
    maximum_calibration_error: Fraction | None = None
    maximum_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Of the network for one image, 95th percentile."""
    maximum_size_mb: Annotated[float, Field(gt=0)] | None = None
    """Of the network's file."""
    maximum_memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Of the process that evaluates it, at its peak."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 2000
    """Of the bootstrap."""
    seed: Seed = 0


class CardParams(Section):
    """What people say of the model, on its page."""

    intended_use: str | None = None
    limitations: str | None = None
    owner: str | None = None
    licence: str | None = None


NAMED = ("sampler", "pruner")
"""Keys whose section says by its ``name`` which settings it has."""


class Params(Section):
    """The whole of params.yaml."""

    data: DataParams
    validation: ValidateParams = Field(alias="validate")
    preprocess: PreprocessParams
    models: Annotated[tuple[Network, ...], Field(min_length=1)]
    search: SearchParams
    train: TrainParams
    evaluate: EvaluateParams = EvaluateParams()
    promote: PromoteParams
    card: CardParams = CardParams()

    def network(self, name: Network) -> NetworkParams:
        """Return the values of ``train.<name>``."""
        section: NetworkParams | None = getattr(self.train, name)
        if section is None:
            raise InputError(f"params.yaml: train.{name} is missing; add a section train.{name} (it may be {{}})")
        return section

    def space(self, name: Network) -> SearchSpace:
        """Return the search space of ``search.<name>``."""
        section: SearchSpace | None = getattr(self.search, name)
        if section is None:
            raise InputError(f"params.yaml: search.{name} is missing; add a section search.{name} (it may be {{}})")
        return section


def read_params(path: str | Path = "params.yaml") -> Params:
    """Read and check the whole of a params file.

    Raises:
        InputError: the file is missing, is not YAML, or a value is not allowed; one line per finding.
    """
    raw = _read_yaml(Path(path))
    try:
        raw = _with_recipes(raw)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        # Through JSON, because pydantic's strict mode then takes a YAML list for a tuple and still converts nothing.
        params = Params.model_validate_json(json.dumps(raw, default=_as_text))
    except ValidationError as error:
        raise InputError("\n".join(_lines(error, str(path)))) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    _check_together(params, str(path))
    return params


def _as_text(value: Any) -> str:
    """Turn what JSON has no word for into text; DVC stops at a date, with an error that does not say what to do."""
    if isinstance(value, date):
        raise InputError(f'{value} stands without quotes, which DVC cannot read; write "{value}"')
    return str(value)


def _with_recipes(raw: dict[str, Any]) -> dict[str, Any]:
    """Put the values of the recipes that sections of ``train`` name into these sections."""
    sections = raw.get("train")
    if not isinstance(sections, dict):
        return raw
    filled = {
        name: with_recipe(name, section) if name in NETWORKS and isinstance(section, dict) else section
        for name, section in sections.items()
    }
    return {**raw, "train": filled}


def _read_yaml(path: Path) -> dict[str, Any]:
    """YAML 1.2 as DVC reads it, so that both see the same values (``1e-3`` is a number, ``no`` a word)."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; run from the root of the repository, where params.yaml lies")
    try:
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{path}{line}: not readable as YAML ({what}); correct the file") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: sections such as data, models and train were expected; restore the file from git")
    return raw


def _lines(error: ValidationError, path: str) -> Iterable[str]:
    """One line for each finding of pydantic."""
    findings = error.errors(include_url=False)
    places = {finding["loc"] for finding in findings}
    for finding in findings:
        if any(place[: len(finding["loc"])] == finding["loc"] != place for place in places):
            continue  # a list that is too short because of an entry that was refused
        location = [part for part in finding["loc"] if not (isinstance(part, str) and "[" in part)]
        name = _dotted(_written(location))
        match finding["type"]:
            case "extra_forbidden":
                known = _known_keys(Params, location[:-1])
                every = any(part in NAMED for part in location[:-1])
                yield f"{path}: {name}: unknown key{_suggestion(str(location[-1]), known, every=every)}"
            case "union_tag_invalid":
                given, names = finding["ctx"]["tag"], finding["ctx"]["expected_tags"].replace("'", "").split(", ")
                yield f"{path}: {name}.name: no such {location[-1]}, {given}{_suggestion(given, names, every=True)}"
            case "union_tag_not_found" | "dict_type" if location[-1] in NAMED:
                yield f"{path}: {name}.name: missing; write {location[-1]}: {{name: …}}, with its settings beside it"
            case "missing":
                yield f"{path}: {name}: missing; add it (its comments in the shipped params.yaml say what it means)"
            case _:
                yield f"{path}: {name}: {_expected(finding['input'], finding['msg'])}"


def _expected(given: Any, message: str) -> str:
    """Turn pydantic's words into what was given and what was expected."""
    if "should" in message:
        return f"{given!r} given; it {message[message.find('should') :]}"
    # A rule about several values says by itself what is wrong.
    return message.removeprefix("Value error, ")


def _written(location: list[int | str]) -> list[int | str]:
    """Leave out what pydantic puts in between: which of several sections, by its name, was meant."""
    return [part for number, part in enumerate(location) if not (number and location[number - 1] in NAMED)]


def _dotted(location: Iterable[int | str]) -> str:
    """``("preprocess", "size", 2)`` as ``preprocess.size[2]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _known_keys(section: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    """The keys that the section at this place within another one has."""
    several: list[type[BaseModel]] = []
    for part in location:
        fields = {field.alias or name: field.annotation for name, field in section.model_fields.items()}
        found = [kind for kind in _leaves(fields.get(str(part))) if issubclass(kind, BaseModel)]
        named = [kind for kind in several if part in typing.get_args(kind.model_fields["name"].annotation)]
        if found or named:
            section = (named or found)[0]
        several = found if part in NAMED else []
    return [field.alias or name for name, field in section.model_fields.items()]


def _leaves(annotation: Any) -> list[type]:
    """The classes named in an annotation such as ``dict[str, Range] | None``."""
    if typing.get_origin(annotation) in {typing.Union, types.UnionType, dict}:
        return [leaf for part in typing.get_args(annotation) for leaf in _leaves(part)]
    return [annotation] if isinstance(annotation, type) else []


def _suggestion(word: str, known: Iterable[str], *, every: bool = False) -> str:
    """Name what comes close to an unknown word, or all that is known: for want of that, or where there are few."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{meant}; known here: {', '.join(known)}" if every or not close else meant


def _check_together(params: Params, path: str) -> None:
    """Check what no single value shows: sums, the networks named, sizes that they need, the search space."""
    shares = params.preprocess.split
    total = shares.train + shares.validation + shares.test
    if abs(total - 1) > 1e-6:  # noqa: PLR2004 - room for rounding in thirds
        raise InputError(f"{path}: preprocess.split sums to {total:g}; train, validation and test must sum to 1")
    repeated = {name for name in params.models if params.models.count(name) > 1}
    if repeated:
        raise InputError(f"{path}: models names {', '.join(sorted(repeated))} twice; name each network once")
    _check_charts(params, path)
    for name in params.models:
        _check_size(params, name, params.network(name), path)
        _check_weights(params, name, path)
        _check_boundaries(params, name, path)
        check_space(params, name, path)
        _check_budget(params, name, path)


def _check_budget(params: Params, name: Network, path: str) -> None:
    """Check that the budget of a search that there is has room for a trial, and that its sampler is there."""
    budget = params.search.budget
    if not budget.is_given or not params.space(name).ranges():
        return
    needed = min(params.search.epochs, params.network(name).epochs)
    if budget.epochs is not None and budget.epochs < needed:
        raise InputError(
            f"{path}: search.budget.epochs: {budget.epochs} given, and one trial of {name} may take {needed}; give "
            "more, or lower search.epochs"
        )
    try:
        check_installed(params.search.sampler)
        if params.search.executor == "ray":
            check_ray_installed()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_charts(params: Params, path: str) -> None:
    """Check what price charts need, and that nothing turns or moves them, which would change what they say."""
    charts = params.data.price_charts
    if params.data.source != "price_charts":
        if charts is not None:
            raise InputError(f"{path}: data.price_charts is of data.source price_charts alone; remove one of the two")
        return
    if charts is None:
        raise InputError(f"{path}: data.price_charts is missing, which data.source price_charts needs: docs/data.md")
    try:
        check_chart_size(charts, params.preprocess.size)
        refuse_geometry(params.preprocess.augmentation)
        for name in params.models:
            if (own := params.network(name).augmentation) is not None:
                refuse_geometry(own, f"train.{name}.augmentation")
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_size(params: Params, name: Network, values: NetworkParams, path: str) -> None:
    height, width, _ = params.preprocess.size
    smallest = values.smallest_side
    if min(height, width) < smallest:
        raise InputError(
            f"{path}: preprocess.size {height}×{width} is too small for {name}, which needs at least "
            f"{smallest}×{smallest} as it is set; enlarge preprocess.size or take {name} out of models"
        )


def _check_weights(params: Params, name: Network, path: str) -> None:
    """Check that the weights to begin with are not those that this training writes, and take the images' channels."""
    weights, channels = params.network(name).initial_weights, params.preprocess.size[2]
    place = f"{path}: train.{name}.initial_weights"
    own = Path("models") / f"{name}.keras"
    if weights is not None and Path(weights).resolve() == own.resolve():
        raise InputError(
            f"{place}: {weights} is what this training writes, so DVC deletes it first; name a copy of it elsewhere, "
            f"or an address such as models:/{params.promote.registered_model}@champion"
        )
    if weights == "imagenet" and channels != 3:  # noqa: PLR2004
        raise InputError(f"{place}: imagenet takes colour images, and preprocess.size[2] is {channels}; set 3")


def _check_boundaries(params: Params, name: Network, path: str) -> None:
    """Check that a training reaches every boundary of its schedule; a trial of the search may end before."""
    values = params.network(name)
    late = [boundary for boundary in values.schedule.boundaries if boundary >= values.epochs]
    if late:
        raise InputError(
            f"{path}: train.{name}.schedule.boundaries: {late[0]} given, and the training ends after "
            f"{values.epochs} epochs; give smaller ones, or more epochs"
        )


def check_space(params: Params, name: Network, path: str = "params.yaml") -> None:
    """Check that each searched parameter exists, and that its network takes what may be tried, alone and together."""
    values = params.network(name)
    places: dict[str, str] = {}
    for group in SearchSpace.model_fields:
        for key, tried in getattr(params.space(name), group).items():
            place = f"{path}: search.{name}.{group}.{key}"
            if key == "epochs":
                raise InputError(f"{place}: the search has its own number, search.epochs; take epochs out of the space")
            _check_name(values, key, name, place)
            if key in places:
                raise InputError(f"{place}: named in two groups; keep one")
            places[key] = place
            for value in _extremes(tried, place):
                _check_alone(values, key, value, place)
    for key, place in places.items():
        if (whole := key.partition(".")[0]) in places and whole != key:
            raise InputError(f"{place}: {whole}, of which it is a part, is searched as well; keep one")
    _check_conditions(params.space(name), values, name, path)
    for tried in combinations(params.space(name), values):
        try:
            _check_size(params, name, with_values(values, tried), path)
        except InputError as error:
            raise InputError(f"{path}: search.{name} tries {_shown(tried)}, but {_without(error, path)}") from None


def _check_conditions(space: SearchSpace, values: NetworkParams, name: Network, path: str) -> None:
    """Check that what ranges wait for exists, and can be what they wait for."""
    if circle := space.circle():
        raise InputError(f"{path}: search.{name}: {' and '.join(circle)} wait for each other; take a when out")
    for group in SearchSpace.model_fields:
        for waiting, tried in getattr(space, group).items():
            for key, wanted in tried.conditions().items():
                place = f"{path}: search.{name}.{group}.{waiting}.when.{key}"
                _check_name(values, key, name, place)
                _check_condition(space, values, key, wanted, place)


def _check_condition(
    space: SearchSpace, values: NetworkParams, key: str, wanted: Sequence[JsonValue], place: str
) -> None:
    """Check that a parameter can have the values that another one waits for."""
    searched = space.ranges().get(key)
    if searched is None:
        if not any(is_same(one, value_of(values, key)) for one in wanted):
            raise InputError(
                f"{place}: it is {_of(values, key)} and is not searched, so this would never be tried; search {key} "
                "as well, or take the range out"
            )
        return
    for one in wanted:
        if not _offers(searched, one):
            raise InputError(
                f"{place}: {json.dumps(one)} given, which the search of {key} never tries; it has {_offered(searched)}"
            )


def _of(values: NetworkParams, key: str) -> str:
    value = value_of(values, key)
    return json.dumps(value.model_dump(mode="json") if isinstance(value, Section) else value)


def _offers(tried: Range, value: JsonValue) -> bool:
    """Say whether a range has a value."""
    if tried.choices is not None:
        return any(is_same(choice, value) for choice in tried.choices)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and tried.low is not None and tried.high is not None and tried.low <= value <= tried.high  # type: ignore[operator]


def _offered(tried: Range) -> str:
    if tried.choices is not None:
        return ", ".join(json.dumps(choice) for choice in tried.choices)
    return f"numbers from {tried.low:g} to {tried.high:g}"


def is_same(choice: JsonValue, value: Any) -> bool:
    """Say whether a choice, as params.yaml has it, is a parameter's value."""
    if isinstance(value, Section):
        return isinstance(choice, dict) and type(value).model_validate_json(json.dumps(choice)) == value
    if isinstance(choice, bool) != isinstance(value, bool):
        return False  # 1 is True for Python
    return bool(
        (tuple(choice) if isinstance(choice, list) else choice) == (tuple(value) if isinstance(value, list) else value)
    )


def is_tried(space: SearchSpace, name: str, tried: Mapping[str, Any], values: NetworkParams) -> bool:
    """Say whether a parameter is searched together with others.

    Args:
        space: the whole space.
        name: of the parameter.
        tried: the values of the parameters before it, in the order of ``space.ranges()``.
        values: the network's own, which parameters have that are not searched.
    """
    ranges = space.ranges()
    for key, wanted in ranges[name].conditions().items():
        if key in ranges and key not in tried:
            return False  # it waits itself, in vain
        value = tried[key] if key in ranges else value_of(values, key)
        if not any(is_same(one, value) for one in wanted):
            return False
    return True


def together(space: SearchSpace, tried: Mapping[str, Any], values: NetworkParams) -> dict[str, Any]:
    """Return those of some values that are searched together, the others' conditions not being met."""
    kept: dict[str, Any] = {}
    for name in space.ranges():
        if name in tried and is_tried(space, name, kept, values):
            kept[name] = tried[name]
    return kept


def check_data_of(params: Params, name: Network, images: int, classes: int) -> None:
    """Check what a network's training, and its search if there is one, need of the data.

    Args:
        params: the whole of params.yaml.
        name: the network.
        images: how many there are to train on.
        classes: how many.

    Raises:
        InputError: see ``networks.check_data``.
    """
    values = params.network(name)
    check_data(name, values, images, classes)
    if not params.search.budget.is_given:
        return
    for tried in combinations(params.space(name), values):
        try:
            check_data(name, with_values(values, tried), images, classes)
        except InputError as error:
            raise InputError(f"search.{name} tries {_shown(tried)}, but {error}") from None


def combinations(space: SearchSpace, values: NetworkParams) -> Iterator[dict[str, Any]]:
    """Yield what may be tried together: all ends of ranges and all choices, or some of very many combinations."""
    each = {name: _extremes(tried, name) for name, tried in space.ranges().items()}
    if not each:
        return
    if math.prod(len(ends) for ends in each.values()) <= COMBINATIONS:
        yield from grid(space, each, values)
        return
    generator = random.Random(0)  # noqa: S311 - no secret
    for _ in range(COMBINATIONS):
        yield together(space, {name: generator.choice(ends) for name, ends in each.items()}, values)


def grid(space: SearchSpace, each: Mapping[str, Sequence[Any]], values: NetworkParams) -> Iterator[dict[str, Any]]:
    """Yield all combinations of values that are searched together, each once.

    Args:
        space: the whole space.
        each: the values of each parameter.
        values: the network's own.
    """
    seen = set()
    for of_all in itertools.product(*each.values()):
        tried = together(space, dict(zip(each, of_all, strict=True)), values)
        if (text := json.dumps(tried)) not in seen:
            seen.add(text)
            yield tried


def _check_name(values: NetworkParams, key: str, name: Network, place: str) -> None:
    """Check that a network has a parameter, or a part of one that is set."""
    section: Any = values
    for number, part in enumerate(parts := key.split(".")):
        if not isinstance(section, Section):
            whole = ".".join(parts[:number])
            raise InputError(f"{place}: train.{name}.{whole} has no parts; give choices for {whole} as a whole")
        if part not in type(section).model_fields:
            raise InputError(f"{place}: {name} has no such parameter{_suggestion(part, type(section).model_fields)}")
        section = getattr(section, part)


def _check_alone(values: NetworkParams, key: str, value: Any, place: str) -> None:
    """Check one value; whether it goes with those of other parameters is another question."""
    try:
        with_values(values, {key: value})
    except InputError as error:
        if str(error).startswith(key):
            raise InputError(f"{place}{str(error).removeprefix(key)}") from None


def _without(error: InputError, path: str) -> str:
    """Return an error's text without a place that the line has already."""
    return str(error).removeprefix(f"{path}: ").removeprefix(": ")


def _shown(tried: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in tried.items())


COMBINATIONS = 1000
"""So many combinations of a search space are checked at most."""


def _extremes(tried: Range, place: str) -> tuple[Any, ...]:
    """The values of a range that decide whether all of it is allowed."""
    if tried.choices is not None:
        if tried.low is not None or tried.high is not None or not tried.choices:
            raise InputError(f"{place}: give either low and high or a list of choices that is not empty")
        return tried.choices
    if tried.low is None or tried.high is None:
        raise InputError(f"{place}: low and high, or choices, are missing; add them")
    if tried.low >= tried.high or (tried.log and tried.low <= 0):
        needed = "0 < low < high" if tried.log else "low < high"
        raise InputError(f"{place}: low {tried.low:g} and high {tried.high:g} given; {needed} is needed")
    return tuple(int(end) if float(end).is_integer() else end for end in (tried.low, tried.high))


def with_values(values: NetworkParams, changes: Mapping[str, Any]) -> NetworkParams:
    """Return a network's values with some of them changed, checked anew.

    Args:
        values: the network's own.
        changes: new values; a dotted name, such as ``schedule.warmup``, changes a part of a parameter.

    Raises:
        InputError: a name is unknown or a value is not allowed; the text begins with the parameter's name.
    """
    try:
        # What was not set stays unset, so that a default that goes with the old optimizer does not stop the new one.
        changed = values.model_dump(mode="json", exclude_unset=True)
        for name, value in changes.items():
            whole, _, part = name.partition(".")
            if part and whole not in changed:
                changed[whole] = getattr(values, whole).model_dump(mode="json", exclude_unset=True)
            (changed[whole] if part else changed)[part or whole] = value
        _leave_out_foreign(changed, changes)
        return type(values).model_validate_json(json.dumps(changed))
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        what = _expected(finding["input"], finding["msg"])
        if finding["type"] == "extra_forbidden":
            *outer, last = finding["loc"]
            what = f"unknown key{_suggestion(str(last), _known_keys(type(values), outer))}"
        raise InputError(f"{_dotted(finding['loc'])}: {what}") from None


def _leave_out_foreign(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Take out what was set for the optimizer, the schedule or the loss that a change replaces; it is of no other."""
    if "optimizer" in changes:
        for name in set().union(*OPTIMIZER_PARAMS.values()) - OPTIMIZER_PARAMS.get(values["optimizer"], set()):
            if name not in changes:
                values.pop(name, None)
    if "schedule.kind" in changes:
        for part in set().union(*SCHEDULE_PARAMS.values()) - SCHEDULE_PARAMS.get(values["schedule"]["kind"], set()):
            if f"schedule.{part}" not in changes:
                values["schedule"].pop(part, None)
    if changes.get("loss", "cross_entropy") != "cross_entropy" and "label_smoothing" not in changes:
        values["label_smoothing"] = 0.0


def value_of(values: NetworkParams, name: str) -> Any:
    """Return a parameter, or a part of one, by its name in a search space."""
    value: Any = values
    for part in name.split("."):
        value = getattr(value, part)
    return value


def is_whole(values: NetworkParams, name: str) -> bool:
    """Say whether a parameter is a whole number, if it is a number."""
    whole, _, part = name.rpartition(".")
    section = value_of(values, whole) if whole else values
    return int in _leaves(type(section).model_fields[part].annotation)


def read_best_params(path: str | Path) -> dict[str, Any]:
    """Read what the search wrote: the searched parameters alone, with the values that won."""
    best: dict[str, Any] = read_json(path)
    return best


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn ``{"schedule": {"kind": "step"}}`` into ``{"schedule.kind": "step"}``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat.update(flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def origins(params: Params, name: Network, best: Mapping[str, Any], path: str | Path = "params.yaml") -> dict[str, str]:
    """Say for each parameter of a network, nested ones with dotted names, where its effective value comes from."""
    section = (_read_yaml(Path(path)).get("train") or {}).get(name) or {}
    written, filled, found = flattened(section), flattened(with_recipe(name, section)), flattened(best)
    return {
        key: "search"
        if key in found
        else "params.yaml"
        if key in written
        else f"recipe {params.network(name).recipe}"
        if key in filled
        else "default"
        for key in flattened(params.network(name).model_dump())
    }
