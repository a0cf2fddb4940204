"""`darkroom serve` with many connections, half of them slow.

    python -m benchmarks.serving_stress [SECONDS [CONNECTIONS]]

An untrained network is served. For SECONDS (default: 60), half of CONNECTIONS (default: 200) send requests one after
the other on a kept connection; the others send nothing, or parts of a request, or read no response, and connect again
when they are closed. Then the server gets SIGTERM, with all connections open. Prints a Markdown table.

Fails if a request of the first half has another status than 200 or 503 or none, if the server's memory afterwards is
more than 10 % above that before, or if it ends later than 10 seconds after SIGTERM. Linux only.
"""

import asyncio
import base64
import io
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from PIL import Image

from benchmarks.recipes import machine
from benchmarks.serving import connect, post, started
from benchmarks.untrained import SIZE, make_champion
from darkroom.base import environment

if TYPE_CHECKING:
    import subprocess

WARM_UP, PAUSE, SETTLE, END_WITHIN, MORE_MEMORY = 200, 0.05, 5.0, 10.0, 1.1
REFUSED = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 30000000\r\n\r\n"
Times = list[float]


def main(seconds: float, connections: int) -> None:
    """Serve, send, end, and print the table."""
    environment.prepare()
    image = picture()
    with tempfile.TemporaryDirectory() as folder:
        make_champion(Path(folder))
        with started(Path(folder), ("darkroom", "serve")) as (server, port):
            with closing(connect(port)) as connection:
                for _ in range(WARM_UP):
                    post(connection, [image])
            before = memory(server)
            statuses, times = asyncio.run(send(port, request(image), seconds, connections))
            time.sleep(SETTLE)
            after = memory(server)
            ended = asyncio.run(end(server, port, request(image), connections))
        log = (Path(folder) / "serve.log").read_text(encoding="utf-8")
        os.chdir("/")
    print(f"{machine()}\n\n| | |\n| --- | --- |")
    print(f"| connections | {connections}, half of them slow |")
    print(f"| requests of the others in {seconds:g} s, by status | {dict(statuses)} |")
    print(
        "| ms per request, median, 95th percentile, largest | {:.0f}, {:.0f}, {:.0f} |".format(
            *(1000 * np.quantile(times, (0.5, 0.95, 1.0)))
        )
    )
    print(f"| server's memory before and after | {before / 1e6:.0f} MB, {after / 1e6:.0f} MB |")
    print(f"| end after SIGTERM | {ended:.1f} s |")
    faults = [status for status in statuses if status not in {200, 503}]
    if faults or "Traceback" in log or after > MORE_MEMORY * before or ended > END_WITHIN:
        raise SystemExit(f"statuses {faults}; log:\n{log[-2000:]}")


def picture() -> str:
    """Return a PNG file in base64."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, SIZE[:2], dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def request(image: str) -> bytes:
    """Return the bytes of a request."""
    body = json.dumps({"inputs": [image]}).encode()
    head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def memory(server: "subprocess.Popen[bytes]") -> int:
    """Return the resident memory of a process in bytes."""
    return int(psutil.Process(server.pid).memory_info().rss)


async def send(port: int, content: bytes, seconds: float, connections: int) -> tuple[Counter[int | str], Times]:
    """Send from all connections for some seconds; return the statuses and times of those that are not slow."""
    until, statuses, times = time.monotonic() + seconds, Counter[int | str](), Times()
    idlers = [asyncio.create_task(slow(port, kind)) for kind in kinds(content, connections // 2)]
    others = (steady(port, content, until, statuses, times) for _ in range(connections - len(idlers)))
    await asyncio.gather(*others)
    for task in idlers:
        task.cancel()
    await asyncio.gather(*idlers, return_exceptions=True)
    return statuses, times


async def steady(port: int, content: bytes, until: float, statuses: Counter[int | str], times: Times) -> None:
    """Send requests on a kept connection, with a pause after each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        begun = time.perf_counter()
        writer.write(content)
        try:
            statuses[await status(reader)] += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            statuses[type(error).__name__] += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        times.append(time.perf_counter() - begun)
        await asyncio.sleep(PAUSE)
    writer.close()


async def status(reader: asyncio.StreamReader) -> int:
    """Read a response; return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split()[1])


def kinds(content: bytes, count: int) -> Iterable[tuple[bytes, bytes]]:
    """Return what each slow connection sends at once, and then byte by byte."""
    head, _, body = content.partition(b"\r\n\r\n")
    ways = (
        (b"", b""),
        (head[:20], b""),
        (b"", head),
        (head + b"\r\n\r\n" + body[:20], b""),
        (head + b"\r\n\r\n", body),
        (content, head),
        (content * 50, b""),  # and reads none of the responses
        (REFUSED, b"." * 1000),  # a body that is refused at once, but read to its end
    )
    return itertools.islice(itertools.cycle(ways), count)


async def slow(port: int, sent: tuple[bytes, bytes]) -> None:
    """Send a part of a request; connect again when the server closes the connection."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(sent[0])
            for byte in sent[1]:
                await asyncio.sleep(1)
                writer.write(bytes([byte]))
                await writer.drain()
            if sent[0].count(b"POST") > 1:
                await asyncio.sleep(30)
            else:
                while await reader.read(1024):
                    pass
            writer.close()


async def end(server: "subprocess.Popen[bytes]", port: int, content: bytes, connections: int) -> float:
    """Send SIGTERM while all connections are open; return the seconds until the server has ended."""
    idlers = [asyncio.create_task(slow(port, kind)) for kind in kinds(content, connections)]
    await asyncio.sleep(2)
    begun = time.monotonic()
    server.send_signal(signal.SIGTERM)
    await asyncio.to_thread(server.wait, 60)
    ended = time.monotonic() - begun
    for task in idlers:
        task.cancel()
    await asyncio.gather(*idlers, return_exceptions=True)
    return ended


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else 60, int(given[1]) if len(given) > 1 else 200)
