"""The application of ``darkroom serve``: predictions at ``/invocations``, and whether the server runs."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeVar

import mlflow
from mlflow.exceptions import MlflowException

from darkroom.serving.answers import CLOSE, HEADERS_TOO_LARGE, PLACE, Answer, Message, Receive, RequestError, Send
from darkroom.serving.limits import DISCARDED, LARGEST_HEADERS, SMALL_BODY, SMALL_IMAGES, Limits
from darkroom.serving.parsing import Request, check_headers, parse, too_large

LOG = logging.getLogger("uvicorn.error")
STATES = {"/ping": b"\n", "/health": b"\n", "/version": mlflow.__version__.encode()}
"""Responses to GET, as of MLflow's own server."""
PATHS = {PLACE: ("POST",), **dict.fromkeys(STATES, ("GET", "HEAD"))}
"""All paths with their methods."""
Result = TypeVar("Result")


class DisconnectedError(Exception):
    """The client closed the connection."""


@dataclass
class Held:
    """The body of a request while it is received and parsed."""

    size: int = 0


class Body:
    """A request's body, received in parts."""

    def __init__(self, receive: Receive) -> None:
        """Args: the ASGI function that returns the next message."""
        self._receive = receive
        self.more = True
        """Whether a part may follow."""

    async def part(self) -> bytes:
        """Return the next part.

        Raises:
            DisconnectedError: the client has closed the connection.
        """
        message = await self._receive()
        self.more = message.get("more_body", False)
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        return bytes(message.get("body", b""))

    async def discard(self, within: float, most: int) -> None:
        """Read the rest: many clients read a response only after they have sent the whole request.

        Args:
            within: seconds after which the rest is left.
            most: bytes after which the rest is left.
        """
        with suppress(TimeoutError, DisconnectedError):
            async with asyncio.timeout(within):
                while self.more and most > 0:
                    most -= len(await self.part())


class App:
    """An ASGI application that answers prediction requests."""

    def __init__(self, model: Any, limits: Limits) -> None:
        """Args: the model from ``opening.load_model``, and the limits of a request."""
        self._model, self._limits = model, limits
        # Large requests are handled one at a time, which bounds the memory, and small ones do not wait for them.
        self._small, self._large = ThreadPoolExecutor(1, "small"), ThreadPoolExecutor(1, "large")
        self._held = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = Body(receive)
        try:
            answer = await self._answer(scope, body)
        except DisconnectedError:
            return
        except RequestError as error:
            answer = error.answer
            # A client that waits for "100 Continue" does not send its body now.
            waits = any(name == b"expect" for name, _ in scope["headers"])
            if not waits and CLOSE not in answer.more_headers:
                await body.discard(self._limits.body_within, DISCARDED * self._limits.largest)
            if body.more and CLOSE not in answer.more_headers:
                # The rest of the body stands before a next request.
                answer = replace(answer, more_headers=(*answer.more_headers, CLOSE))
        except Exception:
            LOG.exception("a request failed")
            reason = "the server failed; its log has the details"
            answer = RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, reason).answer
        await answer.send(send)

    async def _answer(self, scope: Message, content: Body) -> Answer:
        path, method = scope["path"], scope["method"]
        # The HTTP parser limits only headers that arrive in several parts.
        if sum(len(name) + len(value) + len(b": \r\n") for name, value in scope["headers"]) > LARGEST_HEADERS:
            raise RequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, HEADERS_TOO_LARGE, CLOSE)
        if path not in PATHS:
            raise RequestError(HTTPStatus.NOT_FOUND, f"unknown path; there are {', '.join(PATHS)}")
        if method not in PATHS[path]:
            allowed = ", ".join(PATHS[path])
            reason = f"unexpected method; {path} takes {allowed}"
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, reason, (b"allow", allowed.encode()))
        if path in STATES:
            return Answer(HTTPStatus.OK, STATES[path])
        check_headers(scope["headers"], self._limits)
        with self._holding() as held:
            body = await self._read(content, held)
            return await self._in_time(self._predictions(body))

    @contextmanager
    def _holding(self) -> Iterator[Held]:
        held = Held()
        try:
            yield held
        finally:
            self._held -= held.size

    async def _read(self, content: Body, held: Held) -> bytes:
        """Return a request's body."""
        parts = list[bytes]()
        try:
            async with asyncio.timeout(self._limits.body_within):
                while content.more:
                    parts.append(await content.part())
                    self._hold(held, len(parts[-1]))
        except TimeoutError:
            late = f"body incomplete after {self._limits.body_within:g} seconds; send fewer images per request"
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT, late, CLOSE) from None
        return b"".join(parts)

    def _hold(self, held: Held, size: int) -> None:
        """Count a part of a body; refuse it if it, or all together, are too large."""
        held.size += size
        self._held += size
        if held.size > self._limits.largest:
            raise too_large(self._limits)
        if held.size > SMALL_BODY and self._held > self._limits.held:
            reason = f"other requests hold {self._limits.held:,} bytes; try again later, or send fewer images"
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, reason)

    async def _in_time(self, answer: Awaitable[Answer]) -> Answer:
        try:
            return await asyncio.wait_for(answer, self._limits.answer_within)
        except TimeoutError:
            reason = f"no answer within {self._limits.answer_within:g} seconds; try again later, or send fewer images"
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, reason) from None

    async def _predictions(self, body: bytes) -> Answer:
        if len(body) > SMALL_BODY:
            return await _run(self._large, lambda: self._predict(parse(body, self._limits)))
        answer = await _run(self._small, lambda: self._predict_small(body))
        return await _run(self._large, lambda: self._predict(answer)) if isinstance(answer, Request) else answer

    def _predict_small(self, body: bytes) -> Answer | Request:
        """Predict, unless a small body has large images."""
        request = parse(body, self._limits)
        return request if request.pixels > SMALL_IMAGES else self._predict(request)

    def _predict(self, request: Request) -> Answer:
        """Predict in a worker thread."""
        try:
            predictions = self._model.predict(request.entries, params=request.parameters)
        except MlflowException as error:
            if error.error_code not in {"INVALID_PARAMETER_VALUE", "BAD_REQUEST"}:
                LOG.exception("the model failed")
                raise RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, error.message) from None
            raise RequestError(HTTPStatus.BAD_REQUEST, error.message) from None
        except MemoryError:
            reason = "not enough memory for these images; send fewer or smaller ones"
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, reason) from None
        return Answer(HTTPStatus.OK, json.dumps({"predictions": predictions}, allow_nan=False).encode())


async def _run(worker: Executor, work: Callable[[], Result]) -> Result:
    """Run in a worker thread; work that has not begun ends with the caller."""
    return await asyncio.get_running_loop().run_in_executor(worker, work)
