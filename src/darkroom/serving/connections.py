"""Connections of ``darkroom serve``: uvicorn's, with limits on their number and on the time that a client takes.

uvicorn waits without end for a request's headers and for clients that do not read their response. Its option
``limit_concurrency`` refuses every client, also those with a request in progress, while too many connections are open.
"""

import asyncio
import logging
import sys
import time
from http import HTTPStatus
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from darkroom.base.hooks import require_hook
from darkroom.serving.answers import CLOSE, HEADERS_TOO_LARGE, Message, Receive, RequestError, Send
from darkroom.serving.limits import Limits

LOG = logging.getLogger("uvicorn.error")
WARN_AGAIN = 60
"""Seconds between two warnings of too many connections."""
RECEIVED_WITHIN = 2
"""Seconds after SIGTERM in which a request that is being received must be complete."""
UNREADABLE = {
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: HEADERS_TOO_LARGE,
    HTTPStatus.NOT_IMPLEMENTED: "unknown Transfer-Encoding; send the body chunked or with a Content-Length",
}


def limited(limits: Limits) -> type["Connection"]:
    """Return the class of a server's connections."""
    for hook in ("on_response_complete", "send_400_response", "shutdown"):
        require_hook(H11Protocol, hook, "uvicorn")
    return type("LimitedConnection", (Connection,), {"limits": limits})


class Connection(H11Protocol):
    """A connection of a client, with deadlines."""

    limits: ClassVar[Limits]
    _warned: ClassVar[float] = -WARN_AGAIN

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request."""
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = 0
        open_now = len(self.connections)
        self._too_many = open_now > self.limits.connections
        if open_now > 2 * self.limits.connections:
            transport.abort()
        elif self._too_many:
            self._warn(open_now)
        self._wait(self.limits.headers_within)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        self._too_many = self._too_many and len(self.connections) > self.limits.connections
        self.app = self._busy if self._too_many else self.config.loaded_app
        super().data_received(data)
        if self._in_progress():
            self._cancel()

    def on_response_complete(self) -> None:
        """Start the deadline of the next request."""
        super().on_response_complete()
        if not self._in_progress():
            unread = self.conn.their_state is h11.SEND_BODY
            self._wait(self.limits.body_within if unread else self.limits.headers_within)

    def pause_writing(self) -> None:
        """Start the deadline for reading a response."""
        super().pause_writing()
        self._wait(self.limits.headers_within)

    def resume_writing(self) -> None:
        """Stop the deadline for reading a response."""
        super().resume_writing()
        if self._in_progress():
            self._cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all deadlines."""
        self._cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finish the request in progress; one that is still incomplete after a short time is refused."""
        super().shutdown()
        self.loop.call_later(RECEIVED_WITHIN, self._stop_receiving)
        self.loop.call_later(self.limits.stop_within - 1, self._stop)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse what is not HTTP, with the reason. uvicorn calls this while it handles the parser's error."""
        error = sys.exc_info()[1]
        status = HTTPStatus(getattr(error, "error_status_hint", HTTPStatus.BAD_REQUEST))
        self._refuse(RequestError(status, UNREADABLE.get(status, "not a valid HTTP/1.1 request"), CLOSE))

    def _in_progress(self) -> bool:
        """Return whether a request's headers are read and its response is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self._cancel()
        self._timer = self.loop.call_later(seconds, self._expire, seconds)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self, seconds: float) -> None:
        """Close a connection whose client neither sends a request nor reads a response."""
        unsent, before = self.transport.get_write_buffer_size(), self._unsent
        if unsent and unsent != before:
            self._unsent = unsent
            self._wait(seconds)
        elif unsent or self.transport.is_closing():
            self.transport.abort()
        elif not self.conn.trailing_data[0]:
            self.transport.close()
        else:
            late = f"headers incomplete after {self.limits.headers_within:g} seconds; send the request at once"
            self._refuse(RequestError(HTTPStatus.REQUEST_TIMEOUT, late, CLOSE))

    def _stop_receiving(self) -> None:
        """Refuse a request that is not received completely."""
        if self._in_progress() and self.cycle.more_body:
            self._stop()

    def _stop(self) -> None:
        """Refuse the request in progress because the server stops."""
        if self._in_progress():
            stops = "the server is stopping; send the request again"
            self._refuse(RequestError(HTTPStatus.SERVICE_UNAVAILABLE, stops, CLOSE))

    def _refuse(self, error: RequestError) -> None:
        """Send an error instead of the application's response, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is not None:
            # The application reads the end of the connection, and its response is discarded.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = error.answer
            start = h11.Response(status_code=answer.status, headers=answer.headers)
            parts = [self.conn.send(part) for part in (start, h11.Data(data=answer.content), h11.EndOfMessage())]
            self.transport.write(b"".join(part for part in parts if part))
        self.transport.close()
        self._wait(self.limits.headers_within)

    async def _busy(self, _: Message, _receive: Receive, send: Send) -> None:
        """Answer a request on one connection too many."""
        full = f"{self.limits.connections} connections are open already; try again later"
        await RequestError(HTTPStatus.SERVICE_UNAVAILABLE, full).answer.send(send)

    @classmethod
    def _warn(cls, open_now: int) -> None:
        if time.monotonic() - cls._warned >= WARN_AGAIN:
            cls._warned = time.monotonic()
            LOG.warning("%d open connections; more than %d get 503", open_now, cls.limits.connections)
