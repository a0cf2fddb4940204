"""``darkroom serve`` in a thread of the test, with a model that answers at once, and requests byte by byte."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse

from darkroom.serving.limits import Limits
from darkroom.serving.server import create, listen


class Model:
    """Answers with the number of bytes or pixels of each entry."""

    def __init__(self, wait=0.0):
        self.wait = wait
        self.begun = threading.Event()
        self.asked = []

    def predict(self, entries, params):
        self.begun.set()
        time.sleep(self.wait)
        self.asked.append(params)
        return [{"label": str(len(entry)), "probabilities": {"a": 1.0}} for entry in entries]


@contextmanager
def running(model=None, **limits) -> Iterator["Place"]:
    """Run a server; yield where it is."""
    with listen("127.0.0.1", 0) as at:
        place = Place(at.getsockname()[1])
        place.server = create(model or Model(), Limits(**limits))
        thread = threading.Thread(target=place.server.run, kwargs={"sockets": [at]})
        thread.start()
        try:
            yield place
        finally:
            place.server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


class Place:
    """A server's address."""

    def __init__(self, port):
        self.port = port

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, content: bytes, method="POST"):
        """Send bytes on a new connection; return status, headers and body of the response."""
        with self.connect() as connection:
            connection.sendall(content)
            return response(connection, method)


def response(connection, method="POST"):
    """Read a response; return status, headers and body."""
    with closing(HTTPResponse(connection, method=method)) as answer:
        answer.begin()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, headers, answer.read()


def post(body: bytes, *headers: str, path="/invocations", kind="application/json", length=None):
    """Return the bytes of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"Content-Type: {kind}"] if kind else []
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def reason(answer):
    """Return the message of an error response."""
    _, headers, body = answer
    content = json.loads(body)
    assert set(content) == {"error_code", "message"}
    assert headers["content-type"] == "application/json"
    assert len(body) < 400
    return content["message"]
