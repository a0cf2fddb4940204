"""How fast the promoted model of the default pipeline answers, in the process and over HTTP, by one and by 32 images.

    python -m benchmarks.serving [SECONDS]

Runs the default pipeline (`dvc repro`) in a clone of the last commit. Then the digits of the test split, as PNG files,
are put to the champion, one request after the other, for so many seconds (10 unless told) in each way: as pixels to the
network by Keras, as files to the packaged model, and as base64 over HTTP to `mlflow models serve` and `darkroom serve`.
Checks that all of them, and `darkroom predict`, give the same probabilities. Prints a table in Markdown.
"""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.recipes import machine
from darkroom import images, inference, tracking
from darkroom.datasets import Description, read_split
from darkroom.files import read_json

ROOT = Path(__file__).resolve().parents[1]
CHAMPION = "models:/darkroom@champion"
SERVERS = {
    "HTTP, `mlflow models serve`": ("mlflow", "models", "serve", "-m", CHAMPION, "--env-manager", "local"),
    "HTTP, `darkroom serve`": ("darkroom", "serve"),
}
FILES, BATCHES, WARM_UP, STARTS_WITHIN = 32, (1, 32), 5, 120
TOLERANCE = 1e-5

Probabilities = npt.NDArray[np.float64]
Ask = Callable[[Sequence[int]], Any]
"""Puts images, by their numbers, to a model; returns what ``vectors`` turns into probabilities."""


def main(seconds: float) -> None:
    """Make the model, ask it in all ways, print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "darkroom"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        run(project, "dvc", "repro", "--quiet")
        os.chdir(project)
        network, files = champion(project)
        print(f"{network} on the digits; {machine()}\n")
        print("| way | images a request | images a second | ms a request, median | 95th percentile |")
        print("| --- | --- | --- | --- | --- |")
        found = {"darkroom predict": predicted(project, files)}
        for way, ask in ways(project, network, [file.read_bytes() for file in files]):
            found[way] = vectors(ask(range(FILES)))
            for batch in BATCHES:
                times = measured(ask, batch, seconds)
                median, slow = np.quantile(times, (0.5, 0.95)) * 1000
                print(f"| {way} | {batch} | {batch / times.mean():.0f} | {median:.1f} | {slow:.1f} |", flush=True)
    apart = max(float(np.abs(one - other).max()) for one in found.values() for other in found.values())
    print(f"\nlargest difference of a probability between {', '.join(found)}: {apart:.1e}")
    if apart > TOLERANCE:
        raise SystemExit(f"more than {TOLERANCE:g}")


def run(project: Path, *command: str) -> str:
    """Run a command of the environment in the project; return what it prints."""
    return subprocess.run(command, cwd=project, env=environment(), check=True, stdout=subprocess.PIPE, text=True).stdout


def environment() -> dict[str, str]:
    """Return the environment of a user of the clone's own store."""
    named = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**named, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{named['PATH']}"}


def champion(project: Path) -> tuple[str, list[Path]]:
    """Return the network that was promoted, and test images as PNG files."""
    test = read_split(project / "data/prepared/test", Description.read(project / "data/prepared/dataset.json").labels)
    files = []
    for number, pixels in enumerate(test.images[:FILES]):
        files.append(project / f"{number}.png")
        images.from_array(np.asarray(pixels)).save(files[-1])
    return read_json(project / "reports/promotion.json")["candidate"]["network"], files


def ways(project: Path, network: str, contents: Sequence[bytes]) -> Iterator[tuple[str, Ask]]:
    """Yield the name of each way, and how to ask."""
    model = inference.load(project / f"models/{network}.keras")
    decoded = [np.asarray(images.decode(content)) for content in contents]
    pixels = np.stack(decoded).reshape(len(decoded), *decoded[0].shape[:2], -1)
    yield "Keras, pixels", lambda rows: model.predict_on_batch(pixels[list(rows)])
    packaged = tracking.load_model(CHAMPION)
    yield "packaged model, files", lambda rows: packaged.predict([contents[row] for row in rows])
    encoded = [base64.b64encode(content).decode() for content in contents]
    for way, command in SERVERS.items():
        with served(project, command) as connection:
            yield way, lambda rows, to=connection: post(to, [encoded[row] for row in rows])


def predicted(project: Path, files: Sequence[Path]) -> Probabilities:
    """Return what `darkroom predict` says."""
    return vectors(json.loads(run(project, "darkroom", "predict", "--json", *map(str, files))))


def vectors(answers: Any) -> Probabilities:
    """Bring answers to an array of shape (images, classes)."""
    rows = answers if isinstance(answers, np.ndarray) else [[*answer["probabilities"].values()] for answer in answers]
    return np.asarray(rows, dtype=np.float64)


def measured(ask: Ask, batch: int, seconds: float) -> Probabilities:
    """Ask for so many seconds; return how long each request took, in seconds."""
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        rows = [(len(times) * batch + number) % FILES for number in range(batch)]
        begun = time.perf_counter()
        ask(rows)
        times.append(time.perf_counter() - begun)
    return np.array(times[WARM_UP:])


@contextmanager
def served(project: Path, command: Sequence[str]) -> Iterator[http.client.HTTPConnection]:
    """Serve the champion; yield a connection that stays open from one request to the next."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    variables = {**environment(), "MLFLOW_TRACKING_URI": tracking.services.tracking_uri()}
    with (project / "serve.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=project,
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STARTS_WITHIN)
    try:
        until_it_listens(connection)
        yield connection
    finally:
        connection.close()
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def until_it_listens(connection: http.client.HTTPConnection) -> None:
    """Wait for a server to start."""
    for _ in range(2 * STARTS_WITHIN):
        try:
            connection.connect()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError(f"no server after {STARTS_WITHIN} seconds")


def post(connection: http.client.HTTPConnection, encoded: Sequence[str]) -> Any:
    """Ask a server."""
    body = json.dumps({"inputs": encoded})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    return answer["predictions"]


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
