"""HTTP responses of ``darkroom serve``. Errors are JSON with a code and a reason."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from darkroom.serving.limits import LARGEST_HEADERS, RETRY_AFTER

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
PLACE = "/invocations"
LONGEST = 300
"""Maximum length of a reason in characters."""
HEADERS_TOO_LARGE = f"request line and headers are larger than {LARGEST_HEADERS:,} bytes; send shorter ones"
CLOSE = (b"connection", b"close")
COMMON: Headers = [
    (b"content-type", b"application/json"),
    # A browser that opens an address of the server loads and runs nothing.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
]


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    content: bytes
    more_headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def headers(self) -> Headers:
        """Return all headers."""
        return [*COMMON, (b"content-length", str(len(self.content)).encode()), *self.more_headers]

    async def send(self, send: Send) -> None:
        """Send the response to an ASGI server."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.content})


class RequestError(Exception):
    """A request is not answered with predictions.

    Args:
        status: HTTP status of the response.
        reason: what is wrong, what was expected and how to fix it; never repeats the request.
        more_headers: further headers of the response.
    """

    def __init__(self, status: HTTPStatus, reason: str, *more_headers: tuple[bytes, bytes]) -> None:
        super().__init__(reason)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            more_headers = (*more_headers, (b"retry-after", str(RETRY_AFTER).encode()))
        code = "INTERNAL_ERROR" if status is HTTPStatus.INTERNAL_SERVER_ERROR else status.name
        content = json.dumps({"error_code": code, "message": reason[:LONGEST]}).encode()
        self.answer = Answer(status, content, more_headers)
