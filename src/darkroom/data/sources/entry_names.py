"""Names of files in zip and tar archives, which may be in any encoding and with any divider."""

import struct
import zipfile
import zlib
from pathlib import Path

from darkroom.base.errors import InputError

IS_UTF8 = 0x800
"""Flag of a zip entry: its name is UTF-8. Without it, the name is in the encoding of the system that packed it."""
UNICODE_PATH = 0x7075
"""Extra field of Info-ZIP: the name in UTF-8, with the CRC-32 of the name that it stands for."""
COMMON = ("cp1252", "cp437", "gbk", "cp932", "cp949", "cp1251")
"""Encodings to suggest: western Windows, DOS, Chinese, Japanese, Korean and Cyrillic Windows."""
ASCII_END = 128
TRIED = 3
"""Maximum number of encodings in a message."""


def of_zip(path: Path, info: zipfile.ZipInfo, encoding: str | None) -> str:
    """Return the name of a zip entry, with forward slashes.

    Args:
        path: the archive, for messages.
        info: the entry.
        encoding: that of names without the UTF-8 flag, if known.

    Raises:
        InputError: the encoding is unknown or does not fit.
    """
    if info.flag_bits & IS_UTF8:
        name = info.filename
    else:
        # zipfile reads it as cp437, which has a character for every byte.
        raw = info.orig_filename.encode("cp437").partition(b"\0")[0]
        name = raw.decode() if raw.isascii() else _unicode_path(info.extra, raw) or _text(path, raw, encoding)
    # The standard allows forward slashes only; packers of Windows wrote backslashes for years.
    return name.replace("\\", "/")


def of_tar(path: Path, name: str, encoding: str | None) -> str:
    """Return the name of a tar member, with forward slashes; see ``of_zip``.

    Args:
        path: the archive, for messages.
        name: its name as read with ``encoding``, or as UTF-8, with surrogates for bytes that do not fit.
        encoding: that of names, if known.
    """
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            name = _text(path, name.encode(encoding or "utf-8", "surrogateescape"), encoding)
    # On Unix a backslash may be part of a name; without any slash it is a divider.
    return name if "/" in name else name.replace("\\", "/")


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Return the name in Info-ZIP's extra field; None if there is none for this name."""
    while len(extra) >= 4:  # noqa: PLR2004 - two numbers of 16 bits: kind and length
        kind, length = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH and field[1:5] == struct.pack("<L", zlib.crc32(raw)):
            try:
                return field[5:].decode()
            except UnicodeDecodeError:
                return None
    return None


def _text(path: Path, raw: bytes, encoding: str | None) -> str:
    """Decode a name that does not say its encoding; UTF-8 is tried if none is given.

    In the name of the file itself, other bytes become ``%E9``; in those of folders, which may be classes, they do not.
    """
    folders, divider, name = raw.rpartition(b"/")
    try:
        if encoding:
            return raw.decode(encoding)
        try:
            last = name.decode()
        except UnicodeDecodeError:
            last = "".join(chr(byte) if byte < ASCII_END else f"%{byte:02X}" for byte in name)
        return folders.decode() + divider.decode() + last
    except UnicodeDecodeError:
        pass
    shown = raw.decode("ascii", "backslashreplace")[:200]
    readings = [f"{name}: {text}" for name in COMMON if (text := _reading(raw, name)) is not None]
    tried = "; ".join(readings[:TRIED]) or "none of the common encodings fits"
    what = f"is not {encoding}" if encoding else "does not say its encoding and is not UTF-8"
    raise InputError(
        f"{path}: the name {shown} {what}; give that of the system that packed the archive ({tried}) by "
        "data.name_encoding, or to configure, drift and label-next by --name-encoding, or pack the images again with "
        "names in UTF-8"
    )


def _reading(raw: bytes, encoding: str) -> str | None:
    """Return the name in an encoding; None if it does not fit, or gives signs that no name has."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text[:200] if text.isprintable() else None
