"""A port in front of a server: it forwards bytes, counts them, and can fail after a number of them."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

READ = 65536


class Gate:
    """Forwards connections to a server on this machine.

    Args:
        behind: the server's port.
    """

    def __init__(self, behind: int) -> None:
        self.behind, self.passed = behind, 0
        """The server's port, and the bytes that clients have sent to it."""
        self._most: float = float("inf")
        self._fail: Callable[[], None] = lambda: None
        self._status = ""
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._accept()

    @property
    def failed(self) -> bool:
        """Whether it has failed as ``fail_after`` was told."""
        return self._most == 0

    def fail_after(self, count: int, fail: Callable[[], None]) -> None:
        """Call a function once after a further number of bytes; from then on nothing more is counted."""
        with self._lock:
            self._most, self._fail = self.passed + max(count, 1), fail

    def refuse(self, status: str) -> None:
        """Answer every request with a status, such as ``403 Forbidden``; none to forward again."""
        self._status = status

    def close(self) -> None:
        """Refuse connections, as a port on which no server listens does."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def open(self) -> None:
        """Forward again."""
        with self._lock:
            self._most, self._status = float("inf"), ""
        if self._listening.fileno() < 0:
            self._listening = socket.create_server(("127.0.0.1", self.port))
            self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._wait, args=(self._listening,), daemon=True).start()

    def _wait(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        """Send what a client sends to the server."""
        with suppress(OSError), client:
            if self._refuses():
                client.recv(READ)
                self._answer(client)
                return
            with socket.create_connection(("127.0.0.1", self.behind)) as server:
                threading.Thread(target=_send_all, args=(server, client), daemon=True).start()
                while data := client.recv(READ):
                    self._count(len(data))
                    if self._refuses():
                        self._answer(client)
                        return
                    server.sendall(data)

    def _refuses(self) -> bool:
        """Return whether requests are refused; another thread changes that while a connection is open."""
        return bool(self._status)

    def _count(self, size: int) -> None:
        with self._lock:
            self.passed += size
            if self.passed < self._most or self.failed:
                return
            self._most = 0
        self._fail()

    def _answer(self, client: socket.socket) -> None:
        """Refuse a request; read the rest of it, as otherwise its sender would not get the answer."""
        page = f"<html><title>{self._status}</title></html>"
        head = f"HTTP/1.1 {self._status}\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n"
        client.sendall(f"{head}Connection: close\r\n\r\n{page}".encode())
        client.shutdown(socket.SHUT_WR)
        while client.recv(READ):
            pass


def _send_all(server: socket.socket, client: socket.socket) -> None:
    """Send a client what the server answers, and end the connection with the server's."""
    with suppress(OSError):
        while data := server.recv(READ):
            client.sendall(data)
    for each in (server, client):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
