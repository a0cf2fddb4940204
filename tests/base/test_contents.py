"""What a file is that was taken for another kind."""

import bz2
import gzip
import lzma
import tarfile
import zipfile

import pytest

from darkroom.base import contents

TABLE = b"image,label\n1.png,a\n"


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (gzip.compress(TABLE, mtime=0), "is compressed (gzip); unpack it"),
        (bz2.compress(TABLE), "is compressed (bzip2); unpack it"),
        (lzma.compress(TABLE), "is compressed (xz); unpack it"),
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>", "is a web page instead of the file; download it again"),
        (b'\n[{"image": "1.png"}]', "is JSON; write its labels as CSV"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "fetch the file with git lfs pull"),
        (b"Rar!\x1a\x07\x01\0", "is a RAR archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    ],
    ids=("gzip", "bzip2", "xz", "html", "json", "pointer", "rar", "xls"),
)
def test_what_is_no_table_is_named(start, words):
    assert words in str(contents.of_table(start))
    assert words in str(contents.of_parquet(start))


@pytest.mark.parametrize("start", [b"", TABLE, b"PAR1,label\n", b"BZh,label\n", b"\xff\xfei\0", b"Rar,label"])
def test_a_table_is_a_table(start):
    assert contents.of_table(start) is None


def test_archives_are_archives_however_damaged(tmp_path):
    (tmp_path / "1.png").write_bytes(b"a picture")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "1.png", "1.png")
    for kind in ("", "gz", "bz2", "xz"):
        with tarfile.open(tmp_path / f"a.tar{kind}", f"w:{kind}") as archive:
            archive.add(tmp_path / "1.png", "1.png")
    found = sorted(tmp_path.glob("a.*"))
    assert len(found) == 5
    for path in found:
        assert contents.of_archive(contents.start_of(path)) is None
        assert contents.of_archive(contents.start_of(path)[:9]) is None
    assert contents.start_of(tmp_path) == contents.start_of(tmp_path / "nowhere") == b""
