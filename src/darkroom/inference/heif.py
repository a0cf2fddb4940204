"""Open HEIC files, which telephones write, with the package pillow-heif."""

import io

from PIL import ImageFile

from ..base.errors import ImageError

HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
"""Brands of image files with HEVC (ISO/IEC 23008-12, annex B)."""
AVIF_BRANDS = frozenset({b"avif", b"avis"})
MOST_BRANDS = 1024
"""Bytes at the start of a file in which brands are looked for."""


def is_heif(content: bytes) -> bool:
    """Return whether a file is HEIC by the brands at its start; AVIF files have the same container."""
    if content[4:8] != b"ftyp":
        return False
    box = content[8 : min(int.from_bytes(content[:4], "big"), MOST_BRANDS)]
    # The second word is a version, which is no brand.
    brands = {box[at : at + 4] for at in range(0, len(box), 4)}
    return not HEIF_BRANDS.isdisjoint(brands) and AVIF_BRANDS.isdisjoint(brands)


def open_image(content: bytes) -> ImageFile.ImageFile:
    """Read the header of a HEIC file, without making its reader known to all of Pillow.

    Turning and mirroring are part of decoding; the orientation in its metadata does not count.

    Raises:
        ImageError: pillow-heif is not installed.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise ImageError("a HEIC image, which the package pillow-heif reads; install it") from None
    image: ImageFile.ImageFile = HeifImageFile(io.BytesIO(content))
    return image
