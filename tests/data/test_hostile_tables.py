"""Small tables that would cost much memory or time: refused, or left out and counted."""

import io
import os
import struct
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.fuzz import core, tables
from darkroom.base.errors import InputError
from darkroom.data.sources import limits
from darkroom.data.sources.price_tables import read_table
from darkroom.data.sources.tables import csv_files
from support.pictures import draw, find, ingested
from support.sources import cheap, of


def picture(seed):
    file = io.BytesIO()
    draw("ab"[seed % 2], seed).save(file, "PNG")
    return file.getvalue()


def parquet(path, images, labels, **options):
    pq.write_table(pa.table({"image": images, "label": labels}), path, **options)
    return of("parquet", path)


def repeated_label(path):
    labels = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), ["x" * 4_000_000])
    return parquet(path, [b""] * 2000, labels, compression="zstd", store_schema=False)


def long_label_of_bytes(path):
    return parquet(path, [b""] * 20, [b"x" * 2_000_000] * 20, compression="zstd")


def nested_label(path):
    return parquet(path, [b""] * 2, [list(range(100_000))] * 2, compression="zstd")


def shared_prefixes(path):
    options = {"use_dictionary": False, "compression": "zstd", "column_encoding": {"label": "DELTA_BYTE_ARRAY"}}
    return parquet(path, [b""] * 100, ["x" * 1_000_000] * 100, **options)


def many_rows(path):
    return parquet(path, pa.nulls(10**6, pa.binary()), pa.array(["a"] * 10**6), compression="zstd")


def one_page(path):
    return parquet(path, [b""], ["x" * (2**24 + 1)], compression="zstd", use_dictionary=False)


def deep(path):
    """A description with 100,000 nested columns, in Thrift's compact protocol."""
    nested = b"\x35\x02\x18\x01g\x15\x02\x00" * 100_000
    schema = b"\x19\xfc" + b"\xa2\x8d\x06" + b"\x48\x01r\x15\x02\x00" + nested + b"\x15\x0c\x25\x02\x18\x01v\x00"
    described = b"\x15\x02" + schema + b"\x16\x00\x19\x0c\x00"
    path.write_bytes(b"PAR1" + described + struct.pack("<I4s", len(described), b"PAR1"))
    return of("parquet", path)


@pytest.mark.parametrize(
    "make", [repeated_label, long_label_of_bytes, nested_label, shared_prefixes, many_rows, one_page, deep]
)
@pytest.mark.parametrize("source", ["parquet", "table"])
def test_a_parquet_file_that_would_grow_is_refused(tmp_path, monkeypatch, make, source):
    monkeypatch.setattr(limits, "MAXIMUM_PAGE", 2**24)  # pages of the real limit take seconds to write
    data = make(tmp_path / "x.parquet").model_copy(update={"source": source})
    with cheap(megabytes=450), pytest.raises(InputError, match=r"cannot be read as|row 2|label holds list") as raised:
        find(data)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"use_dictionary": False, "column_encoding": {"image": "DELTA_BYTE_ARRAY"}}])
def test_images_that_repeat_a_large_value_are_left_out(tmp_path, options):
    images = [picture(0), picture(1), *[bytes(4_000_000)] * 60]
    data = parquet(tmp_path / "x.parquet", images, [*"ab" * 31], compression="zstd", **options)
    with cheap(megabytes=450):
        found = ingested(data, tmp_path / "out")
    assert len(found.manifest) == 2
    assert len(found.quarantine) == 60
    assert found.quarantine["reason"].str.contains("over 100 times the bytes of the file").sum() > 10


def test_images_of_a_page_that_declares_too_much_are_left_out(tmp_path, monkeypatch):
    data = parquet(tmp_path / "x.parquet", [picture(0), picture(1)], ["a", "b"], use_dictionary=False)
    monkeypatch.setattr(limits, "MAXIMUM_PAGE", 500)
    monkeypatch.setattr(limits, "MAXIMUM_PAGE_GROWTH", 0)
    found = ingested(data, tmp_path / "out")
    assert len(found.manifest) == 0
    assert found.quarantine["reason"].str.contains("a page unpacks to").sum() == 2


@pytest.mark.parametrize("rows", [1, 7, 100])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_sound_files_of_many_row_groups_are_read_in_any_order(tmp_path, rows, version, compression):
    images = [picture(seed) for seed in range(20)]
    options = {"row_group_size": rows, "data_page_version": version, "compression": compression}
    data = parquet(tmp_path / "x.parquet", images, [*"ab" * 10], **options)
    samples = find(data).samples
    assert [sample.content() for sample in samples] == images
    assert [sample.content() for sample in samples[::-1]] == images[::-1]


def lines(path, *content):
    path.write_bytes(b"".join(content))


WIDE = {
    "columns": lambda path: lines(path, b"image,label" + b",x" * 150_000 + b"\n1.png,a\n"),
    "columns of short lines": lambda path: lines(path, b"image,label" + b",x" * 9000 + b"\n", b"x\n" * 10_000),
    "a line": lambda path: lines(path, b"image,label\n", b"x" * (3 * 2**20), b"\n"),
    "a line with quotes": lambda path: lines(path, b'image,label\n"', b"x" * (3 * 2**20)),
    "a first line": lambda path: lines(path, b"x" * (3 * 2**20)),
    "lines": lambda path: lines(path, b"image,label\n", b"\n" * 26_000_000),
    "returns": lambda path: lines(path, b"image,label\r", b"\r" * 26_000_000),
    "bytes": lambda path: (path.touch(), os.truncate(path, 2**30)),
    "zeros": lambda path: (path.touch(), os.truncate(path, 2**28)),
    "packed": lambda path: lines(path, b"\x1f\x8b\x08\0" + bytes(100)),
}


@pytest.mark.parametrize("kind", WIDE)
def test_a_csv_file_that_would_grow_is_refused(tmp_path, kind):
    path = tmp_path / "x.csv"
    WIDE[kind](path)
    with cheap(), pytest.raises(InputError, match=f"^(data.path: )?{path}") as raised:
        find(of("table", path))
    assert len(str(raised.value)) < 1000
    with cheap(), pytest.raises(InputError, match=f"^{path}") as raised:
        read_table(path, 5)
    assert len(str(raised.value)) < 1000


def test_the_limits_of_csv_files_hold_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAXIMUM_LINE", 10)
    for content, sound in ((b"123456789\n123456789\n", True), (b"1\n" * 50, True), (b"12345\n12345678901\n", False)):
        (tmp_path / "x.csv").write_bytes(content)
        try:
            with csv_files.opened(tmp_path / "x.csv") as file:
                assert file.read() == content
            assert sound
        except ValueError:
            assert not sound


@pytest.mark.slow
@pytest.mark.parametrize("number", [743])
def test_inputs_of_the_fuzzer_that_failed(tmp_path, number):
    """743: pyarrow's object for a column ends the process. In a process of its own, for that reason."""
    code = (
        "import pathlib, sys; from benchmarks.fuzz import core, tables; "
        f"given = core.make(tables.__name__, {number}, 0); "
        "outcome = core.attempt(tables.family(pathlib.Path(sys.argv[1])), given); sys.exit(outcome.fault or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_some_inputs_of_the_fuzzer(tmp_path):
    family = tables.family(tmp_path)
    for number in range(40):
        outcome = core.attempt(family, family.make(core._generator(1, number)), number)  # noqa: SLF001
        assert not outcome.fault, outcome
