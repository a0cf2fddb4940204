"""Read and write ``data/splits.csv``."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.files import replace_text
from darkroom.base.types import HASH_DIGITS, SplitName
from darkroom.data.formats.manifest import SPLITS
from darkroom.params import PreprocessParams


def read(path: Path, params: PreprocessParams) -> dict[str, SplitName]:
    """Read earlier splits by the first digits of the SHA-256; empty if seed or shares have changed.

    Raises:
        InputError: a line is malformed.
    """
    if not path.is_file():
        return {}
    head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    if head != _head(params):
        return {}
    found: dict[str, SplitName] = {}
    for number, line in enumerate(lines, start=2):
        sha256, _, name = line.partition(",")
        split = next((split for split in SPLITS if split == name), None)
        if split is None or len(sha256) != HASH_DIGITS:
            raise InputError(
                f"{path}, line {number}: {line[:60]!r} is not a hash and a split, perhaps a merge conflict; "
                f"restore one side: git checkout HEAD -- {path}"
            )
        found[sha256] = split
    return found


def write(path: Path, assigned: pd.DataFrame, earlier: Mapping[str, SplitName], params: PreprocessParams) -> None:
    """Write the splits of all current and earlier images, so that a returning image gets its earlier split."""
    now = zip(assigned["sha256"].str[:HASH_DIGITS], assigned["split"], strict=True)
    lines = sorted(f"{sha256},{split}" for sha256, split in {**dict(now), **earlier}.items())
    replace_text(path, "\n".join([_head(params), *lines]) + "\n")


def _head(params: PreprocessParams) -> str:
    shares = "/".join(f"{getattr(params.split, name):g}" for name in SPLITS)
    return f"# splits of images by SHA-256, for seed {params.seed} and shares {shares}"
