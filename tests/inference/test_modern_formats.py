"""AVIF and HEIC, as telephones write them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from darkroom.base.errors import ImageError
from darkroom.data.ingestion import decoding as described
from darkroom.inference import decoding, images
from darkroom.inference.classifier import Classifier
from darkroom.params import PreprocessParams

PIXELS = np.zeros((40, 60, 3), np.uint8)
PIXELS[:20, :30], PIXELS[20:, 30:], PIXELS[20:, :30] = (255, 0, 0), (0, 0, 255), (0, 128, 0)
IMAGE = Image.fromarray(PIXELS)


def avif(image=IMAGE, orientation=1, **options):
    exif, file = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    image.save(file, "AVIF", quality=100, subsampling="4:4:4", exif=exif, **options)
    return file.getvalue()


def heic(image=IMAGE):
    file = io.BytesIO()
    pytest.importorskip("pillow_heif").from_pillow(image).save(file, quality=-1, chroma=444)
    return file.getvalue()


@pytest.mark.parametrize(("encode", "kind"), [(avif, "AVIF"), (heic, "HEIF")])
def test_pixels_and_kind(encode, kind):
    decoded = images.decode_for(encode(), None)
    assert (decoded.format, decoded.mode, decoded.width, decoded.height) == (kind, "RGB", 60, 40)
    assert np.abs(np.asarray(decoded.image).astype(int) - PIXELS).max() <= 3
    assert decoding.declared_size(encode()) == (60, 40)
    glass = IMAGE.convert("RGBA")
    glass.putalpha(128)
    transparent = images.decode(encode(glass))
    assert transparent.mode == "RGBA"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_upright(orientation):
    file, exif = io.BytesIO(), Image.Exif()
    exif[274] = orientation
    IMAGE.save(file, "PNG", exif=exif)
    expected, found = images.decode(file.getvalue()), images.decode_for(avif(orientation=orientation), None)
    assert found[1:3] == expected.size
    assert np.abs(np.asarray(found.image).astype(int) - np.asarray(expected)).max() <= 3


def test_heic_is_turned_once():
    """Its own turning is part of decoding; the orientation in Exif beside it says the same again."""
    module = pytest.importorskip("pillow_heif")
    exif, file = Image.Exif(), io.BytesIO()
    exif[274] = 6
    module.from_pillow(IMAGE).save(file, quality=-1, chroma=444, exif=exif.tobytes())
    decoded = images.decode_for(file.getvalue(), None)
    expected = np.asarray(IMAGE.transpose(Image.Transpose.ROTATE_270))
    assert (decoded.width, decoded.height) == (40, 60)
    assert np.abs(np.asarray(decoded.image).astype(int) - expected).max() <= 3


@pytest.mark.parametrize("encode", [avif, heic])
def test_training_and_the_packaged_model_see_the_same(encode):
    params = PreprocessParams(size=(16, 16, 3), aspect="crop")
    content, pixels = described.describe(encode(), params)
    assert content.refusal is None
    labels = {"labels": ["a", "b"], "size": [16, 16, 3], "interpolation": "bicubic", "aspect": "crop"}
    served = Classifier(None, labels).pixels(images.decode_for(encode(), images.least_side((16, 16, 3), "bicubic")))
    np.testing.assert_array_equal(served, pixels)


@pytest.mark.parametrize("encode", [avif, heic])
def test_cut_files_are_refused_in_one_line(encode):
    content = encode()
    for length in range(0, len(content) - 1, max(len(content) // 40, 1)):
        with pytest.raises(ImageError) as caught:
            images.decode(content[:length])
        assert "\n" not in str(caught.value)


def box_with_size(content, width, height):
    """Change the declared size: the box ``ispe``."""
    at = content.index(b"ispe") + 8
    return content[:at] + struct.pack(">II", width, height) + content[at + 8 :]


@pytest.mark.parametrize("encode", [avif, heic])
@pytest.mark.parametrize("size", [(20_000, 20_000), (70_000, 2), (0, 40)])
def test_a_declared_size_beyond_the_limits_is_refused(encode, size):
    with pytest.raises(ImageError):
        images.decode(box_with_size(encode(), *size))


def test_nothing_of_pillow_is_changed():
    images.decode(heic())
    assert not {"HEIF", "HEIC"} & set(Image.OPEN)


def test_other_contents_of_the_container_are_no_pictures():
    for brand in (b"isom", b"mp42", b"mif1"):
        with pytest.raises(ImageError):
            images.decode(struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, b"mif1") + bytes(100))
