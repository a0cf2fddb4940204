"""Depth of colours, limits, and one reason for whatever Pillow raises."""

import io
import struct
import weakref
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from darkroom.base.errors import ImageError, ImageMemoryError
from darkroom.data.ingestion import decoding as described
from darkroom.data.ingestion import reading
from darkroom.inference import classifier, decoding, images
from darkroom.params import PreprocessParams

RAMP = np.linspace(0, 1, 60 * 40).reshape(40, 60)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def deep(bits, channels, ending, **options):
    """A ramp of all values of so many bits, stored in 16; an alpha channel is opaque in 16."""
    values = np.round(RAMP * (2**bits - 1)).astype(np.uint16)
    pixels = values if channels == 1 else np.dstack([values] * 3 + [np.full_like(values, 65_535)] * (channels - 3))
    if channels == 1:
        return encoded(Image.fromarray(pixels), "PNG" if ending == ".png" else "TIFF", **options)
    compression = [cv2.IMWRITE_TIFF_COMPRESSION, options.get("compression", 1)] if ending == ".tiff" else []
    return cv2.imencode(ending, pixels, compression)[1].tobytes()


def big_endian(bits):
    """The same in grey, as TIFF with the upper byte first."""
    values = np.round(RAMP * (2**bits - 1)).astype(">u2").tobytes()
    tags = [(256, 4, 1, 60), (257, 4, 1, 40), (258, 3, 1, 16 << 16), (259, 3, 1, 1 << 16), (262, 3, 1, 1 << 16)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1 << 16), (278, 4, 1, 40), (279, 4, 1, len(values))]
    directory = struct.pack(">H", len(tags)) + b"".join(struct.pack(">HHII", *tag) for tag in tags) + bytes(4)
    return b"MM\0*" + struct.pack(">I", 8 + len(values)) + values + directory


FORMS = {
    "grey PNG": lambda bits: deep(bits, 1, ".png"),
    "colour PNG": lambda bits: deep(bits, 3, ".png"),
    "transparent PNG": lambda bits: deep(bits, 4, ".png"),
    "grey TIFF": lambda bits: deep(bits, 1, ".tiff"),
    "grey TIFF, compressed": lambda bits: deep(bits, 1, ".tiff", compression="tiff_lzw"),
    "grey TIFF, upper byte first": big_endian,
    "colour TIFF": lambda bits: deep(bits, 3, ".tiff"),
    "colour TIFF, compressed": lambda bits: deep(bits, 3, ".tiff", compression=5),
    "transparent TIFF": lambda bits: deep(bits, 4, ".tiff"),
}


@pytest.mark.parametrize("bits", decoding.DEPTHS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_values_are_scaled_by_the_bits_that_they_need(form, bits):
    decoded = images.decode_for(form(bits), None)
    pixels = np.asarray(images.to_channels(decoded.image, 1))
    expected = np.round(RAMP * (2**bits - 1)).astype(np.uint16) >> (bits - 8)
    assert np.abs(pixels.astype(int) - expected).max() <= 1  # grey of three equal colours is rounded
    assert len(np.unique(pixels)) == 256
    assert decoded.note == ("" if bits == 16 else f"values of {bits} bits in 16; scaled by {bits} bits")


def test_large_images_are_scaled_in_bands(monkeypatch):
    whole = [np.asarray(images.decode(form(12))) for form in FORMS.values()]
    monkeypatch.setattr(decoding, "BAND_PIXELS", 100)
    assert all(
        np.array_equal(np.asarray(images.decode(form(12))), one)
        for form, one in zip(FORMS.values(), whole, strict=True)
    )
    glass = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8))
    in_bands = np.asarray(images.to_channels(glass, 3, "grey"))
    monkeypatch.undo()
    assert np.array_equal(np.asarray(images.to_channels(glass, 3, "grey")), in_bands)


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (8_945, 8_945, "at most 80,000,000 are accepted"),
        (65_536, 1, "at most 65,535 a side"),
        (2**31 - 1, 2**31 - 1, "more than 80,000,000 pixels"),
        (0, 5, "0×5 pixels|damaged|not an image"),
    ],
)
def test_pixels_are_counted_in_the_header(monkeypatch, width, height, words):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    header = bytearray(encoded(Image.new("1", (8, 8))))
    header[16:24] = struct.pack(">II", width, height)
    header[29:33] = struct.pack(">I", zlib.crc32(header[12:29]))
    for read in (images.decode, decoding.declared_size):
        with pytest.raises(ImageError, match=words):
            read(bytes(header))


def test_the_declared_size_needs_no_decoding(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        assert decoding.declared_size(encoded(Image.new("L", (60, 40)), kind)) == (60, 40)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(Image.new("F", (4, 4)), "TIFF"), "pixel format F has no fixed range"),
        (encoded(Image.new("I", (4, 4)), "TIFF"), "pixel format I has no fixed range"),
        (encoded(Image.new("LAB", (4, 4)), "TIFF"), "pixel format LAB is not supported"),
        (encoded(Image.new("L", (99, 99)), "TIFF")[:-3000], "damaged|not an image"),
        (encoded(Image.effect_noise((99, 99), 9), "GIF")[:-3000], "damaged"),
        (encoded(Image.effect_noise((99, 99), 9), "BMP")[:-3000], "damaged"),
        (encoded(Image.effect_noise((99, 99), 9).convert("RGB"), "WEBP")[:-300], "damaged|not an image"),
    ],
)
def test_what_cannot_be_used_has_a_reason_of_one_line(content, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        images.to_channels(images.decode(content), 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [AssertionError(), RuntimeError("two\nlines"), ZeroDivisionError("x"), RecursionError("deep"), KeyError(3)]
)
def test_whatever_pillow_raises_is_one_reason(monkeypatch, error):
    def fail(_):
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    content = encoded(Image.new("L", (4, 4)))
    with pytest.raises(ImageError, match=r"^damaged \(.+\)$"):
        images.decode(content)
    assert described.describe(content, PreprocessParams())[0].refusal.startswith("damaged (")


def read_one(content):
    return reading._read_portion(set(), PreprocessParams(), [(0, content)])[0]  # noqa: SLF001


def test_too_little_memory_is_not_remembered_of_a_content(monkeypatch):
    def fail(_):
        raise MemoryError

    content = encoded(Image.new("L", (4, 4)))
    with monkeypatch.context() as patched:
        patched.setattr(ImageFile.ImageFile, "load", fail)
        with pytest.raises(ImageMemoryError):
            images.decode(content)
        read = read_one(content)
    assert (read.sha256, read.content.refusal[:21]) == (reading.UNREADABLE, "too little memory is ")
    assert read_one(content).content.refusal is None


class Mean:
    """A network that answers with the mean of its input."""

    def predict_on_batch(self, batch):
        mean = batch.mean(axis=(1, 2, 3), dtype=np.float32) / 255
        return np.stack([mean, 1 - mean], axis=1)


DESCRIPTION = {"labels": ["a", "b"], "size": [8, 8, 1], "interpolation": "bilinear", "aspect": "stretch"}


def test_one_image_of_a_request_at_a_time_is_in_memory(monkeypatch):
    decode, alive, most = images.decode_for, weakref.WeakValueDictionary(), []

    def watched(content, least):
        decoded = decode(content, least)
        alive[len(most)] = decoded.image
        most.append(len(alive))
        return decoded

    monkeypatch.setattr(images, "decode_for", watched)
    contents = [encoded(Image.new("L", (20, 20), value)) for value in range(100)]
    predictions = classifier.Classifier(Mean(), DESCRIPTION).predict(contents)
    found = [prediction["probabilities"]["a"] for prediction in predictions]
    assert np.allclose(found, np.arange(100) / 255)
    assert (len(most), max(most)) == (100, 1)


@pytest.mark.parametrize("number", [0, 31, 32, 69])
def test_an_error_names_the_image_of_a_request(number):
    contents = [encoded(Image.new("L", (20, 20)))] * 70
    contents[number] = contents[number][:-30]
    with pytest.raises(ImageError, match=rf"^image {number}: damaged"):
        classifier.Classifier(Mean(), DESCRIPTION).predict(contents)
