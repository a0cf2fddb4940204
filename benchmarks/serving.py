"""Prediction speed of the default pipeline's champion, in process and over HTTP, with 1 and 32 images per request.

    python -m benchmarks.serving [SECONDS]

Runs the default pipeline (`dvc repro`) in a clone of the last commit. Then the champion predicts digits of the test
split for SECONDS (default: 10) per variant, one request after the other: pixels by Keras, PNG files by the packaged
model, and base64 over HTTP by `mlflow models serve` and `darkroom serve`. Checks that all variants and
`darkroom predict` return the same probabilities. Prints a Markdown table.
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
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.recipes import machine
from darkroom.base.files import read_json
from darkroom.data.prepared.prepared import Prepared
from darkroom.inference import images
from darkroom.networks import inference
from darkroom.tracking import address, opening

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
"""Predicts images, given their indices; ``vectors`` converts the result to probabilities."""


def main(seconds: float) -> None:
    """Train the model, measure all variants, and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "darkroom"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        run(project, "dvc", "repro", "--quiet")
        os.chdir(project)
        network, files = champion(project)
        print(f"{network} on the digits; {machine()}\n")
        print("| variant | images per request | images per second | ms per request, median | 95th percentile |")
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
        raise SystemExit(f"probabilities differ by more than {TOLERANCE:g}")


def run(project: Path, *command: str) -> str:
    """Run a command in the project; return its output."""
    return subprocess.run(command, cwd=project, env=environment(), check=True, stdout=subprocess.PIPE, text=True).stdout


def environment() -> dict[str, str]:
    """Return environment variables that select the clone's own store."""
    named = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**named, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{named['PATH']}"}


def champion(project: Path) -> tuple[str, list[Path]]:
    """Return the promoted network and test images as PNG files."""
    test = Prepared.of_project(project).test
    files = []
    for number, pixels in enumerate(test.images[:FILES]):
        files.append(project / f"{number}.png")
        images.from_array(np.asarray(pixels)).save(files[-1])
    return read_json(project / "reports/promotion.json")["candidate"]["network"], files


def ways(project: Path, network: str, contents: Sequence[bytes]) -> Iterator[tuple[str, Ask]]:
    """Yield the name and the prediction function of each variant."""
    model = inference.load(project / f"models/{network}.keras")
    decoded = [np.asarray(images.decode(content)) for content in contents]
    pixels = np.stack(decoded).reshape(len(decoded), *decoded[0].shape[:2], -1)
    yield "Keras, pixels", lambda rows: model.predict_on_batch(pixels[list(rows)])
    packaged = opening.load_model(CHAMPION)
    yield "packaged model, files", lambda rows: packaged.predict([contents[row] for row in rows])
    encoded = [base64.b64encode(content).decode() for content in contents]
    for way, command in SERVERS.items():
        with serving(project, command) as connection:
            yield way, over(connection, encoded)


def over(connection: http.client.HTTPConnection, encoded: Sequence[str]) -> Ask:
    """Return the prediction function of a server."""
    return lambda rows: post(connection, [encoded[row] for row in rows])


def predicted(project: Path, files: Sequence[Path]) -> Probabilities:
    """Return the probabilities of `darkroom predict`."""
    return vectors(json.loads(run(project, "darkroom", "predict", "--json", *map(str, files))))


def vectors(predictions: Any) -> Probabilities:
    """Convert predictions to an array of shape (images, classes)."""
    if isinstance(predictions, np.ndarray):
        return np.asarray(predictions, dtype=np.float64)
    rows = [[*one["probabilities"].values()] for one in predictions]
    return np.asarray(rows, dtype=np.float64)


def measured(ask: Ask, batch: int, seconds: float) -> Probabilities:
    """Send requests for a number of seconds; return the duration of each in seconds."""
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        rows = [(len(times) * batch + number) % FILES for number in range(batch)]
        begun = time.perf_counter()
        ask(rows)
        times.append(time.perf_counter() - begun)
    return np.array(times[WARM_UP:])


@contextmanager
def serving(project: Path, command: Sequence[str]) -> Iterator[http.client.HTTPConnection]:
    """Serve the champion; yield a persistent connection."""
    with started(project, command) as (_, port), closing(connect(port)) as connection:
        yield connection


@contextmanager
def started(project: Path, command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve the champion; yield the process, which leads a session, and its port. Its log is serve.log."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    variables = {**environment(), "MLFLOW_TRACKING_URI": address.tracking_uri()}
    with (project / "serve.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=project,
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield server, port
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def connect(port: int) -> http.client.HTTPConnection:
    """Connect to a server as soon as it listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STARTS_WITHIN)
    until_it_listens(connection)
    return connection


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
    """Send a request to a server; return its predictions."""
    body = json.dumps({"inputs": encoded})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())["predictions"]


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
