"""Checks that involve several sections of params.yaml."""

from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.params.combinations import combinations
from darkroom.params.data_needs import check_data
from darkroom.params.network_files import Network
from darkroom.params.price_charts import check_chart_size, reject_geometry
from darkroom.params.samplers import check_installed
from darkroom.params.search import check_ray_installed
from darkroom.params.search_checks import check_size, check_space, format_values, place_of_space
from darkroom.params.values import with_values
from darkroom.params.whole import Params


def check_together(params: Params, path: str) -> None:
    """Check the split shares, the listed networks, their sections and image sizes, and the search spaces.

    Raises:
        InputError: a check failed; the text begins with ``path``.
    """
    shares = params.preprocess.split
    total = shares.train + shares.validation + shares.test
    if abs(total - 1) > 1e-6:  # noqa: PLR2004 - rounding tolerance, as for thirds
        raise InputError(f"{path}: preprocess.split sums to {total:g}; train, validation and test must sum to 1")
    repeated = {name for name in params.models if params.models.count(name) > 1}
    if repeated:
        raise InputError(f"{path}: models lists {', '.join(sorted(repeated))} twice; list each network once")
    _check_charts(params, path)
    _check_names(params, path)
    for name in params.models:
        _check_sections(params, name, path)
        check_size(params, name, params.network(name), path)
        _check_weights(params, name, path)
        _check_boundaries(params, name, path)
        check_space(params, name, path)
        _check_budget(params, name, path)


def _check_sections(params: Params, name: Network, path: str) -> None:
    """Check that a network has sections in ``train`` and ``search``, which dvc.yaml lists as parameters."""
    for key, section, meaning in (
        ("train", params.train, "it may be {}"),
        ("search", params.search, "{} disables the search; null searches the SPACE of the network's file"),
    ):
        if name not in section.parts:
            raise InputError(f"{path}: {key}.{name} is missing; add a section {key}.{name} ({meaning})")


def _check_budget(params: Params, name: Network, path: str) -> None:
    """Check, if a network is searched, that the budget allows a trial and that the required packages are installed."""
    budget = params.search.budget
    if not budget.is_given or not params.space(name).ranges():
        return
    needed = params.network(name).shortened(params.search.epochs).all_epochs
    if budget.epochs is not None and budget.epochs < needed:
        raise InputError(
            f"{path}: search.budget.epochs is {budget.epochs}, but one trial of {name} may take {needed}; raise it or "
            "lower search.epochs"
        )
    try:
        check_installed(params.search.sampler)
        if params.search.executor == "ray":
            check_ray_installed()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_charts(params: Params, path: str) -> None:
    """Check the image width for price charts, and that no augmentation moves or flips them."""
    charts = params.data.price_charts
    if params.data.source != "price_charts":
        if charts is not None:
            raise InputError(
                f"{path}: data.price_charts applies only to data.source: price_charts; remove it or change data.source"
            )
        return
    if charts is None:
        raise InputError(
            f"{path}: data.price_charts is missing, but data.source: price_charts requires it; add it, see docs/data.md"
        )
    try:
        check_chart_size(charts, params.preprocess.size)
        reject_geometry(params.preprocess.augmentation)
        for name in params.models:
            if (own := params.network(name).augmentation) is not None:
                reject_geometry(own, f"train.{name}.augmentation")
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_names(params: Params, path: str) -> None:
    """Check that the parameters of names fit the source, and that Python knows the encoding."""
    data = params.data
    if data.layout != "auto" and data.source not in {"folder", "archive", "table", "parquet"}:
        raise InputError(
            f"{path}: data.layout applies only to the sources folder, archive, table and parquet; remove it"
        )
    if "/" in data.layout and data.source in {"table", "parquet"}:
        raise InputError(f"{path}: data.layout: {data.layout} is not for data.source: {data.source}; set auto or class")
    if data.name_encoding is None:
        return
    if data.source != "archive":
        raise InputError(f"{path}: data.name_encoding applies only to data.source: archive; remove it")
    try:
        "a".encode(data.name_encoding)
    except LookupError:
        raise InputError(
            f"{path}: data.name_encoding: {data.name_encoding!r} given; expected an encoding such as cp437, cp1252, "
            "cp932 or gbk"
        ) from None


def _check_weights(params: Params, name: Network, path: str) -> None:
    """Check that the initial weights are not this training's own output, and that they fit the image channels."""
    weights, channels = params.network(name).initial_weights, params.preprocess.size[2]
    place = f"{path}: train.{name}.initial_weights"
    own = Path("models") / f"{name}.keras"
    if weights is not None and Path(weights).resolve() == own.resolve():
        raise InputError(
            f"{place}: {weights} is the output of this training, which DVC deletes first; use a copy of it elsewhere, "
            f"or an address such as models:/{params.promote.registered_model}@champion"
        )
    if weights == "imagenet" and channels != 3:  # noqa: PLR2004
        raise InputError(f"{place}: imagenet requires colour images, but preprocess.size[2] is {channels}; set it to 3")


def _check_boundaries(params: Params, name: Network, path: str) -> None:
    """Check that training reaches every boundary of its schedule; a search trial may end earlier."""
    values = params.network(name)
    for phase, place in ((values, ""), (values.fine_tuning, "fine_tuning.")):
        late = [boundary for boundary in phase.schedule.boundaries if boundary >= phase.epochs]
        if late and phase.epochs:
            raise InputError(
                f"{path}: train.{name}.{place}schedule.boundaries: {late[0]} is never reached, because training ends "
                f"after {phase.epochs} epochs; lower it or raise epochs"
            )


def check_network_data(params: Params, name: Network, images: int, classes: int) -> None:
    """Check a network's values, and those its search may try, against the data.

    Args:
        params: the whole of params.yaml.
        name: the network.
        images: number of training images.
        classes: number of classes.

    Raises:
        InputError: see ``data_needs.check_data``.
    """
    values = params.network(name)
    check_data(name, values, images, classes)
    if not params.search.budget.is_given:
        return
    for tried in combinations(params.space(name), values):
        try:
            check_data(name, with_values(values, tried), images, classes)
        except InputError as error:
            raise InputError(f"{place_of_space(params, name)} tries {format_values(tried)}, but {error}") from None
