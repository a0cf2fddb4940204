"""Mutated requests to ``darkroom serve``, with a packaged network: HTTP, JSON, base64, images, sizes.

An input is a fault if its response is 500 or no HTTP, if the server logs an exception, or if it does not answer a valid
request afterwards. The deadlines for incomplete requests are short here, so that 10,000 inputs end.
"""

import base64
import io
import json
import logging
import re
import socket
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.fuzz.core import Input, Tally
from benchmarks.fuzz.mutations import mutate
from benchmarks.untrained import make_champion
from darkroom.base import environment
from darkroom.serving.limits import Limits
from darkroom.serving.server import create, listen
from darkroom.tracking import opening

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits(headers_within=0.3, body_within=0.3, idle_within=1)
WITHIN = 10.0
"""Seconds for a response."""
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
HTTP_WORDS = (
    *(b"\r\n", b"\r\n\r\n", b"\n", b": ", b"chunked", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
    *(b"Content-Length: 99999999999999999999\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"HTTP/1.0"),
    *(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"Content-Encoding: gzip\r\n", b"HEAD ", b"GET ", b"/ping"),
)
JSON_WORDS = (
    *(b"NaN", b"-Infinity", b"1e999", b"null", b"true", b"[]", b"{}", b'""', b"[[", b"]]", b"9" * 400, b"-1", b"0.5"),
    *(b"[" * 1000, b'{"a":' * 1000, b'"inputs":', b'"params":{"minimum_probability":2}', b"\\ud800", b"\\u0000"),
    *(b'"dataframe_split":', b'"columns":', b'"data":', b"data:image/png;base64,", b"data:,", b"%2B", b"\xff\xfe"),
)
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
MANY = (1, 2, 31, 33, 999, 1001, 30_000)
"""Numbers of images, rows or values."""


def family(folder: Path) -> "Requests":
    """Return the family; ``folder`` is for its files."""
    return Requests(folder)


class Requests:
    """Requests to a server in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        environment.prepare()
        make_champion(folder)
        at = listen("127.0.0.1", 0)
        self._port = at.getsockname()[1]
        server = create(opening.load_model("models:/darkroom@champion"), LIMITS)
        self._log = Log()
        for name in ("uvicorn", "uvicorn.error", "asyncio"):
            logging.getLogger(name).handlers, logging.getLogger(name).propagate = [self._log], False
        threading.Thread(target=server.run, kwargs={"sockets": [at]}, daemon=True).start()
        self._valid = whole(body(picture("PNG")))
        for _ in range(20):
            self._ask_valid()

    def make(self, generator: np.random.Generator) -> Input:
        """Make a request of a random kind."""
        kinds: tuple[Callable[[np.random.Generator], bytes], ...] = (_http, _json, _image, _text, _shape, _many)
        return Input("request.http", kinds[generator.integers(len(kinds))](generator))

    def attempt(self, given: Input) -> Tally:
        """Send it, and then a valid one."""
        received = exchange(self._port, given.content)
        statuses = _statuses(received)
        if HTTPStatus.INTERNAL_SERVER_ERROR in statuses or b"Traceback" in received or (received and not statuses):
            raise AssertionError(received[:500])
        self._ask_valid()
        if self._log.exceptions:
            raise AssertionError(self._log.exceptions.pop())
        used = int(HTTPStatus.OK in statuses)
        return Tally(1, used, 1 - used)

    def _ask_valid(self) -> None:
        received = exchange(self._port, self._valid)
        if _statuses(received) != [HTTPStatus.OK]:
            raise AssertionError(f"a valid request afterwards: {received[:500]!r}")


class Log(logging.Handler):
    """Collects exceptions that the server logs."""

    def __init__(self) -> None:
        super().__init__()
        self.exceptions: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an exception."""
        if record.exc_info:
            self.exceptions.append(self.format(record))


def exchange(port: int, content: bytes) -> bytes:
    """Send bytes; return what the server sends until it closes the connection."""
    received, until = b"", time.monotonic() + WITHIN
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN) as connection:
        try:
            connection.sendall(content)
            while part := connection.recv(1 << 20):
                received += part
                if time.monotonic() > until:
                    raise AssertionError(f"no end after {WITHIN:g} s")
        except ConnectionError:
            pass  # the server does not read what follows a request that it cannot read
    return received


def _statuses(received: bytes) -> list[int]:
    """Return the statuses of responses, except 100."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received) if status != b"100"]


def picture(form: str, side: int = 28) -> bytes:
    """Return a small image file."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)).save(buffer, form)
    return buffer.getvalue()


def body(content: bytes) -> bytes:
    """Return the body of a request."""
    return json.dumps({"inputs": [base64.b64encode(content).decode()]}).encode()


def whole(content: bytes) -> bytes:
    """Return a request whose Content-Length is right."""
    return HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)


def _http(generator: np.random.Generator) -> bytes:
    """Mutate anything; often headers, which are at the start."""
    return mutate(whole(body(picture("PNG"))) * int(generator.integers(1, 4)), generator, HTTP_WORDS)


def _json(generator: np.random.Generator) -> bytes:
    """Mutate the body."""
    return whole(mutate(body(picture("PNG")), generator, JSON_WORDS))


def _image(generator: np.random.Generator) -> bytes:
    """Mutate an image file."""
    return whole(body(mutate(picture(FORMATS[generator.integers(len(FORMATS))]), generator)))


def _text(generator: np.random.Generator) -> bytes:
    """Mutate base64, with and without the start of a data URI."""
    text = base64.b64encode(picture("PNG"))
    if generator.random() < 0.5:  # noqa: PLR2004
        text = b"data:image/png;base64," + text
    mutated = mutate(text, generator, (b"-", b"_", b"=", b"\n", b"%", b",", b";", b"\xc3\xa9")).decode("latin-1")
    return whole(json.dumps({"inputs": [mutated]}).encode())


def _shape(generator: np.random.Generator) -> bytes:
    """Make JSON of a random shape below a key."""
    keys = ("inputs", "instances", "dataframe_split", "dataframe_records", "params", "messages", "image")
    content = {keys[generator.integers(len(keys))]: _value(generator, 4) for _ in range(generator.integers(1, 3))}
    return whole(json.dumps(content).encode())


def _value(generator: np.random.Generator, depth: int) -> Any:
    leaves: tuple[Any, ...] = (0, 255, 256, -1, 0.5, 10**300, True, None, "", "aGk=", float("nan"), 1e308)
    if depth == 0 or generator.random() < 0.2:  # noqa: PLR2004
        return leaves[generator.integers(len(leaves))]
    values = [_value(generator, depth - 1) for _ in range(generator.integers(0, 4))]
    if generator.random() < 0.7:  # noqa: PLR2004
        return values
    return dict(zip(("image", "columns", "data"), values, strict=False))


def _many(generator: np.random.Generator) -> bytes:
    """Make much of something small."""
    count = int(MANY[generator.integers(len(MANY))])
    tall = base64.b64encode(one_bit(int(generator.choice([1, 100, 8900])))).decode()
    small = base64.b64encode(picture("PNG", 1)).decode()
    ways: tuple[Any, ...] = (
        {"inputs": [small] * count},
        {"inputs": [tall] * min(count, 130)},
        {"instances": [{"image": small}] * count},
        {"inputs": [[0] * 28] * count},
        {"inputs": [[[[0]]]] * count},
        {"inputs": [*[1] * count, "A" * min(count * 100, 10**6)]},
        {"inputs": [[]] * count},
        {"inputs": "A" * count * 40},
        {"inputs": [small], "params": dict.fromkeys(map(str, range(count)))},
    )
    content = json.dumps(ways[generator.integers(len(ways))]).encode()
    headers = b"".join(b"X%d: y\r\n" % number for number in range(count)) if generator.random() < 0.1 else b""  # noqa: PLR2004
    return whole(content).replace(b"Connection", headers + b"Connection", 1)


def one_bit(side: int) -> bytes:
    """Return a PNG file of one bit per pixel."""
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()
