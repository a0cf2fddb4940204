"""Validate the images: quarantine single offending images, stop the pipeline if the data as a whole fail."""

from pathlib import Path

import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.files import write_record
from darkroom.base.wording import counted
from darkroom.data.formats import manifest, usable
from darkroom.data.validation import expectations, rules
from darkroom.params import DataParams, Params


def main(
    params: Params, manifest_path: str, unread: str, learnt_path: str, validation: str, quarantine: str, data_docs: str
) -> None:
    """Learn expectations from the first images, validate, and write the quarantine and Data Docs.

    Raises:
        InputError: an expectation about the data as a whole failed, or fewer than two classes are left.
    """
    rows, unused = manifest.read(manifest_path), manifest.read_quarantine(unread)
    usable.require_classes(rows, unused)
    expected = [*rules.from_params(params.validation), *_learnt(Path(learnt_path), params.data, rows)]
    found = expectations.validate(rows, unused, expected, expectations.Suites(Path(data_docs)))
    manifest.write_quarantine(found.quarantine, quarantine)
    findings = [each.as_json() for each in found.findings]
    write_record(validation, {"success": not found.failed(), "expectations": findings})
    usable.require_classes(manifest.without(rows, found.quarantine), found.quarantine)
    if failed := [finding.line() for finding in found.failed()]:
        raise InputError("\n".join([*failed, f"{len(failed)} expectations failed; see {data_docs}/index.html"]))
    print(f"{len(found.findings)} expectations checked on {len(rows)} images")
    if len(found.quarantine):
        print(f"{counted(len(found.quarantine), 'file')} left out; see {quarantine}")


def _learnt(path: Path, data: DataParams, rows: pd.DataFrame) -> list[rules.Rule]:
    """Return the learnt expectations of this source; learn them from the images if there are none yet."""
    if (known := rules.read_learnt(path, data)) is not None:
        return known
    rules.write_learnt(path, data, rules.learn(rows, str(path)))
    print(f"{path}: expectations learnt from these images; later images are checked against them")
    return rules.read_learnt(path, data) or []
