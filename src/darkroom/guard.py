"""``darkroom serve``: MLflow's scoring server, with a guard in front that answers bad requests itself, and briefly.

MLflow's server reads a request before it asks the model. What it cannot read it sends back whole, or with a stack
trace, and it takes requests of any length.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from darkroom.errors import InputError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PLACE = "/invocations"
FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
LONGEST = 300  # characters of a reason
BAD, TOO_LARGE, NO_JSON, FAILED = 400, 413, 415, 500
CODES = {
    BAD: "BAD_REQUEST",
    TOO_LARGE: "REQUEST_TOO_LARGE",
    NO_JSON: "UNSUPPORTED_MEDIA_TYPE",
    FAILED: "INTERNAL_ERROR",
}


def listen(host: str, port: int) -> socket.socket:
    """Take a port, before a model is loaded for it.

    Raises:
        InputError: it cannot be had.
    """
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port} of {host} cannot be had ({error}); name another with --port") from None


def serve(model: Any, at: socket.socket, largest: int) -> None:
    """Serve a packaged model until the process is told to end.

    Args:
        model: as ``tracking.load_model`` returns it.
        at: where, as ``listen`` returns it.
        largest: bytes of a request, at most.
    """
    import uvicorn
    from mlflow.pyfunc import scoring_server

    config = uvicorn.Config(Guard(scoring_server.init(model), largest), log_level="warning")
    uvicorn.Server(config).run(sockets=[at])


class Guard:
    """An ASGI application in front of another: what is no request for a prediction does not reach that."""

    def __init__(self, app: App, largest: int) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PLACE:
            await self._app(scope, receive, send)
            return
        body = await _read(receive, self._largest)
        if body is None:
            await _refuse(send, TOO_LARGE, f"more than {self._largest:,} bytes; send fewer images in a request")
            return
        if not _is_json(scope):
            await _refuse(send, NO_JSON, "Content-Type: application/json was expected, in UTF-8, with images in base64")
            return
        if problem := await asyncio.to_thread(_problem, body):
            await _refuse(send, BAD, problem)
            return
        await self._pass_on(scope, body, receive, send)

    async def _pass_on(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        """Let the application answer; of what it refuses, tell no more than why."""
        waiting, answer = [{"type": "http.request", "body": body, "more_body": False}], list[Message]()

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        async def collect(message: Message) -> None:
            answer.append(message)

        try:
            await self._app(scope, again, collect)
        finally:
            if answer and (status := int(answer[0]["status"])) >= BAD:
                text = b"".join(message.get("body", b"") for message in answer)
                await _refuse(send, status, _reason(text) if status < FAILED else "failed; the server's log says why")
            else:
                for message in answer:
                    await send(message)


async def _read(receive: Receive, largest: int) -> bytes | None:
    """Return a request's body; None for one that is too large, of which nothing is kept."""
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size, more = size + len(part), message.get("more_body", False)
        # Read to the end all the same: a client hears no answer before it has sent all.
        if size <= largest:
            parts.append(part)
        else:
            parts.clear()
    return b"".join(parts) if size <= largest else None


def _is_json(scope: Message) -> bool:
    """Say whether a request says that it is JSON, in UTF-8."""
    said: bytes = dict(scope["headers"]).get(b"content-type", b"")
    kind, *more = (part.strip().lower() for part in said.split(b";"))
    return kind == b"application/json" and all(part.replace(b'"', b"") == b"charset=utf-8" for part in more)


def _problem(body: bytes) -> str | None:
    """Say why a body is no request; None if it is one."""
    expected = f"an object with one of {', '.join(FORMS)} was expected"
    if not body.strip():
        return f"empty; {expected}"
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return f"not JSON; {expected}"
    if not isinstance(read, dict) or len(set(FORMS) & set(read)) != 1:
        return f"other JSON than expected; {expected}"
    return None


def _reason(text: bytes) -> str:
    """Take the reason out of MLflow's answer, which may have the request in front of it."""
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return "refused"
    return message.rpartition("\nError: ")[2][:LONGEST]


async def _refuse(send: Send, status: int, reason: str) -> None:
    content = json.dumps({"error_code": CODES.get(status, "BAD_REQUEST"), "message": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
