"""Why a file cannot be opened as an image: it is empty, cut or damaged within its header, or something else."""

from ..base.errors import ImageError

SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "GIF": (b"GIF87a", b"GIF89a"),
}
"""Beginnings of files, by format."""
BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC"}
"""Formats by the first brand of their container (ISO/IEC 14496-12)."""
POINTER = b"version https://git-lfs.github.com/spec/"
LEAST = 4
"""Fewest bytes by which a format is recognised."""


def error(content: bytes, formats: tuple[str, ...]) -> ImageError:
    """Return the error for a file that no decoder recognises.

    Args:
        content: the file.
        formats: names of the supported formats.
    """
    if not content:
        return ImageError("the file is empty")
    if content.startswith(POINTER):
        return ImageError("a pointer of Git LFS instead of the image; fetch the images with git lfs pull")
    if found := _format(content):
        # Pillow does not tell a damaged header from a kind of file that it does not know.
        return ImageError(f"damaged, or an unusual kind of {found}: its header cannot be read")
    return ImageError(f"not an image in a supported format ({', '.join(formats)})")


def _format(content: bytes) -> str | None:
    """Return the format that a file's first bytes are of, however few there are."""
    if content[4:8] == b"ftyp":
        return BRANDS.get(content[8:12])
    if content[:4] == b"RIFF":
        return "WEBP" if content[8:12] == b"WEBP" or len(content) < 12 else None  # noqa: PLR2004 - name and size
    if content[:2] == b"BM":
        # Bytes 6 to 9 are reserved and zero.
        return None if content[6:10].strip(b"\0") else "BMP"
    for name, beginnings in SIGNATURES.items():
        for start in beginnings:
            if content.startswith(start) or (len(content) >= LEAST and start.startswith(content)):
                return name
    return None
