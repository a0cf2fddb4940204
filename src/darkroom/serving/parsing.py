"""Parse prediction requests: JSON to images and parameters, within the limits of one request."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message as MimeHeaders
from http import HTTPStatus
from typing import Any

import numpy as np

from darkroom.base.errors import ImageError
from darkroom.inference import classifier, decoding
from darkroom.serving.answers import RequestError
from darkroom.serving.limits import Limits

INPUT_KEYS = ("inputs", "instances", "dataframe_split", "dataframe_records")
PARAMETERS = "params"
EXPECTED = f"expected an object with one of {', '.join(INPUT_KEYS)}, and optionally {PARAMETERS}"
CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
"""UTF-8 and what it contains."""


@dataclass(frozen=True)
class Request:
    """A request that can be passed to the model."""

    entries: list[Any]
    """One entry per image: the content of a file, or pixels."""
    parameters: dict[str, Any]
    pixels: int
    """Pixels of all images."""


def check_headers(headers: Sequence[tuple[bytes, bytes]], limits: Limits) -> None:
    """Check the headers of a prediction request, before its body is read.

    Raises:
        RequestError: the body is not JSON in UTF-8, or too large.
    """
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value.decode("latin-1"))
    if (encodings := found.get(b"content-encoding")) and encodings != ["identity"]:
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "compressed body (Content-Encoding); send the JSON uncompressed",
            (b"accept-encoding", b"identity"),
        )
    if not is_json(found.get(b"content-type", [])):
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "expected Content-Type application/json in UTF-8, with images in base64",
        )
    declared = found.get(b"content-length", ["0"])[0]
    # More digits than the limit has are too large; int() refuses more than 4,300.
    if len(declared) > len(str(limits.largest)) or int(declared) > limits.largest:
        raise too_large(limits)


def is_json(content_types: Sequence[str]) -> bool:
    """Return whether the Content-Type headers of a request say JSON in UTF-8.

    Type and charset are case-insensitive; other parameters have no meaning for JSON and are ignored.
    """
    if len(content_types) != 1:
        return False
    parsed = MimeHeaders()
    parsed["Content-Type"] = content_types[0]
    return parsed.get_content_type() == "application/json" and parsed.get_content_charset("utf-8") in CHARSETS


def too_large(limits: Limits) -> RequestError:
    """Return the error for a body of too many bytes."""
    reason = f"larger than {limits.largest:,} bytes; send fewer images per request"
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)


def parse(body: bytes, limits: Limits) -> Request:
    """Parse the body of a prediction request.

    Raises:
        RequestError: not a prediction request, or more than the limits allow.
    """
    # json.loads needs up to a hundred bytes for a value of three.
    if (values := sum(map(body.count, (b",", b"[", b"{")))) > limits.values:
        raise RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"about {values:,} JSON values; at most {limits.values:,} are accepted: send image files in base64 "
            "instead of pixels, or fewer images per request",
        )
    content = _read_json(body)
    keys = set(INPUT_KEYS) & set(content)
    if len(keys) != 1 or set(content) - {*keys, PARAMETERS}:
        raise _bad(f"unexpected keys; {EXPECTED}")
    parameters = content.get(PARAMETERS) or {}
    if not isinstance(parameters, dict) or set(parameters) - {"minimum_probability"}:
        raise _bad(f"{PARAMETERS}: expected an object with minimum_probability, a number from 0 to 1")
    (key,) = keys
    return _within(_entries(key, content[key]), parameters, limits)


def _bad(reason: str) -> RequestError:
    return RequestError(HTTPStatus.BAD_REQUEST, reason)


def _read_json(body: bytes) -> dict[str, Any]:
    """Parse a body strictly by RFC 8259; a byte order mark is ignored."""
    if not body.strip():
        raise _bad(f"empty body; {EXPECTED}")
    try:
        content = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _bad(f"not UTF-8 (byte {error.start}); expected JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        raise _bad(f"not JSON ({error.msg}, character {error.pos}); {EXPECTED}") from None
    except RecursionError:
        raise _bad(f"nested too deeply; {EXPECTED}") from None
    except ValueError:  # int() refuses more than 4,300 digits
        raise _bad("a number of thousands of digits; pixels are integers from 0 to 255") from None
    if not isinstance(content, dict):
        raise _bad(f"JSON of another form; {EXPECTED}")
    return content


def _no_constant(name: str) -> Any:
    """Refuse NaN and Infinity, which Python's parser accepts."""
    raise _bad(f"{name} is not JSON; pixels are integers from 0 to 255")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with two values for one key, of which Python's parser takes the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _bad("an object has two values for one key; expected different keys")
    return found


def _entries(key: str, value: Any) -> list[Any]:
    """Return one entry per image: files as bytes, pixels as lists or arrays."""
    try:
        if key == "dataframe_split":
            value = _from_split(value)
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            value = [classifier.only_column(row) for row in value]
        return classifier.as_entries(value)
    except ImageError as error:
        raise _bad(str(error)) from None


def _from_split(value: Any) -> list[Any]:
    """Return the images of a data frame in pandas' orientation "split"."""
    expected = f'dataframe_split: expected {{"columns": ["{classifier.COLUMN}"], "data": [[…], …]}}'
    if not isinstance(value, dict) or not isinstance(value.get("columns"), list):
        raise ImageError(expected)
    classifier.only_column(dict.fromkeys(map(str, value["columns"])))
    rows = value.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 1 for row in rows):
        raise ImageError(f"{expected}, one entry per row")
    return [row[0] for row in rows]


def _within(entries: list[Any], parameters: dict[str, Any], limits: Limits) -> Request:
    """Decode base64 and check the number and the size of the images, before any is decoded."""
    if len(entries) > limits.images:
        raise RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{len(entries):,} images; at most {limits.images:,} are accepted per request: send fewer",
        )
    decoded = [_file(entry, number) for number, entry in enumerate(entries)]
    pixels = sum(map(_pixels, decoded))
    if pixels > limits.pixels:
        raise RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"images of {pixels:,} pixels in total; at most {limits.pixels:,} are accepted per request: send fewer",
        )
    return Request(decoded, parameters, pixels)


def _file(entry: Any, number: int) -> Any:
    """Decode base64; errors name the image's index."""
    try:
        return classifier.from_base64(entry) if isinstance(entry, str) else entry
    except ImageError as error:
        raise _bad(f"image {number}: {error}") from None


def _pixels(entry: Any) -> int:
    """Return the number of pixels of an image; 0 if it cannot be opened, which the model will explain."""
    if isinstance(entry, np.ndarray):
        return entry.size
    try:
        return math.prod(decoding.declared_size(entry)) if isinstance(entry, bytes) else 0
    except ImageError:
        return 0
