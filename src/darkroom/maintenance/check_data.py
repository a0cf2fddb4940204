"""Check the data as the stages ingest, validate and split do, without writing their results."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from darkroom.base import project
from darkroom.base.errors import InputError
from darkroom.base.files import is_there
from darkroom.base.terminal import shown
from darkroom.data.formats import corrections, manifest
from darkroom.data.formats.samples import printable
from darkroom.data.formats.usable import require_classes
from darkroom.data.sources import Found
from darkroom.params import Params

if TYPE_CHECKING:
    from darkroom.data.ingestion.ingest import Ingested

EXPECTATIONS = Path("data/expectations.json")
SPLITS = Path("data/splits.csv")
LABELS = Path("data/labels.csv")
COLUMNS = Path("data/columns.csv")
REMEMBERED = (EXPECTATIONS, SPLITS, LABELS, COLUMNS)
"""Files of earlier runs and of people that decide, with the data, whether they are accepted."""


class Checked(NamedTuple):
    """Data that the stages accept."""

    rows: pd.DataFrame
    """Manifest of the usable images, with their splits; see ``assign.assign``."""
    account: list[str]
    """What the source was taken for, and what is left out."""


def check_data(params: Params, found: Found) -> Checked:
    """Read and decode the images, check the expectations and assign splits.

    Near-duplicates are not searched for; only the stage ``split`` knows of them.

    Raises:
        InputError: a stage would refuse the data; one line per problem.
    """
    from darkroom.data.ingestion.account import account
    from darkroom.data.ingestion.ingest import ingest
    from darkroom.data.prepared import own_columns
    from darkroom.data.splitting import assign, kept, pairs
    from darkroom.data.validation import findings, quick, rules

    _reject_names(params, found)
    ingested = ingest(found, params.preprocess, project.state_folder() / "ingested", None)
    require_classes(ingested.manifest, ingested.quarantine)
    ingested, corrected = _corrected(ingested)
    learnt = rules.read_learnt(EXPECTATIONS, params.data) or []
    expected = [*rules.from_params(params.validation), *learnt]
    validation = findings.validate(ingested.manifest, ingested.quarantine, expected, quick.findings)
    usable = manifest.without(ingested.manifest, validation.quarantine)
    require_classes(usable, validation.quarantine)
    own_columns.join(usable, params.promote.groups, COLUMNS, _of_source(found))
    if failed := [finding.line() for finding in validation.failed()]:
        raise InputError("\n".join(failed))
    rows = assign.assign(usable, pairs.NO_PAIRS, kept.read(SPLITS, params.preprocess), params.preprocess)
    assign.require_all_splits(rows)
    # With what validation leaves out, such as blank images.
    used = replace(ingested, manifest=usable, quarantine=validation.quarantine)
    return Checked(rows, [*account(found, used), *corrected])


def _of_source(found: Found) -> pd.DataFrame:
    """Return the columns of this source, not those of the last ingestion."""
    return pd.DataFrame({"name": pd.Series(dtype="str")}) if found.columns is None else found.columns


def _corrected(ingested: "Ingested") -> tuple["Ingested", list[str]]:
    """Return the images with corrected labels, as the stage ``ingest`` writes them, and what was corrected."""
    if Path("dvc.yaml").is_file() and not is_there(LABELS):
        raise InputError(
            f"{LABELS} is missing, which ingest depends on; restore it (git checkout HEAD -- {LABELS}), or write a "
            f"file with the line {','.join(corrections.COLUMNS)}"
        )
    corrected = corrections.read(LABELS)
    corrections.require_known_labels(ingested.manifest, corrected, LABELS)
    rows = corrections.apply(ingested.manifest, corrected)
    return replace(ingested, manifest=rows), corrections.report(rows, corrected, LABELS)


def _reject_names(params: Params, found: Found) -> None:
    """Refuse names in a folder that are not UTF-8: DVC, which tracks the folder, cannot handle them."""
    if params.data.source != "folder":
        return
    names = [sample.name for sample in found.samples] + [file.name for file in found.left_out]
    odd = [name for name in names if not name.isascii() and printable(name) != name]
    if odd:
        raise InputError(
            f"data.path: {params.data.path} has {len(odd)} files whose names are not UTF-8, such as "
            f"{shown(odd[0])}; DVC cannot track them: rename them (for example with convmv), or pack the folder "
            "as a zip or tar file (data.source: archive)"
        )
