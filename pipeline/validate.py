"""Hold the manifest against the expectations; a failed one stops the pipeline."""

from pathlib import Path

from darkroom import manifest, script
from darkroom.errors import InputError
from darkroom.files import write_json
from darkroom.params import read_params


def main(manifest_path: str, validation_path: str, data_docs: str) -> None:
    params = read_params()
    from darkroom import expectations

    findings = expectations.validate(manifest.read(manifest_path), params.validation, Path(data_docs))
    failed = [finding for finding in findings if not finding.success]
    report = {"success": not failed, "expectations": [finding.as_json() for finding in findings]}
    write_json(validation_path, report)
    if failed:
        lines = [finding.line() for finding in failed]
        raise InputError("\n".join([*lines, f"{len(failed)} expectations failed; see {data_docs}/index.html"]))
    print(f"{len(findings)} expectations hold; see {data_docs}/index.html")


if __name__ == "__main__":
    script.run(main)
