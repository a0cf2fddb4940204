"""Turn a source into a manifest and resized images. Each image is decoded only once, also across runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from darkroom.base.errors import DarkroomError
from darkroom.data.formats import manifest
from darkroom.data.formats.samples import Sample, printable
from darkroom.data.ingestion import file_states, reading
from darkroom.data.ingestion.ledger import Ledger
from darkroom.data.ingestion.reading import UNREADABLE
from darkroom.data.sources import Found
from darkroom.inference import images
from darkroom.params import PreprocessParams

FORMAT_OF_ENDING = {".jpg": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".heic": "HEIF"}


@dataclass(frozen=True)
class Ingested:
    """Result of ingestion: every file of the source is in one of the two tables."""

    manifest: pd.DataFrame
    """See ``manifest.COLUMNS``; in source order."""
    quarantine: pd.DataFrame
    """See ``manifest.QUARANTINE_COLUMNS``."""


def ingest(source: Found, params: PreprocessParams, folder: Path, pixels: Path | None) -> Ingested:
    """Read the images of a source, and decode and measure those with new content.

    Args:
        source: files of the source.
        params: size, interpolation, aspect rule, background.
        folder: cache of decoded images for later calls.
        pixels: .npy file to write with all usable images in manifest order, uint8 of shape (images, height, width,
            channels); None to return only the tables.

    Raises:
        DarkroomError: a file cannot be written, for example because the disk is full.
    """
    unnamed = [one for one in source.samples if not (one.name.isascii() or _is_utf8(one.name))]
    found = [one for one in source.samples if _is_utf8(one.name)] if unnamed else source.samples
    try:
        with Ledger(folder, params) as ledger:
            files = file_states.stat_files([sample.place for sample in found])
            hashes, refused = _read_all(found, files, ledger, params)
            described = ledger.describe(hashes[hashes != UNREADABLE])
            sound = described["refusal"].isna()
            usable = described[sound]
            for number in described.index[~sound]:
                refused[number] = json.loads(described["refusal"][number])
            if pixels:
                ledger.copy_pixels(usable["place"].to_numpy(), pixels)
            file_states.remember(files, hashes, ledger.files)
            table = _manifest([found[number] for number in usable.index], usable)
    except OSError as error:
        raise DarkroomError(
            f"{error.filename or folder}: {error.strerror}; decoded images are kept: fix the cause and run again"
        ) from None
    unused = [
        (found[number].name, found[number].label, refusal, "repair or replace the file, or remove it")
        for number, refusal in sorted(refused.items())
    ]
    rename = "rename or remove it"
    not_utf8 = [(printable(one.name), printable(one.label), "its name is not UTF-8", rename) for one in unnamed]
    other_files = [(printable(one.name), "", one.reason, one.remedy) for one in source.left_out]
    return Ingested(table, manifest.quarantine_from_rows(unused + not_utf8 + other_files))


def _is_utf8(name: str) -> bool:
    """Return whether a file name is valid UTF-8, as tables require; file systems allow any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_all(
    found: Sequence[Sample], files: pa.Table, ledger: Ledger, params: PreprocessParams
) -> tuple[pd.Series, dict[int, str]]:
    """Add new images to the ledger; return the hash of each image, and why others could not be read, by index."""
    remembered = file_states.remembered_hashes(files, ledger.files)
    hashes = pd.Series(pc.if_else(ledger.holds(remembered), remembered, UNREADABLE), dtype="str")
    new = np.flatnonzero(hashes == UNREADABLE).tolist()
    read: dict[int, str] = {}
    unread: dict[int, str] = {}
    with tqdm(total=len(new), desc="reading images", unit=" images", disable=None) as progress:
        for portion in reading.read_all(found, new, ledger.known, params):
            for number, sha256, content, image in portion:
                read[number] = sha256
                if content is None:
                    continue
                if content.refusal is not None and sha256 == UNREADABLE:
                    unread[number] = content.refusal
                else:
                    ledger.add(sha256, content, image)
            ledger.flush()
            progress.update(len(portion))
    hashes[list(read)] = list(read.values())
    return hashes, unread


def _manifest(samples: Sequence[Sample], described: pd.DataFrame) -> pd.DataFrame:
    described = described.reset_index(drop=True)
    texts = {
        "name": [sample.name for sample in samples],
        "label": [sample.label for sample in samples],
        "given_split": [sample.split or "" for sample in samples],
        "group": [sample.group for sample in samples],
    }
    columns = {name: pd.Series(pa.array(text, pa.large_string()), dtype="str") for name, text in texts.items()}
    notes = [_notes(columns["name"], described["format"]), described["note"]]
    note = notes[0].where(notes[1] == "", notes[1].where(notes[0] == "", notes[0] + "; " + notes[1]))
    return manifest.from_columns({**described, **columns, "note": note, "source_label": ""})


def _notes(names: pd.Series, kinds: pd.Series) -> pd.Series:
    """Note images whose format does not match their file extension; empty for the others."""
    notes = pd.Series("", names.index, dtype="str")
    lowered = names.str.lower()
    for kind in filter(None, kinds.unique()):
        fitting = [end for end in images.ENDINGS if FORMAT_OF_ENDING.get(end, end[1:].upper()) == kind]
        others = [end for end in images.ENDINGS if end not in fitting]
        odd = lowered[(kinds == kind) & ~lowered.str.endswith(tuple(fitting))]
        for ending in others if len(odd) else ():
            notes[odd.index[odd.str.endswith(ending)]] = f"a {kind} named {ending}"
    return notes
