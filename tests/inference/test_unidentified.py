"""What is said of files that no decoder recognises: cut or damaged ones, and other things with an image's name."""

import io

import pytest
from PIL import Image

from darkroom.base.errors import ImageError
from darkroom.inference import decoding, images

IMAGE = Image.effect_noise((12, 9), 50).convert("RGB")


def encoded(kind, image=IMAGE):
    file = io.BytesIO()
    if kind == "HEIC":
        pytest.importorskip("pillow_heif").from_pillow(image).save(file)
    else:
        image.save(file, kind)
    return file.getvalue()


def reason(content):
    with pytest.raises(ImageError) as caught:
        images.decode(content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", decoding.FORMATS)
def test_a_file_cut_within_its_header_is_damaged(kind):
    content = encoded(kind)
    # HEIC and AVIF are told apart by the third word.
    least = 12 if kind in {"HEIC", "AVIF"} else 4
    for length in range(least, min(len(content) // 2, 300)):
        assert reason(content[:length]).startswith("damaged"), length


@pytest.mark.parametrize(
    ("content", "start"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "a pointer of Git LFS"),
        (encoded("JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "damaged, or an unusual kind of JPEG"),
        (b"RIFF\0\0\0\0AVI LIST", "not an image in a supported format"),
        (encoded("JPEG2000"), "not an image in a supported format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image in a supported format"),
        (b"\x93NUMPY\x01\0v\0", "not an image in a supported format"),
        (bytes(4000), "not an image in a supported format"),
    ],
)
def test_other_content_is_named_as_far_as_it_is_known(content, start):
    assert reason(content).startswith(start)
