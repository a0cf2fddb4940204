"""A packaged model behind HTTP: what is no image is refused with a reason, and the next image is answered as before."""

import base64
import io
import json
import os
import signal
import socket
import struct
import subprocess
import time
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.params import DataParams, PreprocessParams
from darkroom.registry import packages, versions
from darkroom.tracking import opening, runs
from darkroom.tracking.store import open_store
from support.networks import build
from support.pictures import prepare, write_folder
from support.projects import Project, environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with two versions of an untrained network, which bring images to its size in different ways."""
    root = tmp_path_factory.mktemp("serving")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        (root / "dvc.yaml").touch()
        data = DataParams(source="folder", path=str(write_folder(root / "photographs", "ab", 30, size=(40, 30))))
        build("mnist_cnn", classes=2).save(root / "network.keras")
        open_store()
        for aspect in ("stretch", "pad"):
            prepare(data, root / aspect, PreprocessParams(aspect=aspect))
            with runs.start_run("mnist_cnn", "train", {"network": "mnist_cnn"}) as run:
                packages.log_model(run, root / "network.keras", root / aspect / "prepared" / "dataset.json")
            versions.set_alias("darkroom", "champion", versions.register("darkroom", run.run_id, {}))
    return root


def content(store):
    return (store / "photographs" / "a" / "000.png").read_bytes()


class Server:
    """A model behind HTTP."""

    def __init__(self, store, command):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.port = unused.getsockname()[1]
        self.log = store / f"{command[0]}.log"
        variables = environment(MLFLOW_TRACKING_URI=f"sqlite:///{store / 'mlflow.db'}")
        with self.log.open("w") as log:
            options = {"cwd": store, "env": variables, "stdout": log, "stderr": log, "start_new_session": True}
            self.process = subprocess.Popen([*command, "--port", str(self.port)], **options)

    def ask(self, body, kind="application/json"):
        """Send a body; return status, content type and text of the answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/invocations", body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()

    def wait(self):
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.5)
        raise AssertionError(self.log.read_text())


COMMANDS = {
    "mlflow": ["mlflow", "models", "serve", "-m", "models:/darkroom@champion", "--env-manager", "local"],
    "darkroom": ["darkroom", "serve", "--largest", "8"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(request, store):
    started = Server(store, COMMANDS[request.param])
    started.guarded = request.param == "darkroom"
    try:
        started.wait()
        yield started
    finally:
        os.killpg(started.process.pid, signal.SIGTERM)
        started.process.wait(30)


def posted(*contents, **more):
    return json.dumps({"inputs": [base64.b64encode(each).decode() for each in contents], **more}).encode()


def bomb(width, height):
    """A PNG file of a few bytes that says it has so many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


OF_THE_MODEL = {
    "no image": (posted(b"MINE" * 99), "not an image in a supported format"),
    "no base64": (json.dumps({"inputs": ["MINE!" * 99]}).encode(), "not base64"),
    "a bomb": (posted(bomb(50_000, 50_000)), "more than 80,000,000 pixels"),
    "a smaller bomb": (posted(bomb(10_000, 9_000)), "at most 80,000,000 are accepted"),
    "another column": (
        b'{"dataframe_split": {"columns": ["x"], "data": [["MINE"]]}}',
        "one column 'image' was expected",
    ),
    "no integer": (b'{"inputs": [[0.5, 1], [1, 2]]}', "expected integers from 0 to 255"),
    "no probability": (b'{"inputs": [[0, 1], [1, 2]], "params": {"minimum_probability": 1e999}}', "from 0 to 1"),
    "no pixels": (b'{"inputs": [1, 2, 3]}', "shape"),
    "nothing": (b'{"inputs": []}', "no image given"),
}
"""What the model itself refuses, whatever serves it."""


@pytest.mark.parametrize("case", OF_THE_MODEL)
def test_what_is_no_image_is_refused_by_its_reason_alone(server, store, case):
    body, words = OF_THE_MODEL[case]
    before = server.ask(posted(content(store)))
    status, kind, text = server.ask(body)
    assert (status, kind) == (400, "application/json")
    assert words in text
    assert len(text) < 400
    for echoed in ("MINE", base64.b64encode(b"MINE" * 3).decode(), "Traceback"):
        assert echoed not in text
    assert server.ask(posted(content(store))) == before
    assert before[0] == 200


def test_a_truncated_image_is_refused(server, store):
    cut = content(store)[:-60]
    status, _, text = server.ask(posted(cut))
    assert status == 400
    assert "image 1: damaged" in server.ask(posted(content(store), cut))[2]
    assert base64.b64encode(cut)[:40].decode() not in text
    assert len(text) < 400


UNREAD = {
    "malformed": (b'{"inputs": ["MINE', "application/json", 400),
    "empty": (b"", "application/json", 400),
    "no text": (b"\xff\xfe\x00MINE", "application/json", 400),
    "a list": (b'["MINE"]', "application/json", 400),
    "other keys": (b'{"MINE": 1}', "application/json", 400),
    "too deep": (b'{"inputs": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "application/json", 400),
    "endless digits": (b'{"inputs": [[' + b"1" * 5000 + b"]]}", "application/json", 400),
    "parameters": (b'{"inputs": ["MINE"], "params": {"minimum_probability": "x"}}', "application/json", 400),
    "plain text": (b"MINE", "text/plain", 415),
    "an image": (b"MINE", "image/png", 415),
    "another alphabet": (b"{}", "application/json; charset=latin-1", 415),
    "CSV": (b'MINE\n"x', "text/csv", 415),
    "Parquet": (b"MINE", "application/vnd.apache.parquet", 415),
    "huge and malformed": (b'{"inputs": ["' + b"MINE" * 3_000_000, "application/json", 413),
    "huge": (b'{"inputs": ["' + b"MINE" * 3_000_000 + b'"]}', "application/json", 413),
}
"""What does not come as far as the model: by which type, and what ``darkroom serve`` answers."""
ONLY_GUARDED = {"too deep", "endless digits"}
"""MLflow's own server answers these with 500, without a trace."""


@pytest.mark.parametrize("case", UNREAD)
def test_what_cannot_be_read_is_refused_and_the_server_goes_on(server, store, case):
    body, kind, expected = UNREAD[case]
    before = server.ask(posted(content(store)))
    status, answered, text = server.ask(body, kind)
    assert 400 <= status < 500 or (case in ONLY_GUARDED and not server.guarded)
    assert server.ask(posted(content(store))) == before
    assert before[0] == 200
    if server.guarded:
        assert (status, answered) == (expected, "application/json")
        assert set(json.loads(text)) == {"error_code", "message"}
        assert len(text) < 400
        assert "MINE" not in text
        assert "Traceback" not in text


def test_both_answer_what_the_model_answers(server, store):
    model = tracking_model(store)
    expected = model.predict([content(store)])
    status, _, text = server.ask(posted(content(store)))
    assert status == 200
    np.testing.assert_allclose(vector(json.loads(text)["predictions"]), vector(expected), atol=1e-6)
    body = json.dumps(
        {"dataframe_split": {"columns": ["image"], "data": [[base64.b64encode(content(store)).decode()]]}}
    )
    assert json.loads(server.ask(body.encode(), "application/json; charset=utf-8")[2]) == json.loads(text)
    unsure = json.loads(server.ask(posted(content(store), params={"minimum_probability": 1.0}))[2])
    assert unsure["predictions"][0]["unsure"] is True


def one_bit(side):
    """A PNG file of one bit per pixel."""
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def resident(process, name):
    """A value of /proc/PID/status in bytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def test_large_images_of_one_request_are_decoded_one_at_a_time(server, store):
    if not server.guarded:
        pytest.skip("MLflow's own server has no limits")
    large = one_bit(8900)
    server.ask(posted(content(store)))
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    before = resident(server.process, "VmRSS")
    status, _, text = server.ask(posted(*[large] * 130))
    assert status == 413
    assert "images of 10,297,300,000 pixels in total; at most 400,000,000" in text
    assert server.ask(posted(*[large] * 5))[0] == 200
    assert resident(server.process, "VmHWM") - before < 400e6  # one has 79 MB


def test_a_data_uri_is_answered_as_its_file(server, store):
    encoded = base64.b64encode(content(store)).decode()
    uri = json.dumps({"inputs": ["data:image/png;base64," + encoded]}).encode()
    assert server.ask(uri) == server.ask(posted(content(store)))


def test_sigterm_ends_the_server_in_spite_of_half_a_request(store):
    started = Server(store, ["darkroom", "serve"])
    started.wait()
    with socket.create_connection(("127.0.0.1", started.port)) as half:
        half.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        time.sleep(0.5)
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(10) == -signal.SIGTERM
        assert b"503" in half.recv(100)
    assert "Traceback" not in started.log.read_text()


def tracking_model(store):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(store)
        return opening.load_model("models:/darkroom@champion")


def vector(answers):
    return np.array([list(answer["probabilities"].values()) for answer in answers])


ANSWERS = """
import json, sys
from pathlib import Path
from darkroom.base import environment
environment.prepare()
from darkroom.tracking.opening import load_model
content = Path("photographs/a/000.png").read_bytes()
models = [load_model(f"models:/darkroom/{number}") for number in sys.argv[1:]]
print(json.dumps([model.predict([content])[0]["probabilities"] for model in models]))
"""


def answers(store, *numbers):
    """What versions answer that one process has loaded."""
    printed = Project.at(store).run("python", "-c", ANSWERS, *numbers, stderr=subprocess.PIPE)
    return json.loads(printed.splitlines()[-1])


def test_two_versions_in_one_process_answer_as_each_does_alone(store):
    alone = [*answers(store, "1"), *answers(store, "2")]
    assert abs(alone[0]["a"] - alone[1]["a"]) > 1e-4
    assert answers(store, "1", "2") == alone
    assert answers(store, "2", "1") == alone[::-1]
