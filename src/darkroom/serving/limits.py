"""The limits of ``darkroom serve``, which docs/evaluation.md lists."""

from dataclasses import dataclass

LARGEST_HEADERS = 65_536
"""Bytes of the request line and the headers of a request."""
SMALL_BODY = 1_000_000
"""Bytes up to which a request counts as small: it is never refused because of what other requests hold."""
SMALL_IMAGES = 10_000_000
"""Pixels up to which the images of a request count as small."""
DISCARDED = 4
"""The rest of a body that is refused is read and discarded up to this multiple of the largest body."""
RETRY_AFTER = 5
"""Seconds after which a client that was refused with 503 should try again."""


@dataclass(frozen=True)
class Limits:
    """What the server accepts. Times are in seconds."""

    largest: int = 32_000_000
    """Bytes of a request's body."""
    images: int = 1000
    """Images of a request."""
    pixels: int = 400_000_000
    """Pixels of all images of a request, by their headers."""
    values: int = 3_000_000
    """JSON values of a request, such as the numbers of a pixel array."""
    connections: int = 256
    """Open connections; requests on further ones are answered with 503, and twice as many are the most kept open."""
    headers_within: float = 10
    """From the opening of a connection, or the previous response, to the end of a request's headers."""
    body_within: float = 60
    """From the end of the headers to the end of the body."""
    answer_within: float = 60
    """From the end of the body to the response, including the time that the request waits for others."""
    idle_within: int = 5
    """Time for which a connection without a request is kept open after a response."""
    stop_within: int = 8
    """Time in which running requests are answered after SIGTERM."""

    @property
    def held(self) -> int:
        """Bytes of all large bodies (over ``SMALL_BODY``) that are being received or parsed."""
        return 4 * self.largest
