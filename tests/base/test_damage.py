"""Damaged results of earlier stages are named with the remedy, whatever the library that reads them says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darkroom.base import spreadsheets
from darkroom.base.damage import reading
from darkroom.base.errors import InputError
from darkroom.data.formats import families, manifest
from darkroom.data.formats.arrays import ArrayFile
from darkroom.data.prepared.described import Described
from darkroom.data.prepared.prepared import Prepared
from darkroom.networks.reference import Reference

READERS = {
    "images.npy": ArrayFile,
    "manifest.parquet": manifest.read,
    "families.parquet": families.read,
    "quarantine.csv": manifest.read_quarantine,
    "pairs.csv": spreadsheets.read,
    "net.reference.npz": Reference.read,
    "train/images.npy": lambda path: Prepared(path.parents[1]).images("train"),
    "train/manifest.parquet": lambda path: Prepared(path.parents[1]).manifest("train"),
    "features.npy": lambda path: Described(path.parent).features(),
    "images.parquet": lambda path: Described(path.parent).images(),
}


def sound(path):
    if path.suffix == ".npy":
        np.save(path, np.zeros((40, 8, 8, 1), np.uint8))
    elif path.suffix == ".npz":
        np.savez(path, features=np.zeros((9, 9)), classes=np.zeros(9), layer=np.array("x"))
    elif path.suffix == ".parquet":
        pd.DataFrame({"a": range(1000)}).to_parquet(path)
    else:
        path.write_bytes(b'a,b\n"')
    return path.read_bytes()


@pytest.mark.parametrize("content", ["empty", "garbage", "cut"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    whole = sound(path)
    path.write_bytes({"empty": b"", "garbage": bytes(range(256)), "cut": whole[: len(whole) * 2 // 3]}[content])
    if content == "cut" and path.suffix == ".csv":
        path.write_bytes(whole)  # a quotation mark that is not closed
    with pytest.raises(InputError) as caught:
        READERS[name](path)
    assert str(caught.value).startswith(f"{path} is damaged (")
    assert "run dvc repro" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [FileNotFoundError("x"), PermissionError("x"), MemoryError(), OSError(28, "full"), InputError("x")]
)
def test_what_is_no_damage_passes(error):
    with pytest.raises(type(error)) as caught, reading(Path("x")):
        raise error
    assert caught.value is error
