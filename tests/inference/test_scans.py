"""A JPEG file may go over its pixels as often as it has scans."""

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image

from darkroom.base.errors import ImageError
from darkroom.inference import images, scans

PIXELS = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


def jpeg(**options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", **options)
    return file.getvalue()


def repeated(count, between=b"", side=8900):
    """A picture whose last scan, without data, stands there many times."""
    content = jpeg(progressive=True)
    frame, last = content.index(b"\xff\xc2") + 5, content.rindex(b"\xff\xda")
    (length,) = struct.unpack_from(">H", content, last + 2)
    scan = between + content[last : last + 2 + length]
    head = content[:frame] + struct.pack(">HH", side, side) + content[frame + 4 : last]
    return head + scan * count + b"\xff\xd9"


# A segment between scans that holds what looks like the end of the picture.
DECOY = b"\xff\xfe\0\x06\xff\xd9\xff\xd9"


@pytest.mark.parametrize("between", [b"", DECOY, b"\xff\xdd\0\4\0\0", b"\xff\xd0", b"\xff" * 9, b"\x12\xff\0"])
def test_more_scans_than_programs_write_are_refused_at_once(between):
    content = repeated(5000, between)
    started = time.process_time()
    with pytest.raises(ImageError, match="more than 100 scans"):
        images.decode(content)
    assert time.process_time() - started < 0.4


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"quality": 100}])
def test_usual_files_pass(options):
    content = jpeg(**options)
    scans.check(content)
    # A film, such as telephones append, holds anything.
    assert images.decode(content + b"\xff\xda\0\2" * 500).size == (128, 96)


def test_a_picture_with_as_many_scans_as_are_accepted_is_read():
    others = jpeg(progressive=True).count(b"\xff\xda") - 1
    assert images.decode(repeated(scans.MAXIMUM_SCANS - others, side=200)).width == 200
    with pytest.raises(ImageError, match="more than 100 scans"):
        images.decode(repeated(scans.MAXIMUM_SCANS - others + 1, side=200))
