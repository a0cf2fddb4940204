"""``darkroom serve``: a packaged model behind HTTP, with limits on the size and the duration of requests."""

import socket
from typing import TYPE_CHECKING, Any

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.serving.limits import LARGEST_HEADERS, Limits

if TYPE_CHECKING:
    import uvicorn


def listen(host: str, port: int) -> socket.socket:
    """Bind a port, before the model is loaded.

    Raises:
        InputError: the port is not available, or the host no address of this machine.
    """
    if not host.strip():
        raise InputError("--host is empty; name an address of this machine, 127.0.0.1, or 0.0.0.0 for all of them")
    try:
        socket.getaddrinfo(host, None, socket.AF_INET)
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(
            f"--host {host} is not known ({first_line(error)}); name an IPv4 address of this machine"
        ) from None
    try:
        listening = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port} of {host} is not available ({error}); choose another with --port") from None
    # Connections inherit it. asyncio sets it only if the socket names its protocol, which create_server does not; with
    # Nagle's algorithm, a response's second packet waits 40 ms for the client's acknowledgement of the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(model: Any, at: socket.socket, limits: Limits) -> None:
    """Serve a packaged model until the process is stopped.

    Args:
        model: the model from ``opening.load_model``.
        at: the socket from ``listen``.
        limits: what the server accepts.
    """
    create(model, limits).run(sockets=[at])


def create(model: Any, limits: Limits) -> "uvicorn.Server":
    """Return the server, to be run."""
    import uvicorn

    from darkroom.serving.app import App
    from darkroom.serving.connections import limited

    config = uvicorn.Config(
        App(model, limits),
        http=limited(limits),
        h11_max_incomplete_event_size=LARGEST_HEADERS,
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=limits.idle_within,
        timeout_graceful_shutdown=limits.stop_within,
    )
    return uvicorn.Server(config)
