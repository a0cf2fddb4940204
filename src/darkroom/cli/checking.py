"""Commands on the whole project: configure, check, retrain, drift."""

import argparse
import sys
from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.base.files import as_json
from darkroom.base.terminal import shown
from darkroom.cli.arguments import add_archive_option, level, seed
from darkroom.cli.pages import write_page
from darkroom.cli.progress import step
from darkroom.cli.settings import champion
from darkroom.reporting.tables import plain_table

DRIFT = 3  # exit code
PAGE = Path("reports/drift/index.html")
COLUMNS = "columns.csv"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this group."""
    configure = commands.add_parser("configure", help="write settings that fit your images to params.yaml")
    configure.add_argument(
        "images", metavar="PATH", help="a folder with one subfolder per class, an archive or a table"
    )
    add_archive_option(configure)
    configure.add_argument(
        "--layout",
        choices=("class", "split/class", "class/split"),
        help="what the folders stand for, if their names leave it open",
    )
    for what in ("image", "label"):
        meaning = f"column of a table that holds the {what}s; default: {what}"
        configure.add_argument(f"--{what}-column", metavar="NAME", help=meaning)
    configure.add_argument("--force", action="store_true", help="overwrite changes of params.yaml")
    configure.set_defaults(command=_configure)

    check = commands.add_parser("check", help="check params.yaml, the data, the tracking store and the registry")
    part = check.add_mutually_exclusive_group()
    part.add_argument("--inputs", action="store_true", help="only what a pipeline run requires")
    part.add_argument("--registry", action="store_true", help="only whether the registry matches the last promotion")
    check.set_defaults(command=_check)

    retrain = commands.add_parser(
        "retrain", help="for CI: pull, run changed stages, push, summarise, open a pull request"
    )
    retrain.add_argument("--summary", type=Path, default=Path(".darkroom/summary"), metavar="FOLDER")
    retrain.add_argument("--base", metavar="REVISION", help="revision to compare with; default: the last results")
    retrain.set_defaults(command=_retrain)

    drift = commands.add_parser("drift", help="compare new images with the training data; exit code 3 on drift")
    drift.add_argument("images", metavar="FOLDER|ZIP", help="new images; folders named after classes are labels")
    model = drift.add_mutually_exclusive_group()
    model.add_argument("--model", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    model.add_argument("--no-model", action="store_true", help="compare only labels and image statistics")
    drift.add_argument(
        "--columns",
        type=Path,
        metavar="FILE",
        help="columns of your own of the new images, to compare them in groups; default: columns.csv in FOLDER",
    )
    add_archive_option(drift)
    drift.add_argument("--level", type=level, default=0.01, metavar="P", help="overall false-alarm rate; default: 0.01")
    drift.add_argument("--seed", type=seed, default=0, help="seed of sampling and permutations; default: 0")
    drift.add_argument("--out", type=Path, metavar="FILE", help=f"default: {PAGE}")
    drift.add_argument("--json", action="store_true", help="print JSON")
    drift.set_defaults(command=_drift)


def _configure(chosen: argparse.Namespace) -> int:
    from darkroom.configuring import choosing, looking, writing

    params = Path("params.yaml")
    if not chosen.force:
        writing.require_unchanged(params)
    with step(f"looking at {chosen.images}"):
        of_all = {key: getattr(chosen, key) for key in looking.GIVEN}
        look = looking.look(chosen.images, {key: value for key, value in of_all.items() if value is not None})
    settings = list(choosing.choose(look))
    writing.write(settings, params)
    for setting in settings:
        print(f"{setting.key}: {shown(writing.as_yaml(setting.value))}\n    {shown(setting.reason)}")
    print("params.yaml is written; run make repro")
    return 0


def _check(chosen: argparse.Namespace) -> int:
    from darkroom.maintenance.check import check_inputs, check_registry

    if not chosen.registry:
        with step("checking params.yaml, the data and the tracking store"):
            found = check_inputs()
        print(found)
    if not chosen.inputs:
        with step("checking the registry"):
            found = check_registry()
        print(found)
    return 0


def _retrain(chosen: argparse.Namespace) -> int:
    from darkroom.maintenance.retrain import retrain

    with step("retraining: pull, run changed stages, push, summarise, open a pull request"):
        retrain(chosen.summary, chosen.base)
    return 0


def _drift(chosen: argparse.Namespace) -> int:
    from darkroom.data.formats.usable import others_line
    from darkroom.data.prepared.prepared import Prepared
    from darkroom.drift import arrivals
    from darkroom.tracking import address

    with step(f"reading {chosen.images}"):
        found = arrivals.find(chosen.images, chosen.name_encoding)
        others = [name for name in arrivals.others(chosen.images, chosen.name_encoding) if name != COLUMNS]
    prepared = Prepared.of_project()
    prepared.require()
    if not chosen.no_model:
        address.check_tracking(must_exist=True, reading=True)
        with step("loading TensorFlow", patience=0):
            from darkroom.base import backend  # noqa: F401 - backend keeps TensorFlow quiet
    with step("comparing with the training data"):
        from darkroom.drift import page
        from darkroom.drift.comparison import ReferenceModel, compare

        model = None if chosen.no_model else ReferenceModel.load(chosen.model or champion())
        columns = chosen.columns or next(filter(Path.exists, [Path(chosen.images, COLUMNS)]), None)
        comparison = compare(found, prepared, model, chosen.level, chosen.seed, columns)
    written = write_page(page.page(comparison), chosen.out, PAGE)
    failures = (f"{failure} (left out)" for failure in comparison.failures)
    for line in [*failures, *others_line(others), *comparison.notes]:
        print(f"darkroom drift: {shown(line)}", file=sys.stderr)
    if chosen.json:
        print(as_json(comparison.rows()), end="")
    else:
        rows = [outcome.row() for outcome in comparison.outcomes]
        print(plain_table([{**row, "drift": "yes" if row["drift"] else "no"} for row in rows]), end="")
        print(plain_table([group.cells() for group in comparison.groups]) if comparison.groups else "", end="")
        print(*comparison.facts, written, comparison.verdict, sep="\n")
    return DRIFT if comparison.drifted else InputError.exit_code if comparison.failures else 0
