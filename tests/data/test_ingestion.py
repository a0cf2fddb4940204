"""Every file of a hostile folder is used right or left out with its reason; nothing is decoded twice or lost."""

import contextlib
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from darkroom.base import pools
from darkroom.base.errors import DarkroomError
from darkroom.data.formats.arrays import ArrayFile, ArrayWriter, read_portions
from darkroom.data.formats.samples import File, Sample
from darkroom.data.ingestion import decoding, file_states, reading
from darkroom.data.ingestion.decoding import Content
from darkroom.data.ingestion.ledger import Ledger
from darkroom.data.validation import rules
from darkroom.data.validation.expectations import Suites, validate
from darkroom.inference import images
from darkroom.params import DataParams, PreprocessParams, ValidateParams
from support.deadly import Deadly
from support.pictures import draw, find, ingested, write_folder
from support.projects import environment

COLOUR = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
TURNED = Image.Exif()
TURNED[0x0112] = 6  # to be turned by 90 degrees


def of(path, source="folder"):
    return DataParams(source=source, path=str(path))


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb():
    """A PNG whose header promises 30,000 × 30,000 pixels."""
    content = bytearray(encoded(Image.new("L", (8, 8)), "PNG"))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def deep():
    return Image.fromarray(np.random.default_rng(1).integers(0, 2**16, (30, 20), dtype=np.uint16))


SOUND = {
    "plain.jpg": encoded(COLOUR, "JPEG"),
    "plain.png": encoded(COLOUR, "PNG"),
    "plain.webp": encoded(COLOUR, "WEBP", lossless=True),
    "plain.bmp": encoded(COLOUR, "BMP"),
    "plain.tif": encoded(COLOUR, "TIFF"),
    "plain.gif": encoded(COLOUR.convert("P"), "GIF"),
    "animated.gif": encoded(
        COLOUR.convert("P"), "GIF", save_all=True, append_images=[COLOUR.convert("P").rotate(90, expand=True)]
    ),
    "LOUD.JPEG": encoded(COLOUR, "JPEG", quality=60),
    "grey.png": encoded(COLOUR.convert("L"), "PNG"),
    "two values.png": encoded(COLOUR.convert("1"), "PNG"),
    "transparent.png": encoded(COLOUR.copy().convert("RGBA").rotate(30), "PNG"),
    "grey and transparent.png": encoded(COLOUR.convert("LA").rotate(20), "PNG"),
    "palette.png": encoded(COLOUR.convert("P"), "PNG"),
    "palette and transparent.png": encoded(COLOUR.convert("P"), "PNG", transparency=3),
    "cmyk.jpg": encoded(COLOUR.convert("CMYK"), "JPEG"),
    "cmyk.tif": encoded(COLOUR.convert("CMYK"), "TIFF"),
    "deep.png": encoded(deep(), "PNG"),
    "deep.tif": encoded(deep(), "TIFF"),
    "turned.jpg": encoded(COLOUR, "JPEG", exif=TURNED),
    "Ünïcödé ☃ 写真.png": encoded(COLOUR.rotate(1), "PNG"),
    "spaces in  it.png": encoded(COLOUR.rotate(2), "PNG"),
    "small.png": encoded(COLOUR.crop((0, 0, 2, 1)), "PNG"),
    "flat.png": encoded(COLOUR.resize((2000, 1)), "PNG"),
    "tall.png": encoded(COLOUR.resize((1, 3000)), "PNG"),
    "large.png": encoded(COLOUR.resize((5000, 4000), Image.Resampling.NEAREST), "PNG"),
    "really a png.jpg": encoded(COLOUR.rotate(3), "PNG"),
    "deeper/below/it.png": encoded(COLOUR.rotate(4), "PNG"),
}
DAMAGED = {
    "empty.png": (b"", "the file is empty"),
    "text.jpg": (b"hello " * 20, "not an image"),
    "truncated.jpg": (encoded(COLOUR, "JPEG")[:-600], "damaged"),
    "truncated.png": (encoded(COLOUR, "PNG")[:-900], "damaged"),
    "zeros.png": (encoded(COLOUR, "PNG")[:200] + bytes(5000), "damaged"),
    "bomb.png": (bomb(), "80,000,000"),
    "float.tif": (encoded(Image.fromarray(np.random.default_rng(2).random((9, 9), dtype=np.float32)), "TIFF"), "range"),
    "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "script.gif": (b"#!/bin/sh\nrm -rf /\n", "not an image"),
    "notes.txt": (b"no image", "extension is not that of an image"),
}
BLANK = {"blank.png": encoded(Image.new("RGB", (30, 30), (9, 9, 9)), "PNG")}


def reference(content, size, aspect, background):
    """What Pillow itself makes of a sound image."""
    height, width, channels = size
    with Image.open(io.BytesIO(content)) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            over = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, background), over)
        image = image.convert("RGB" if channels == 3 else "L")
    shape = (width, height)
    match aspect:
        case "stretch":
            return image.resize(shape, Image.Resampling.BICUBIC)
        case "pad":
            return ImageOps.pad(image, shape, Image.Resampling.BICUBIC)
        case "crop":
            return ImageOps.fit(image, shape, Image.Resampling.BICUBIC)


@pytest.fixture
def hostile(tmp_path):
    """One file of each oddity and of each kind of damage, among plain ones."""
    root = write_folder(tmp_path / "hostile", "ab", 3)
    for name, content in {**SOUND, **{name: content for name, (content, _) in DAMAGED.items()}, **BLANK}.items():
        path = root / "a" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "b" / "Thumbs.db").write_bytes(b"litter")
    (root / "b" / "unreadable.png").mkdir()
    (root / "b" / "gone.png").symlink_to(root / "nowhere.png")
    return root


# Pillow warns of odd tags in files that are still usable.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("aspect", "background", "size"),
    [("stretch", "white", (20, 30, 3)), ("pad", "black", (32, 32, 3)), ("crop", "grey", (24, 16, 1))],
)
def test_every_file_of_a_hostile_folder_is_used_or_left_out_with_its_reason(
    hostile, tmp_path, aspect, background, size
):
    params = PreprocessParams(size=size, aspect=aspect, background=background)
    found = ingested(of(hostile), tmp_path / "out", params)
    of_params = rules.from_params(ValidateParams(minimum_side=1))
    quarantine = validate(found.manifest, found.quarantine, of_params, Suites(tmp_path / "docs")).quarantine
    used = set(found.manifest["name"]) - set(quarantine["name"])
    files = {path.relative_to(hostile).as_posix() for path in hostile.rglob("*") if not path.is_dir()}
    assert used | set(quarantine["name"]) == files - {"b/Thumbs.db"}
    assert {name for name in used if name.startswith("a/") and not name[2:].startswith("0")} == {
        f"a/{name}" for name in SOUND
    }

    reasons = dict(quarantine[["name", "reason"]].itertuples(index=False, name=None))
    for name, (_, reason) in DAMAGED.items():
        assert reason in reasons[f"a/{name}"], name
    assert reasons["a/blank.png"] == "it is blank: the contrast is 0"
    assert "cannot be read (No such file" in reasons["b/gone.png"]
    assert (quarantine["remedy"].str.len() > 10).all()

    packed = np.load(tmp_path / "out" / "images.npy")
    colours = {"white": (255,) * 4, "black": (0, 0, 0, 255), "grey": (127, 127, 127, 255)}
    for name, pixels in zip(found.manifest["name"], packed, strict=True):
        if name in used:
            expected = reference((hostile / name).read_bytes(), size, aspect, colours[background])
            assert np.array_equal(pixels, np.asarray(expected).reshape(size)), name
    notes = dict(found.manifest[["name", "note"]].itertuples(index=False, name=None))
    assert {name: note for name, note in notes.items() if note} == {"a/really a png.jpg": "a PNG named .jpg"}


def counting(monkeypatch):
    """Count what is decoded."""
    decoded, lock = [], threading.Lock()
    decode = decoding.open_image

    def counted(content, least):
        with lock:
            decoded.append(len(content))
        return decode(content, least)

    monkeypatch.setattr(decoding, "open_image", counted)
    return decoded


def test_new_images_alone_are_decoded(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "raw", "ab", 20)
    first = ingested(of(folder), tmp_path / "out")
    decoded = counting(monkeypatch)
    assert ingested(of(folder), tmp_path / "out").manifest.equals(first.manifest)
    assert decoded == []
    for number in (100, 101):
        draw("a", number).save(folder / "a" / f"{number}.png")
    (folder / "b" / "003.png").unlink()
    grown = ingested(of(folder), tmp_path / "out")
    assert len(decoded) == 2
    grown_images = np.load(tmp_path / "out" / "images.npy")
    afresh = ingested(of(folder), tmp_path / "afresh")
    assert grown.manifest.equals(afresh.manifest)
    assert np.array_equal(grown_images, np.load(tmp_path / "afresh" / "images.npy"))
    # Another size is another matter.
    decoded.clear()
    ingested(of(folder), tmp_path / "out", PreprocessParams(size=(9, 9, 3)))
    assert len(decoded) == 41


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_kept_says_what_was_found(hostile, tmp_path, monkeypatch):
    (hostile / "a" / "two\nlines\tand a tab.png").write_bytes(SOUND["plain.png"])
    first = ingested(of(hostile), tmp_path / "out")
    decoded = counting(monkeypatch)
    again = ingested(of(hostile), tmp_path / "out")
    assert decoded == []
    assert again.manifest.equals(first.manifest)
    assert again.quarantine.equals(first.quarantine)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_a_file_whose_name_is_no_text_is_left_out(tmp_path):
    folder = write_folder(tmp_path / "images", count=2)
    os.rename(folder / "a" / "000.png", os.fsencode(folder / "a") + b"/caf\xe9.png")  # noqa: PTH104
    os.mkdir(os.fsencode(folder) + b"/\xff")  # noqa: PTH102
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff/notes.doc")).touch()
    for _ in range(2):
        found = ingested(of(folder), tmp_path / "out")
        assert found.manifest["name"].tolist() == ["a/001.png", "b/000.png", "b/001.png"]
        assert found.quarantine[["name", "label", "reason"]].to_numpy().tolist() == [
            ["a/caf\\xe9.png", "a", "its name is not UTF-8"],
            ["\\xff/notes.doc", "", "its extension is not that of an image"],
        ]


def test_an_archive_is_read_twice_alike(tmp_path):
    write_folder(tmp_path / "images", count=3)
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path / "images")
    first, again = (ingested(of(archive, "archive"), tmp_path / "out") for _ in range(2))
    assert len(first.manifest) == 6
    assert again.manifest.equals(first.manifest)


@pytest.mark.parametrize("reason", ["in two\nlines", 'a\ttab, "quoted" \\ Ünïcödé', "null", ""])
def test_the_ledger_keeps_a_refusal_as_it_was(tmp_path, reason):
    params = PreprocessParams()
    with Ledger(tmp_path, params) as ledger:
        ledger.add("0" * 64, Content(reason), None)
        ledger.add("1" * 64, Content(None, 1, 2, "RGB", "", 0.1, 1e-7, 1 / 3), bytes(np.prod(params.size)))
    with Ledger(tmp_path, params) as ledger:
        sound, refused = ledger.describe(pd.Series(["1" * 64, "0" * 64])).to_dict("records")
    assert json.loads(refused["refusal"]) == reason
    assert refused["place"] == -1
    assert pd.isna(sound["refusal"])
    assert (sound["place"], sound["mode"], sound["format"], sound["red"]) == (0, "RGB", "", 1 / 3)
    assert (sound["pixel_mean"], sound["pixel_deviation"]) == (0.1, 1e-7)


@pytest.mark.slow
def test_processes_make_of_images_what_threads_do(hostile, tmp_path, monkeypatch):
    by_threads = ingested(of(hostile), tmp_path / "threads")
    monkeypatch.setattr(reading, "PROCESSES_FROM", 0)
    by_processes = ingested(of(hostile), tmp_path / "processes")
    assert by_processes.manifest.equals(by_threads.manifest)
    assert by_processes.quarantine.equals(by_threads.quarantine)
    one, other = ((tmp_path / way / "images.npy").read_bytes() for way in ("threads", "processes"))
    assert one == other
    # What is known by its content is read again, where its file is another, but not decoded.
    moved = hostile.rename(tmp_path / "moved")
    known = set(by_threads.manifest["sha256"])
    portions = reading.read_all(find(of(moved)).samples, range(3), known, PreprocessParams())
    assert [read.content for portion in portions for read in portion] == [None] * 3


def test_a_killed_process_is_told(monkeypatch):
    monkeypatch.setattr(reading, "PROCESSES_FROM", 0)
    with pytest.raises(DarkroomError, match=r"killed while decoding images, perhaps because memory ran out; .* again"):
        list(reading.read_all([Sample("a", "a", Deadly("a", 0))], [0], set(), PreprocessParams()))


def marked(marker):
    """The processes that have a marker in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker.encode() in (folder / "environ").read_bytes():
                found.append(folder.name)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="there is no /proc")
def test_no_process_outlives_the_one_that_gathers(tmp_path):
    folder = write_folder(tmp_path / "raw", "ab", 40)
    code = (
        "import sys, time; sys.path.insert(0, 'tests')\n"
        "from support.pictures import find; from darkroom.data.ingestion import reading\n"
        "from darkroom.params import DataParams, PreprocessParams\n"
        "reading.PROCESSES_FROM = 0\n"
        f"found = find(DataParams(source='folder', path={str(folder)!r})).samples\n"
        "portions = reading.read_all(found, range(80), set(), PreprocessParams())\n"
        "next(portions); print('begun', flush=True); time.sleep(60)\n"
    )
    marker = f"MARKED={tmp_path}"
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, env=environment(MARKED=str(tmp_path)), stdout=subprocess.PIPE
    ) as gathering:
        assert gathering.stdout.readline() == b"begun\n"
        assert len(marked(marker)) > 2
        gathering.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while marked(marker):
        assert time.monotonic() < deadline, "processes that decode outlive the one that gathers"
        time.sleep(0.05)


def test_a_file_that_has_not_changed_is_not_even_read(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "raw", "ab", 5)
    first = ingested(of(folder), tmp_path / "out").manifest
    read, content = [], File.read
    monkeypatch.setattr(File, "read", lambda place: read.append(place.path) or content(place))
    assert ingested(of(folder), tmp_path / "out").manifest.equals(first)
    assert read == []
    changed = folder / "a" / "003.png"
    draw("c", 1).save(changed)
    (folder / "b" / "000.png").write_bytes((folder / "b" / "001.png").read_bytes())
    again = ingested(of(folder), tmp_path / "out").manifest
    assert sorted(read) == [str(changed), str(folder / "b" / "000.png")]
    assert (again["sha256"] != first["sha256"]).tolist() == [number in {3, 5} for number in range(10)]


@pytest.mark.parametrize("linked", [False, True])
def test_files_of_one_size_and_time_that_change_places_are_read_again(tmp_path, linked):
    held, folder = tmp_path / "held", tmp_path / "raw"
    for number, label in enumerate("aab"):
        file = held / label / f"{number}.bmp"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(COLOUR.rotate(number), "BMP"))
        os.utime(file, ns=(0, 10**18))
        link = folder / label / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    source = of(folder).model_copy(update={"follow_links": True}) if linked else of(held)
    first = ingested(source, tmp_path / "out").manifest.set_index("name")["sha256"]
    one, other, aside = held / "a" / "0.bmp", held / "b" / "2.bmp", tmp_path / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    again = ingested(source, tmp_path / "out").manifest.set_index("name")["sha256"]
    assert again.to_dict() == {"a/0.bmp": first["b/2.bmp"], "a/1.bmp": first["a/1.bmp"], "b/2.bmp": first["a/0.bmp"]}


@pytest.mark.parametrize("kept", [0, 7, 500])
def test_what_files_were_like_may_be_lost(tmp_path, kept):
    folder = write_folder(tmp_path / "raw", "ab", 3)
    first = ingested(of(folder), tmp_path / "out").manifest
    (remembered,) = (tmp_path / "out").rglob("files.arrow")
    remembered.write_bytes(remembered.read_bytes()[:kept])
    assert ingested(of(folder), tmp_path / "out").manifest.equals(first)


def test_what_the_system_says_nothing_of_keeps_no_other_file_from_being_known(tmp_path):
    sound = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(sound):
        file.write_bytes(bytes(number))
    names = [str(sound[0]), str(tmp_path / ("long" * 100)), str(sound[1]), str(tmp_path / "none"), str(sound[2])]
    seen = file_states.stat_files([File(name, 5) for name in names])
    times = [file.stat().st_mtime_ns for file in sound]
    expected = [f"0 {times[0]} 5", "None None 5", f"1 {times[1]} 5", "None None 5", f"2 {times[2]} 5"]
    assert seen.to_pydict() == {"path": names, "stamp": expected}


def test_a_link_to_itself_is_left_out(tmp_path):
    folder = write_folder(tmp_path / "raw", "ab", 2)
    (folder / "a" / "loop.png").symlink_to(folder / "a" / "loop.png")
    found = ingested(of(folder), tmp_path / "out")
    assert len(found.manifest) == 4
    assert found.quarantine[["name", "reason"]].to_numpy().tolist() == [
        ["a/loop.png", f"cannot be read ({os.strerror(errno.ELOOP)})"]
    ]


@pytest.mark.slow
def test_one_thread_makes_of_tiny_images_what_several_do(hostile, tmp_path, monkeypatch):
    everything = ingested(of(hostile), tmp_path / "as usual")
    for way, limit in (("several", 0), ("one", 2**30)):
        monkeypatch.setattr(reading, "TINY_BYTES", limit)
        again = ingested(of(hostile), tmp_path / way)
        assert again.manifest.equals(everything.manifest)
        assert again.quarantine.equals(everything.quarantine)


def test_statistics_are_those_of_the_image_as_it_came(tmp_path):
    folder = write_folder(tmp_path / "raw", "ab", 3, size=(40, 10), mode="RGB")
    COLOUR.save(folder / "a" / "colour.png")
    padded = ingested(of(folder), tmp_path / "one", PreprocessParams(size=(9, 9, 1), aspect="pad")).manifest
    for row in padded.itertuples():
        with Image.open(folder / row.name) as image:
            colours = np.asarray(image, dtype=float)
        grey = np.rint(colours @ (0.299, 0.587, 0.114))
        assert (row.red, row.green, row.blue) == pytest.approx(tuple(colours.mean(axis=(0, 1))))
        assert (row.pixel_mean, row.pixel_deviation) == pytest.approx((grey.mean(), grey.std()), abs=1e-3)


def test_a_renamed_image_is_decoded_no_more_and_a_copy_only_once(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "raw", "ab", 5)
    decoded = counting(monkeypatch)
    ingested(of(folder), tmp_path / "out")
    (folder / "a" / "000.png").rename(folder / "a" / "first.png")
    (folder / "a" / "copy.png").write_bytes((folder / "a" / "first.png").read_bytes())
    assert len(ingested(of(folder), tmp_path / "out").manifest) == 11
    assert len(decoded) == 10


@pytest.mark.parametrize("cut", [1, 700, 5000])
@pytest.mark.parametrize("which", ["pixels", "rows.tsv"])
def test_what_an_interruption_left_half_written_is_cut_off(tmp_path, monkeypatch, which, cut):
    folder = write_folder(tmp_path / "raw", "ab", 20)
    whole = ingested(of(folder), tmp_path / "out")
    before = (tmp_path / "out" / "images.npy").read_bytes()
    (file,) = (tmp_path / "out" / "ledger").rglob(which)
    with file.open("r+b") as ledger:
        ledger.truncate(max(file.stat().st_size - cut, 0))
    decoded = counting(monkeypatch)
    again = ingested(of(folder), tmp_path / "out")
    assert again.manifest.equals(whole.manifest)
    assert (tmp_path / "out" / "images.npy").read_bytes() == before
    assert 0 < len(decoded) <= 40


@pytest.mark.slow
def test_a_killed_ingestion_goes_on_where_it_was(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "raw", "ab", 300)
    code = (
        "import sys, time; sys.path.insert(0, 'tests')\n"
        "from pathlib import Path; from support.pictures import ingested\n"
        "from darkroom.data.ingestion import decoding; from darkroom.params import DataParams\n"
        "decode = decoding.open_image\n"
        "def slow(content, least): time.sleep(0.01); return decode(content, least)\n"
        "decoding.open_image = slow\n"
        f"ingested(DataParams(source='folder', path={str(folder)!r}), Path({str(tmp_path / 'out')!r}))"
    )
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.Popen([sys.executable, "-c", code], cwd=root, env=environment())
    ledger = tmp_path / "out" / "ledger"
    while not any(file.stat().st_size for file in ledger.rglob("rows.tsv")):
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    decoded = counting(monkeypatch)
    assert len(ingested(of(folder), tmp_path / "out").manifest) == 600
    assert 0 < len(decoded) < 600
    resumed = (tmp_path / "out" / "images.npy").read_bytes()
    ingested(of(folder), tmp_path / "afresh")
    assert resumed == (tmp_path / "afresh" / "images.npy").read_bytes()


def test_reading_keeps_few_images_in_memory():
    alive = most = 0

    class Heavy:
        def __init__(self):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    for _ in pools.in_threads(id, (Heavy() for _ in range(500))):
        pass
    assert most <= 4 * (os.cpu_count() or 1) + 2


@given(st.integers(0, 600), st.integers(1, 5), st.integers(1, 4), st.sampled_from([1, 3]))
def test_arrays_are_read_as_they_were_written(tmp_path_factory, count, height, width, channels):
    path = tmp_path_factory.mktemp("arrays") / "images.npy"
    pixels = np.random.default_rng(count).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    with ArrayWriter(path, pixels.shape) as target:
        for image in pixels:
            target.write(image.tobytes())
    assert np.array_equal(np.load(path), pixels)
    portions = list(read_portions(path))
    assert sum(map(len, portions)) == count
    assert np.array_equal(np.concatenate([pixels[:0], *portions]), pixels)
    rows = np.random.default_rng(count).integers(0, max(count, 1), min(count, 5))
    with ArrayFile(path) as file:
        assert (len(file), file.shape) == (count, pixels.shape)
        assert np.array_equal(file[rows], pixels[rows])
        assert np.array_equal(file[3:7], pixels[3:7])


def test_an_array_is_not_written_into_what_its_file_is_linked_to(tmp_path):
    cached = tmp_path / "cached.npy"
    cached.write_bytes(b"cached")
    (tmp_path / "a.npy").hardlink_to(cached)
    with ArrayWriter(tmp_path / "a.npy", (1, 2)) as target:
        target.write(bytes(2))
    assert cached.read_bytes() == b"cached"


def test_an_array_that_is_not_whole_is_no_result(tmp_path):
    with (
        pytest.raises(ValueError, match="4 bytes are missing"),
        ArrayWriter(tmp_path / "a.npy", (2, 2, 2, 1)) as target,
    ):
        target.write(bytes(4))


def test_the_ledger_knows_by_what_it_was_made(tmp_path):
    folder = write_folder(tmp_path / "raw", "ab", 3)
    for params in ({"size": (8, 8, 1)}, {"aspect": "pad"}, {"interpolation": "nearest"}, {"background": "black"}):
        ingested(of(folder), tmp_path / "out", PreprocessParams(**params))
    assert len(list((tmp_path / "out" / "ledger").glob("*/"))) == 4
    (rows, *_) = (tmp_path / "out" / "ledger").rglob("rows.tsv")
    assert len(rows.read_text().splitlines()) == 6


def test_what_lies_beside_class_folders_is_told(tmp_path):
    folder = write_folder(tmp_path / "raw", "ab", 3)
    (folder / "README.md").write_text("about")
    draw("a", 50).save(folder / "loose.png")
    found = find(of(folder))
    assert [(file.name, file.reason) for file in found.left_out] == [
        ("README.md", "its extension is not that of an image"),
        ("loose.png", "it lies beside the class folders"),
    ]
    assert {PurePosixPath(sample.name).suffix for sample in found.samples} <= set(images.ENDINGS)
