"""``darkroom serve``: MLflow's scoring server behind a filter that rejects bad requests with short errors.

MLflow's server itself accepts requests of any size, and answers requests that it cannot parse with their whole content
or a stack trace.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from darkroom.base.errors import InputError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
PLACE = "/invocations"
INPUT_KEYS = ("inputs", "instances", "dataframe_split", "dataframe_records")
LONGEST = 300  # maximum characters of an error message
BAD, TOO_LARGE, NOT_JSON, FAILED = 400, 413, 415, 500
CODES = {
    BAD: "BAD_REQUEST",
    TOO_LARGE: "REQUEST_TOO_LARGE",
    NOT_JSON: "UNSUPPORTED_MEDIA_TYPE",
    FAILED: "INTERNAL_ERROR",
}


def listen(host: str, port: int) -> socket.socket:
    """Bind a port, before the model is loaded.

    Raises:
        InputError: the port is not available.
    """
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port} of {host} is not available ({error}); choose another with --port") from None


def serve(model: Any, at: socket.socket, largest: int) -> None:
    """Serve a packaged model until the process is stopped.

    Args:
        model: the model from ``opening.load_model``.
        at: the socket from ``listen``.
        largest: maximum size of a request in bytes.
    """
    import uvicorn
    from mlflow.pyfunc import scoring_server

    config = uvicorn.Config(RequestFilter(scoring_server.init(model), largest), log_level="warning")
    uvicorn.Server(config).run(sockets=[at])


class RequestFilter:
    """An ASGI middleware that rejects invalid prediction requests before they reach the application."""

    def __init__(self, app: App, largest: int) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PLACE:
            await self._app(scope, receive, send)
            return
        body = await _read(receive, self._largest)
        if body is None:
            await _reject(send, TOO_LARGE, f"larger than {self._largest:,} bytes; send fewer images per request")
            return
        if not _is_json(scope):
            await _reject(send, NOT_JSON, "expected Content-Type application/json in UTF-8, with images in base64")
            return
        if problem := await asyncio.to_thread(_problem, body):
            await _reject(send, BAD, problem)
            return
        await self._pass_on(scope, body, receive, send)

    async def _pass_on(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        """Pass the request to the application; shorten its error responses to the reason."""
        waiting, response = [{"type": "http.request", "body": body, "more_body": False}], list[Message]()

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        async def collect(message: Message) -> None:
            response.append(message)

        try:
            await self._app(scope, replay, collect)
        finally:
            if response and (status := int(response[0]["status"])) >= BAD:
                text = b"".join(message.get("body", b"") for message in response)
                await _reject(send, status, _reason(text) if status < FAILED else "failed; see the server's log")
            else:
                for message in response:
                    await send(message)


async def _read(receive: Receive, largest: int) -> bytes | None:
    """Return a request's body; None if it is too large. Its content is then discarded."""
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size, more = size + len(part), message.get("more_body", False)
        # Read to the end: a client reads the response only after it has sent the whole request.
        if size <= largest:
            parts.append(part)
        else:
            parts.clear()
    return b"".join(parts) if size <= largest else None


def _is_json(scope: Message) -> bool:
    """Return whether the Content-Type of a request is JSON in UTF-8."""
    content_type: bytes = dict(scope["headers"]).get(b"content-type", b"")
    kind, *more = (part.strip().lower() for part in content_type.split(b";"))
    return kind == b"application/json" and all(part.replace(b'"', b"") == b"charset=utf-8" for part in more)


def _problem(body: bytes) -> str | None:
    """Return why a body is not a prediction request; None if it is one."""
    expected = f"an object with one of {', '.join(INPUT_KEYS)} was expected"
    if not body.strip():
        return f"empty; {expected}"
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return f"not JSON; {expected}"
    if not isinstance(read, dict) or len(set(INPUT_KEYS) & set(read)) != 1:
        return f"unexpected JSON; {expected}"
    return None


def _reason(text: bytes) -> str:
    """Extract the reason from MLflow's error response, which may contain the request before it."""
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return "rejected"
    return message.rpartition("\nError: ")[2][:LONGEST]


async def _reject(send: Send, status: int, reason: str) -> None:
    content = json.dumps({"error_code": CODES.get(status, "BAD_REQUEST"), "message": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
