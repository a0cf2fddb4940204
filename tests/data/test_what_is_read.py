"""What lies among the data and is no file is never waited for and always counted; links out are not followed."""

import os
import socket
import zipfile

import pytest

from darkroom.base.errors import InputError
from darkroom.base.files import open_regular, read_limited
from darkroom.data.formats import samples
from darkroom.data.sources.price_tables import read_table
from darkroom.drift import arrivals
from darkroom.params import read_params
from darkroom.serving import predict
from support.pictures import find, ingested, write_folder
from support.sources import cheap, of


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "photographs", "ab", 3)


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    os.chdir(path.parent)  # addresses have at most 108 bytes
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)


def make_device(path):
    path.symlink_to("/dev/zero")


def make_endless(path):
    path.symlink_to("/proc/self/status")


def make_holes(path):
    path.touch()
    os.truncate(path, 2**40)


NO_FILES = {
    "a named pipe": make_pipe,
    "a socket": make_socket,
    "a device": make_device,
    "more than its size": make_endless,
    "1,099,511,627,776 bytes": make_holes,
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_is_left_out_and_counted(tmp_path, folder, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    NO_FILES[what](folder / "a" / "x.png")
    NO_FILES[what](folder / "a" / "y.txt")
    with cheap(seconds=2):
        found = find(of("folder", folder, follow_links=True))
        done = ingested(of("folder", folder, follow_links=True), tmp_path / "out")
        listed = arrivals.find(str(folder))
    assert len(found.samples) + len(found.left_out) == 8
    assert (len(done.manifest), len(done.quarantine)) == (6, 2)
    assert what in done.quarantine.set_index("name")["reason"]["a/x.png"]
    assert len(listed) == 7
    assert folder / "a" / "x.png" in predict.find_images([str(folder)])
    with pytest.raises(InputError, match=what):
        predict.read(folder / "a" / "x.png")


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_is_refused_as_a_table_and_as_parameters(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    for name in ("x.csv", "x.parquet"):
        NO_FILES[what](tmp_path / name)
    with cheap(seconds=2):
        for source, name in (
            ("table", "x.csv"),
            ("table", "x.parquet"),
            ("parquet", "x.parquet"),
            ("archive", "x.csv"),
        ):
            with pytest.raises(InputError, match=f"^(data.path: )?{tmp_path / name}|holds no"):
                find(of(source, tmp_path / name))
        with pytest.raises(InputError, match=f"^{tmp_path}/x.csv: "):
            read_table(tmp_path / "x.csv", 5)
        with pytest.raises(InputError, match=f"^{tmp_path}/x.csv: cannot be read .*{what}"):
            read_params(tmp_path / "x.csv")


@pytest.mark.parametrize("linked", ["file", "folder", "class"])
def test_links_out_of_the_folder_are_followed_only_if_asked(tmp_path, folder, linked):
    elsewhere = write_folder(tmp_path / "elsewhere", "b", 5)
    name, target, more = {
        "file": ("a/x.png", elsewhere / "b" / "004.png", 1),
        "folder": ("a/x", elsewhere / "b", 5),
        "class": ("c", elsewhere / "b", 5),
    }[linked]
    (folder / name).symlink_to(target)
    found = ingested(of("folder", folder), tmp_path / "out")
    assert len(found.manifest) == 6
    assert [*found.quarantine[["name", "reason"]].itertuples(index=False, name=None)] == [
        (name, "it is a link out of the folder")
    ]
    assert "data.follow_links" in found.quarantine["remedy"][0]
    assert len(find(of("folder", folder, follow_links=True)).samples) == 6 + more
    assert [sample.name for sample in arrivals.find(str(folder)) if sample.name.startswith(name)] == [
        name if linked == "file" else f"{name}/*"
    ]


def test_links_inside_the_folder_do_not_move_what_they_lead_to(tmp_path, folder):
    (folder / "a" / "0").symlink_to(folder / "b")
    (folder / "a" / "1").symlink_to(folder)
    (folder / "b" / "x.png").symlink_to(folder / "a" / "000.png")
    (folder / ".store").mkdir()
    (folder / "b" / "001.png").rename(folder / ".store" / "001.png")
    (folder / "b" / "001.png").symlink_to(folder / ".store" / "001.png")
    (folder / "b" / "stored").symlink_to(folder / ".store")
    found = find(of("folder", folder))
    assert [sample.name for sample in found.samples if sample.label == "b"] == [
        *("b/000.png", "b/001.png", "b/002.png"),
        *("b/stored/001.png", "b/x.png"),
    ]
    assert [link.name for link in found.left_out] == ["a/0", "a/1"]


def test_links_of_dvc_into_its_cache_are_data(tmp_path, folder):
    place = tmp_path / "cache" / "files" / "md5" / "ab" / ("0123456789" * 3)
    place.parent.mkdir(parents=True)
    (folder / "a" / "000.png").rename(place)
    (folder / "a" / "000.png").symlink_to(place)
    assert len(find(of("folder", folder)).samples) == 6


def test_a_link_is_the_data_folder_itself(tmp_path, folder):
    (tmp_path / "link").symlink_to(folder)
    assert len(find(of("folder", tmp_path / "link")).samples) == 6


def test_parquet_files_outside_the_folder_are_read_only_if_asked(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "x.parquet").symlink_to("/dev/null")
    with pytest.raises(InputError, match=r"holds no \.parquet file but 1 links out of it"):
        find(of("parquet", tmp_path / "set"))
    with pytest.raises(InputError, match="it is a device"):
        find(of("parquet", tmp_path / "set", follow_links=True))


def test_files_are_read_up_to_a_limit(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_limited(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes; at most 4 are accepted"):
        read_limited(tmp_path / "file", 4)
    with pytest.raises(OSError, match="it is a folder; a file was expected"):
        open_regular(tmp_path)
    monkeypatch.setattr(samples, "MAXIMUM_FILE_BYTES", 4)
    with pytest.raises(InputError, match=r"cannot be read \(it has 5 bytes; at most 4"):
        samples.File(str(tmp_path / "file"), 0).read()


def test_files_that_are_no_images_are_counted_by_every_command(tmp_path, folder):
    for name in ("a/clip.mp4", "a/raw.CR2", "labels.csv", ".DS_Store", "a/Thumbs.db"):
        (folder / name).write_bytes(b"no picture")
    others = ["a/clip.mp4", "a/raw.CR2", "labels.csv"]
    assert arrivals.others(str(folder)) == others
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder))
    assert arrivals.others(str(tmp_path / "new.zip")) == others
    assert len(arrivals.find(str(tmp_path / "new.zip"))) == 6
    assert predict.other_files([str(folder), str(folder / "a" / "raw.CR2")]) == [str(folder / name) for name in others]
    assert len(predict.find_images([str(folder)])) == 6
