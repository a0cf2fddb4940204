"""Hold the images against the expectations: what breaks one by itself is left out, what breaks one together stops."""

from pathlib import Path

from darkroom import manifest, script
from darkroom.errors import InputError
from darkroom.files import write_json
from darkroom.params import read_params


def main(manifest_path: str, unread: str, learnt_path: str, validation: str, quarantine: str, data_docs: str) -> None:
    params = read_params()
    from darkroom import expectations, rules

    rows, unused = manifest.read(manifest_path), manifest.read_quarantine(unread)
    expected = [*rules.of_params(params.validation), *(rules.read_learnt(Path(learnt_path), params.data) or [])]
    found = expectations.validate(rows, unused, expected, expectations.Suites(Path(data_docs)))
    manifest.write_quarantine(found.quarantine, quarantine)
    write_json(validation, {"success": not found.failed(), "expectations": [each.as_json() for each in found.findings]})
    if failed := [finding.line() for finding in found.failed()]:
        raise InputError("\n".join([*failed, f"{len(failed)} expectations failed; see {data_docs}/index.html"]))
    print(f"{len(found.findings)} expectations held against {len(rows)} images; see {data_docs}/index.html")
    if len(found.quarantine):
        print(f"{len(found.quarantine)} files are not used; {quarantine} says which and why")


if __name__ == "__main__":
    script.run(main)
