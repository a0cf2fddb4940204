"""Small archives that would cost much memory or time: refused, or left out and counted."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Description
from darkroom.data.sources import limits
from darkroom.drift import arrivals
from support.pictures import draw, find, ingested, write_folder
from support.sources import cheap, of

PACKINGS = {
    zipfile.ZIP_BZIP2: "bzip2",
    zipfile.ZIP_LZMA: "lzma",
    zipfile.ZIP_DEFLATED: "deflate",
    zipfile.ZIP_STORED: "stored",
}


def header(name="a/1.png", **more):
    entry = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(entry, key, value)
    return entry.tobuf(tarfile.GNU_FORMAT)


def long_names(count):
    """Headers that announce a long name, one inside another."""
    return b"".join(
        header("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=10) + b"a/1.png".ljust(512, b"\0")
        for _ in range(count)
    )


def sparse_headers(count):
    """An old GNU sparse file, with a chain of headers that hold its map."""
    first = bytearray(header(type=tarfile.GNUTYPE_SPARSE, size=0))
    first[482] = 1
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    more = (b"00000000000\0" * 42).ljust(504, b"\0") + b"\1" + b"\0" * 7
    return bytes(first) + more * count


HEADERS = {
    "long name": lambda: header("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=4 * 2**30) + bytes(2**21),
    "long link": lambda: header("././@LongLink", type=tarfile.GNUTYPE_LONGLINK, size=4 * 2**30) + bytes(2**21),
    "pax": lambda: header(type=tarfile.XHDTYPE, size=4 * 2**30) + bytes(2**21),
    "pax of all": lambda: header(type=tarfile.XGLTYPE, size=4 * 2**30) + bytes(2**21),
    "names in names": lambda: long_names(3000),
    "sparse map": lambda: sparse_headers(5000),
    "negative": lambda: header(size=-512) + bytes(1024),
    "far": lambda: b"".join(header(f"a/{number}.png", size=2**27 + 1) for number in range(2)),
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ""])
def test_a_header_of_a_tar_file_is_read_up_to_a_limit(tmp_path, kind, ending):
    pack = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, "": bytes}[ending]
    path = tmp_path / f"raw.tar{ending}"
    path.write_bytes(pack(HEADERS[kind]()))
    with cheap(), pytest.raises(InputError, match=f"^{path}") as raised:
        find(of("archive", path))
    assert "\n" not in str(raised.value)
    with cheap(), pytest.raises(InputError):
        arrivals.find(str(path))


def lying_zip(path, packing, content, declared, crc=None):
    """A sound image and one that declares another size than it has."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for label in "ab":
            file = io.BytesIO()
            draw(label, 1).save(file, "PNG")
            archive.writestr(f"{label}/1.png", file.getvalue())
        archive.writestr("a/lie.png", content)
        archive.getinfo("a/lie.png").file_size = declared
        if crc is not None:
            archive.getinfo("a/lie.png").CRC = crc
    return path


@pytest.mark.parametrize("packing", PACKINGS, ids=PACKINGS.get)
@pytest.mark.parametrize("declared", [0, 1000, 2**24 + 1, 2**26])
def test_a_zip_entry_that_lies_about_its_size_is_left_out(tmp_path, packing, declared):
    path = lying_zip(tmp_path / "raw.zip", packing, bytes(2**24), declared)
    with cheap():
        found = ingested(of("archive", path), tmp_path / "out")
    assert list(found.manifest["name"]) == ["a/1.png", "b/1.png"]
    assert found.quarantine["name"].to_list() == ["a/lie.png"]
    assert found.quarantine["reason"][0].startswith("cannot be unpacked")


def test_a_bzip2_entry_of_gigabytes_is_unpacked_no_further_than_it_declares(tmp_path):
    # The stream of one block of zeros, repeated: packing gigabytes would take a minute.
    block = bz2.compress(bytes(44_000_000))
    path = lying_zip(tmp_path / "raw.zip", zipfile.ZIP_STORED, block, 1000)
    raw = path.read_bytes()
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        place = raw.rindex(mark) + at
        raw = raw[:place] + struct.pack("<H", zipfile.ZIP_BZIP2) + raw[place + 2 :]
    path.write_bytes(raw)
    with cheap(megabytes=60):
        found = ingested(of("archive", path), tmp_path / "out")
    assert "it holds more than the 1,000 bytes that it declares" in found.quarantine["reason"][0]


@settings(max_examples=40, deadline=None)
@given(packing=st.sampled_from([*PACKINGS]), content=st.binary(max_size=200), repeats=st.integers(1, 2000))
def test_sound_entries_of_every_packing_are_read(tmp_path_factory, packing, content, repeats):
    path = tmp_path_factory.mktemp("sound") / "raw.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("a/1.png", content * repeats)
    (sample,) = arrivals.find(str(path))
    assert sample.content() == content * repeats


def test_an_lzma_dictionary_is_no_larger_than_the_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "raw.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a/1.png", bytes(1000))
    raw = bytearray((tmp_path / "raw.zip").read_bytes())
    place = 30 + len("a/1.png") + 5  # after the local header, and version, size and lc, lp, pb of LZMA
    raw[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "raw.zip").write_bytes(raw)
    with cheap():
        (sample,) = arrivals.find(str(tmp_path / "raw.zip"))
        assert sample.content() == bytes(1000)


def many_in_tar(path, count):
    path.write_bytes(gzip.compress(b"".join(header(f"a/{number}.png") for number in range(count)) + bytes(1024), 1))


def many_in_zip(path, count):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"a/{number}.png", b"")


def many_overlapping(path, count):
    """Entries of a directory that all lead to one file."""
    many_in_zip(path, 1)
    raw = path.read_bytes()
    start, end = raw.index(b"PK\1\2"), raw.index(b"PK\5\6")
    entry = raw[start:end]
    record = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry) * count, start, 0)
    path.write_bytes(raw[:start] + entry * count + record)


@pytest.mark.parametrize("make", [many_in_tar, many_in_zip, many_overlapping])
def test_the_number_of_entries_is_limited(tmp_path, monkeypatch, make):
    monkeypatch.setattr(limits, "ENTRIES_ALWAYS_ACCEPTED", 20)
    monkeypatch.setattr(limits, "MAXIMUM_ENTRIES", 20)
    make(tmp_path / "raw", 21)
    with pytest.raises(InputError, match="more than 20 files"):
        find(of("archive", tmp_path / "raw"))
    make(tmp_path / "raw", 20)
    with pytest.raises(InputError, match="only the class"):
        find(of("archive", tmp_path / "raw"))


def test_a_small_file_has_fewer_entries_than_a_large_one(tmp_path):
    (tmp_path / "small").write_bytes(bytes(10**6))
    (tmp_path / "large").write_bytes(bytes(3 * 10**7))
    (tmp_path / "holes").touch()
    os.truncate(tmp_path / "holes", 3 * 10**7)
    with (tmp_path / "holes").open("r+b") as file:
        file.write(b"x")
    assert [limits.entries(tmp_path / name) for name in ("small", "large", "holes")] == [100_000, 600_000, 100_000]
    assert limits.unpacked_bytes(tmp_path / "holes") < limits.unpacked_bytes(tmp_path / "large")


def test_a_sparse_member_is_left_out_and_counted(tmp_path):
    folder = write_folder(tmp_path / "photographs", "ab", 2)
    with tarfile.open(tmp_path / "raw.tar", "w") as archive:
        archive.add(folder, "raw")
        content = header("raw/a/holes.png", type=tarfile.GNUTYPE_SPARSE, size=512)
        archive.fileobj.write(content + bytes(512))
        archive.offset += 1024
    found = ingested(of("archive", tmp_path / "raw.tar"), tmp_path / "out")
    assert len(found.manifest) == 4
    assert [*found.quarantine["reason"]] == ["cannot be unpacked (stored as a sparse file); pack it without --sparse"]


def test_compressed_archives_are_read_forward_by_drift(tmp_path):
    """Reading in the order of names would unpack such an archive from its start for each image."""
    generator = np.random.default_rng(0)
    with tarfile.open(tmp_path / "raw.tar.gz", "w:gz", compresslevel=1) as archive:
        for number in generator.permutation(300):
            content = generator.bytes(40_000)
            entry = tarfile.TarInfo(f"a/{number}.png")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    found = arrivals.find(str(tmp_path / "raw.tar.gz"))
    assert [sample.name for sample in found] == sorted(sample.name for sample in found)
    started = time.process_time()
    _, unreadable = arrivals.read(
        found,
        Description(
            *(("a", "b"), (8, 8, 1), "bicubic", "stretch"),
            mean=(),
            deviation=(),
            source="folder",
            counts={},
            training_counts={},
            digest="",
        ),
    )
    assert len(unreadable) == 300
    assert time.process_time() - started < 5


def test_checksums_of_bzip2_and_lzma_entries_are_checked(tmp_path):
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = lying_zip(tmp_path / "raw.zip", packing, b"content", 7, zlib.crc32(b"other"))
        found = ingested(of("archive", path), tmp_path / "out")
        assert [*found.quarantine["reason"]] == ["cannot be unpacked (Bad CRC-32 for file 'a/lie.png')"]


@pytest.mark.parametrize("target", ["/dev/zero", "/proc/self/status", "pipe", "holes"])
def test_what_is_no_file_is_not_read_as_an_archive(tmp_path, target):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "holes").touch()
    os.truncate(tmp_path / "holes", 2**40)
    path = Path(target) if target.startswith("/") else tmp_path / target
    with cheap(), pytest.raises(InputError, match=r"not a zip or tar file that can be read|holds no image"):
        find(of("archive", path))
