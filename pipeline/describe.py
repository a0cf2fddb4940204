"""Describe all training and validation images by one table of features, and audit their labels with it."""

from pathlib import Path

from darkroom.data.prepared.described import Described
from darkroom.data.prepared.prepared import Prepared
from darkroom.labelling import describing
from darkroom.params import Params


def main(params: Params, prepared: str, features: str, described: str) -> None:
    """Write the features, the table of images and what made them."""
    of_data = Described(Path(described))
    done = describing.describe(params.models, Prepared(Path(prepared)), Path(features), of_data, _print)
    record = done.record
    print(f"{record.images} images by {record.dimensions} numbers each: {record.summary}; {done.computed} computed")
    if record.limits:
        print(f"limit: {record.limits}")


def _print(line: str) -> None:
    print(line, flush=True)
