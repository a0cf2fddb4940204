"""Pack the images of each split into arrays."""

from pathlib import Path

from darkroom.data.formats import manifest
from darkroom.data.prepared import packing
from darkroom.data.prepared.prepared import Prepared
from darkroom.params import Params


def main(params: Params, divided: str, images: str, quarantine: str, prepared: str) -> None:
    """Write ``train``, ``validation``, ``test`` and ``dataset.json`` into the prepared folder."""
    rows, unused = manifest.read(divided), len(manifest.read_quarantine(quarantine))
    target = Prepared(Path(prepared))
    description = packing.pack(rows, images, params.preprocess, target, data=params.data, quarantined=unused)
    print(", ".join(f"{split}: {count} images" for split, count in description.counts.items()))
