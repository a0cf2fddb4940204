"""Folders and files that exist and cannot be read are not taken for empty or missing ones."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from darkroom.base import files, spreadsheets
from darkroom.base.errors import InputError
from darkroom.base.files import files_below, is_there
from darkroom.data import sources
from darkroom.data.prepared.datasets import Description
from darkroom.params import DataParams
from darkroom.promotion.published import Promotion
from darkroom.reporting.results import Results
from darkroom.serving import predict
from darkroom.tracking.record import RunRecord

SOMEBODY = 12345


@contextmanager
def without_rights():
    """Run as a user whom rights bind; they do not bind root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed():
    """A folder of three folders, of which the middle one cannot be read; pytest's own would be closed to others."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    for name in "abc":
        for file in ("run.json", "1.png", "1.parquet"):
            (root / "runs" / name / file).parent.mkdir(parents=True, exist_ok=True)
            (root / "runs" / name / file).touch()
    (root / "runs" / "b").chmod(0)
    yield root
    (root / "runs" / "b").chmod(0o755)
    shutil.rmtree(root)


def in_parquet(root):
    return sources.find(DataParams(source="parquet", path=str(root / "runs")), (8, 8, 1))


def in_folders(root):
    return sources.find(DataParams(source="folder", path=str(root / "runs")), (8, 8, 1))


READERS = {
    "a list of files": files_below,
    "results": Results.all_of,
    "a folder to predict": lambda root: predict.find_images([str(root)]),
    "Parquet files": in_parquet,
    "image folders": in_folders,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_that_cannot_be_read_is_no_empty_folder(closed, reader):
    with (
        without_rights(),
        pytest.raises(InputError, match=r"/runs/b.* cannot be (listed|read) \(Permission denied\); make"),
    ):
        READERS[reader](closed)


def test_files_are_listed_in_order_and_links_are_not_followed(tmp_path):
    for name in ("b/2", "b/1", "a", "b/c/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "z").symlink_to(tmp_path / "b")
    assert [str(path.relative_to(tmp_path)) for path in files_below(tmp_path)] == ["a", "b/1", "b/2", "b/c/3"]


def test_without_results_there_are_none(tmp_path):
    assert Results.all_of(tmp_path) == []
    (tmp_path / "runs").touch()
    assert Results.all_of(tmp_path) == []


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "loop"])
def test_something_else_is_not_taken_for_a_missing_file(tmp_path, kind):
    place = tmp_path / "splits.csv"
    assert not is_there(place)
    assert not is_there(tmp_path / "no folder" / "splits.csv")
    match kind:
        case "link":
            place.symlink_to("/mnt/disk/splits.csv")
        case "folder":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
        case "loop":
            place.symlink_to(place)
    with pytest.raises(InputError, match=r"cannot be read .*; restore the file, or remove") as caught:
        is_there(place)
    assert "\n" not in str(caught.value)


def test_a_file_or_a_link_to_one_is_there(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    assert is_there(tmp_path / "file")
    assert is_there(str(tmp_path / "link"))


@pytest.mark.parametrize("text", ["{}", "[]", "null", "[1]", "3", "[{}]", '"run"', "[[{}]]", "{", "\x00\xff"])
@pytest.mark.parametrize("read", [RunRecord.read, Description.read, Promotion.read])
def test_json_of_another_form_is_named_with_the_remedy(tmp_path, read, text):
    path = tmp_path / "run.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "dvc repro" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [files.read_json, files.read_record, spreadsheets.read])
def test_a_pipe_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises((InputError, OSError), match="a named pipe; a file was expected"):
        read(tmp_path / "pipe")
