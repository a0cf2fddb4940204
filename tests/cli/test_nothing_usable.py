"""Data of which nothing can be used, or one class alone: one line with the commonest reason, in every command."""

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from darkroom.cli import main
from support.pictures import draw

IMAGES = 60
INGESTED = [f"data/ingested/{name}" for name in ("manifest.parquet", "images.npy", "quarantine.csv", "columns.parquet")]
VALIDATED = ["data/expectations.json", "reports/validation.json", "reports/quarantine.csv", "reports/data_docs"]


def encoded(image, kind="PNG"):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def sound(number):
    return encoded(draw("ab"[number % 2], number))


def page(number):
    """What a server sends instead of a file to who is not logged in."""
    return b"<!DOCTYPE html><html><body>Please log in, visitor %d" % number


def pointer(number):
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize %d\n" % (number, number)


def empty(_):
    return b""


def measured(number):
    return encoded(Image.fromarray(np.random.default_rng(number).random((9, 9), dtype=np.float32)), "TIFF")


def blank(number):
    return encoded(Image.new("L", (20 + number, 20), number))


def folder(content, ending=".png", classes="ab"):
    """A source in whose folders of these classes each file has such a content."""

    def write(root):
        for number in range(IMAGES):
            label = "ab"[number % 2]
            (root / label).mkdir(parents=True, exist_ok=True)
            written = content(number) if label in classes else sound(number)
            (root / label / f"{number:03d}{ending}").write_bytes(written)
        return "folder", root

    return write


def table(root):
    """A table whose images of one class were cut off while they were copied."""
    folder(lambda number: sound(number)[:100], classes="b")(root)
    files = sorted(root.rglob("*.png"))
    rows = [f"{file.relative_to(root).as_posix()},kind {file.parent.name}\n" for file in files]
    (root / "labels.csv").write_text("image,label\n" + "".join(rows))
    return "table", root / "labels.csv"


def zipped(method=None, flag=0):
    """A zip file whose entries say that they are encrypted, or packed in another way."""

    def write(root):
        path = root.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(IMAGES):
                archive.writestr(f"{'ab'[number % 2]}/{number:03d}.png", sound(number))
        content = bytearray(path.read_bytes())
        for mark, at_flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            at = -1
            while (at := content.find(mark, at + 1)) >= 0:
                content[at + at_flags] |= flag
                if method:
                    content[at + at_flags + 2 : at + at_flags + 4] = method.to_bytes(2, "little")
        path.write_bytes(content)
        return "archive", path

    return write


def parquet(images):
    def write(root):
        path = root.with_suffix(".parquet")
        pq.write_table(pa.table({"image": images, "label": ["a", "b"] * (IMAGES // 2)}), path)
        return "parquet", path

    return write


NO_IMAGE = "not an image in a supported format"
NO_BYTES = "the cell does not contain the bytes of an image"
UNREADABLE = {
    "encrypted": (zipped(flag=1), "none", "is encrypted (pack the images without a password)"),
    "encrypted by another method": (zipped(99, flag=1), "none", "is encrypted"),
    "packed by another method": (zipped(9), "none", "cannot be unpacked (That compression method is not supported)"),
    "pages of a server": (folder(page), "none", NO_IMAGE),
    "pointers": (folder(pointer), "none", "a pointer of Git LFS instead of the image; fetch the images"),
    "empty files": (folder(empty), "none", "the file is empty"),
    "numbers without a range": (folder(measured, ".tif"), "none", "pixel format F has no fixed range"),
    "paths in Parquet": (parquet([{"bytes": None, "path": f"{n}.png"} for n in range(IMAGES)]), "none", NO_BYTES),
    "nothing in Parquet": (parquet(pa.nulls(IMAGES, pa.binary())), "none", NO_BYTES),
    "names in Parquet": (parquet([f"{n}.png" for n in range(IMAGES)]), "none", NO_BYTES),
    "a class of pages": (folder(page, classes="b"), "only the class 'a' is left: 30", NO_IMAGE),
    "a class that was cut off": (table, "only the class 'kind a' is left: 30", "damaged (image file is truncated)"),
}
"""How to write the data, what is left of them, and the reason."""
UNSUITABLE = {
    "blank images": (folder(blank), "none", "it is blank: the contrast is 0"),
    "a class of blank images": (folder(blank, classes="a"), "only the class 'b' is left: 30", "it is blank"),
    "a class of tiny images": (
        folder(lambda number: encoded(draw("b", number, (2, 2))), classes="b"),
        "only the class 'a' is left: 30",
        "it is 2 px wide",
    ),
}
"""What can be read, and is left out by validation."""


@pytest.fixture
def given(project, request):
    """The project with one of the data, and the words of its refusal."""
    write, left, reason = request.param
    source, path = write(project.root / "data" / "set")
    changes = {"data.source": source, "data.path": str(path), "models": ["mlp"], "train.mlp.batch_size": 4}
    project.params(**changes)
    (project.root / "data" / "ingested").mkdir(exist_ok=True)
    return project, f"{left} of 60 files can be used; ", reason


def told(line, words, reason):
    """One line with what is left, and for how many files the reason holds."""
    (line,) = line.splitlines()
    _, _, why = line.partition(words)
    count = 30 if "only the class" in words else 60
    assert why.startswith(f"{count} (such as "), line
    assert f": {reason}" in why


def each(cases):
    return pytest.mark.parametrize("given", cases.values(), ids=cases, indirect=True)


@each({**UNREADABLE, **UNSUITABLE})
def test_check_refuses_it(given, capsys):
    _, *expected = given
    assert main(["check", "--inputs"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    told(printed.err, *expected)


@pytest.mark.slow
@each(UNREADABLE)
def test_ingest_refuses_what_cannot_be_read(given):
    project, *expected = given
    printed = project.run("python", "-m", "pipeline", "ingest", "data/labels.csv", *INGESTED, code=2)
    told(printed.splitlines()[-1], *expected)
    assert "Traceback" not in printed


@pytest.mark.slow
@each(UNSUITABLE)
def test_validate_refuses_what_it_leaves_out(given):
    project, *expected = given
    project.run("python", "-m", "pipeline", "ingest", "data/labels.csv", *INGESTED)
    printed = project.run("python", "-m", "pipeline", "validate", *INGESTED[::2], *VALIDATED, code=2)
    told(printed.splitlines()[-1], *expected)
    assert "Traceback" not in printed


@each({kind: case for kind, case in UNREADABLE.items() if case[1] == "none" and "Parquet" not in kind})
def test_configure_refuses_it(given, capsys):
    project, _, reason = given
    (path,) = (project.root / "data").glob("set*")
    before = (project.root / "params.yaml").read_text()
    assert main(["configure", str(path), "--force"]) == 2
    told(capsys.readouterr().err, "none of 60 images can be decoded; ", reason)
    assert (project.root / "params.yaml").read_text() == before


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("a\n" * 40, "holds only the class 'a'; expected at least two labels in its column label"),
        ("A\na\n" * 20, "has the classes 'A' and 'a', which differ only in case"),
    ],
)
def test_a_table_of_less_than_two_classes(project, capsys, lines, words):
    (project.root / "data" / "set").mkdir()
    rows = []
    for number, label in enumerate(lines.split()):
        (project.root / "data" / "set" / f"{number}.png").write_bytes(sound(number))
        rows.append(f"{number}.png,{label}\n")
    (project.root / "data" / "set" / "labels.csv").write_text("image,label\n" + "".join(rows))
    project.params(**{"data.source": "table", "data.path": "data/set/labels.csv"})
    assert main(["check", "--inputs"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
