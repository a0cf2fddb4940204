"""Commands on the registry: champion, promote, rollback, compare, reproduce."""

import argparse
import sys
from pathlib import Path

from darkroom.base.files import as_json
from darkroom.cli.pages import write_page
from darkroom.cli.progress import step
from darkroom.cli.settings import promotion, registered_model
from darkroom.reporting.tables import plain_table

DIFFERS = 3  # exit code
PAGE = Path("reports/comparison/index.html")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this group."""
    champion = commands.add_parser("champion", help="show the champion: since when, why and on what data")
    champion.add_argument("--json", action="store_true", help="print JSON")
    champion.set_defaults(command=_show_champion)

    promote = commands.add_parser("promote", help="make a version the champion by hand")
    promote.add_argument("version", metavar="VERSION", help="version number or alias, as in darkroom runs")
    promote.add_argument(
        "--accept", action="append", default=[], metavar="CLASS", help="class with too few test images to judge"
    )
    promote.add_argument("--reason", required=True, help="recorded in the registry")
    promote.set_defaults(command=_promote)

    rollback = commands.add_parser("rollback", help="restore the previous champion")
    rollback.add_argument("--reason", required=True, help="recorded in the registry")
    rollback.set_defaults(command=_rollback)

    compare = commands.add_parser("compare", help="compare two models on the test images both have predicted")
    for name in ("first", "second"):
        compare.add_argument(name, metavar="MODEL", help="an alias, a version, or the beginning of a run id")
    compare.add_argument("--images", type=int, default=20, help="number of disagreeing images to list; default: 20")
    compare.add_argument("--out", type=Path, metavar="FILE", help=f"default: {PAGE}")
    compare.add_argument("--json", action="store_true", help="print JSON, with all disagreeing images")
    compare.set_defaults(command=_compare)

    reproduce = commands.add_parser(
        "reproduce",
        help="retrain a recorded model and report differences; exit code 3 if there are any",
    )
    reproduce.add_argument("model", nargs="?", default="champion", metavar="MODEL", help="an alias, a version or a run")
    reproduce.add_argument("--here", action="store_true", help="use this workspace's code and parameters")
    reproduce.set_defaults(command=_reproduce)


def _show_champion(chosen: argparse.Namespace) -> int:
    with step("reading the registry"):
        from darkroom.promotion import champions
        from darkroom.tracking import store

        store.open_store(reading=True)
        found = champions.describe(registered_model())
    if chosen.json:
        print(as_json(found), end="")
    else:
        print(plain_table([{"name": name, "value": value} for name, value in found.items()], head=False), end="")
    return 0


def _promote(chosen: argparse.Namespace) -> int:
    with step("writing to the registry"):
        from darkroom.promotion import champions
        from darkroom.tracking import store

        store.open_store()
        version = champions.promote(registered_model(), chosen.version, chosen.reason, chosen.accept)
    print(f"models:/{version.name}@champion is version {version.version}")
    return 0


def _rollback(chosen: argparse.Namespace) -> int:
    with step("writing to the registry"):
        from darkroom.promotion import champions
        from darkroom.tracking import store

        store.open_store()
        version = champions.rollback(registered_model(), chosen.reason)
    print(f"models:/{version.name}@champion is version {version.version} again")
    return 0


def _compare(chosen: argparse.Namespace) -> int:
    with step("loading MLflow"):
        from darkroom.data.prepared.prepared import Prepared
        from darkroom.experiments import compare as experiments_compare
        from darkroom.experiments import compare_page
        from darkroom.experiments.compare import find, summary_line
        from darkroom.tracking import store

    with step(f"comparing {chosen.first} and {chosen.second}"):
        store.open_store(reading=True)
        model = promotion().registered_model
        one, other = (find(model, named) for named in (chosen.first, chosen.second))
        found = experiments_compare.compare(one, other)
    apart = [{str(name): value for name, value in row.items()} for row in found.disagreeing.to_dict("records")]
    pictures = compare_page.find_pictures(Prepared.of_project(), found)
    written = write_page(compare_page.page(one.name, other.name, found, pictures), chosen.out, PAGE)
    if lacking := len(apart) - len(pictures):
        print(
            f"darkroom compare: {lacking} of these images are not in data/prepared/test and have no picture on the "
            "page; run dvc pull data/prepared/test for the current ones",
            file=sys.stderr,
        )
    if chosen.json:
        totals = {"images": found.images, "gained": found.gained, "p": found.p, "test": found.test}
        print(as_json({**totals, "scores": found.rows, "disagreeing": apart}), end="")
        return 0
    print(plain_table(found.rows), end="")
    print(summary_line(other.name, found))
    if apart and chosen.images > 0:
        print(plain_table(apart[: chosen.images]), end="")
    print(written)
    return 0


def _reproduce(chosen: argparse.Namespace) -> int:
    with step("loading MLflow"):
        from darkroom.experiments import reproduce as experiments_reproduce
        from darkroom.tracking import store

    with step(f"retraining {chosen.model}"):
        store.open_store()
        found = experiments_reproduce.reproduce(registered_model(), chosen.model, here=chosen.here)
    print(f"{found.network}, run {found.run_id}, from commit {found.commit[:12]}")
    print(*found.known, *found.differences, sep="\n", end="\n" if found.known or found.differences else "")
    print("identical: all weights and metrics are the same" if found.identical else "not identical")
    return 0 if found.identical else DIFFERS
