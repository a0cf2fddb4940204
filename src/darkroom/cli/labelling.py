"""Commands on labels: relabel, label-next."""

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.base.errors import InputError
from darkroom.base.files import as_json
from darkroom.base.terminal import shown
from darkroom.base.wording import counted
from darkroom.cli.arguments import add_archive_option, count, seed
from darkroom.cli.progress import step
from darkroom.cli.settings import champion
from darkroom.reporting.tables import plain_table

if TYPE_CHECKING:
    from darkroom.data.prepared.described import Described

LABELS = Path("data/labels.csv")
MANIFESTS = (Path("data/divided/manifest.parquet"), Path("data/ingested/manifest.parquet"))
NEXT = Path("label_next.csv")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this group."""
    relabel = commands.add_parser("relabel", help=f"merge a table of corrected labels into {LABELS}")
    relabel.add_argument(
        "table", type=Path, metavar="CSV", help="with the columns correct and picture, such as reports/label_audit.csv"
    )
    relabel.add_argument("--who", help="default: git's user.name")
    relabel.add_argument("--why", help="for rows without a reason; default: what the audit found")
    relabel.add_argument("--json", action="store_true", help="print JSON")
    relabel.set_defaults(command=_relabel)

    following = commands.add_parser("label-next", help="choose unlabelled pictures whose labels would help most")
    following.add_argument("images", metavar="FOLDER|ZIP", help="unlabelled pictures")
    following.add_argument("-n", type=count, default=50, metavar="N", dest="count", help="default: %(default)s")
    following.add_argument("--model", metavar="URI", help="default: models:/NAME@champion with params.yaml's NAME")
    following.add_argument(
        "--out",
        type=Path,
        default=NEXT,
        metavar="CSV|FOLDER",
        help="a folder gets copies, in a folder per predicted class; default: %(default)s",
    )
    add_archive_option(following)
    following.add_argument("--seed", type=seed, default=0, help="seed of the choice; default: 0")
    following.add_argument("--json", action="store_true", help="print JSON")
    following.set_defaults(command=_label_next)


def _relabel(chosen: argparse.Namespace) -> int:
    from dataclasses import asdict

    from darkroom.base.git import ask_git
    from darkroom.data.formats import manifest
    from darkroom.labelling.relabel import relabel

    known = next((path for path in MANIFESTS if path.is_file()), None)
    if known is None:
        raise InputError(f"{MANIFESTS[0]}: no such file; run dvc repro split, or dvc pull")
    name = chosen.who or (ask_git("config", "user.name") or b"").decode(errors="replace").strip() or getpass.getuser()
    done = relabel(chosen.table, manifest.read(known), LABELS, {"who": name, "why": chosen.why or ""})
    if chosen.json:
        print(as_json(asdict(done)), end="")
        return 0
    print(
        f"{LABELS}: {counted(done.corrected, 'picture')} corrected, {done.confirmed:,} confirmed "
        f"({counted(done.images, 'image')}), by {name}"
    )
    if done.test:
        print(f"test pictures among them: {done.test:,}; champion and candidate are compared with the corrected labels")
    print(f"commit {LABELS} and run make repro")
    return 0


def _label_next(chosen: argparse.Namespace) -> int:
    from darkroom.data.formats.usable import others_line
    from darkroom.data.prepared.described import Described
    from darkroom.data.prepared.prepared import Prepared
    from darkroom.drift import arrivals
    from darkroom.tracking import address

    found, prepared = arrivals.find(chosen.images, chosen.name_encoding), Prepared.of_project()
    others = others_line(arrivals.others(chosen.images, chosen.name_encoding))
    prepared.require()
    address.check_tracking(must_exist=True, reading=True)
    with step("loading TensorFlow", patience=0):
        from darkroom.base import backend  # noqa: F401 - backend keeps TensorFlow quiet
    with step("choosing pictures"):
        from darkroom.drift.comparison import ReferenceModel
        from darkroom.experiments import label_next

        model = ReferenceModel.load(chosen.model or champion())
        result = label_next.label_next(found, prepared, model, chosen.count, chosen.seed)
        notes = [*others, *result.notes, _expected(Described.of_project(), len(result.table))]
    if chosen.out.suffix.lower() == ".csv":
        label_next.write_table(result, chosen.out)
    else:
        label_next.write_folder(result, chosen.out)
    for line in [*(f"{failure} (left out)" for failure in result.failures), *notes]:
        print(f"darkroom label-next: {shown(line)}", file=sys.stderr)
    kept = result.table.drop(columns="label")
    rows = [{str(name): value for name, value in row.items()} for row in kept.to_dict("records")]
    print(as_json(rows) if chosen.json else plain_table(rows), end="")
    if not chosen.json:
        print(f"{len(rows)} pictures to label: {chosen.out}")
    return InputError.exit_code if result.failures else 0


def _expected(described: "Described", more: int) -> str:
    import numpy as np

    from darkroom.labelling.expected import expected

    if not described.record_file.is_file():
        return "what a round may bring is not known: run dvc repro describe"
    return expected(described.images(), np.asarray(described.features()), more)
