"""What is held against params.yaml and the data before the pipeline starts, without any heavy library."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

from darkroom import services
from darkroom.files import write_text
from darkroom.params import Params, read_params

REMEMBERED = Path(".darkroom") / "checked"


def check(path: str | Path = "params.yaml") -> str:
    """Check parameters, tracking store and data.

    Every image is read once; a folder that has not changed since it was last found in order is not read again.

    Returns:
        One line that says what was found in order.

    Raises:
        InputError: something is wrong; one line for each finding.
    """
    params = read_params(path)
    services.check_tracking()
    from darkroom.sources import samples

    seen = _fingerprint(params)
    remembered = services.project_root() / REMEMBERED
    if remembered.is_file() and remembered.read_text(encoding="utf-8") == seen:
        return "params.yaml and data are in order (unchanged since the last check)"
    from darkroom import manifest

    rows = manifest.with_splits(manifest.build(samples(params.data)), params.preprocess)
    write_text(remembered, seen)
    return f"params.yaml and data are in order: {len(rows)} images in {rows['label'].nunique()} classes"


def _fingerprint(params: Params) -> str:
    """Condense what the check of the data depends on: the files' names, sizes and times, and how they are split."""
    from darkroom.sources import samples

    state: list[object] = [params.data.model_dump(), params.preprocess.seed, params.preprocess.split.model_dump()]
    if params.data.source == "folder":
        for sample in samples(params.data):
            if isinstance(sample.place, Path):
                status = sample.place.stat()
                state.append((sample.name, status.st_size, status.st_mtime_ns))
    else:
        state.append((metadata.version("scikit-learn"), Path(params.data.path).exists()))
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()
