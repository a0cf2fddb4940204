"""Requests to the server, over HTTP: paths, methods, media types, JSON, images in base64, limits and reasons."""

import base64
import io
import json
import struct
import zlib

import pytest
from PIL import Image

from support.http_servers import Model, post, reason, running
from support.processes import until

CONTENT = b"\xfb\xff\xfe some bytes that need + and / in base64 >>>???"
TEXT = base64.b64encode(CONTENT).decode()


@pytest.fixture(scope="module")
def model():
    return Model()


@pytest.fixture(scope="module")
def server(model):
    with running(model, largest=1_500_000, images=10, pixels=200_000_000, values=10_000) as place:
        yield place


def asked(server, *headers, kind="application/json", **content):
    return server.ask(post(json.dumps(content).encode(), *headers, kind=kind))


def lengths(answer):
    assert answer[0] == 200, answer
    return [int(prediction["label"]) for prediction in json.loads(answer[2])["predictions"]]


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON",
        "APPLICATION/JSON; CHARSET=UTF-8",
        'application/json; charset="utf-8"',
        "application/json;charset=utf8",
        "application/json ;",
        "application/json; odata=verbose; charset=utf-8",
    ],
)
def test_media_types_are_case_insensitive_and_parameters_ignored(server, kind):
    assert lengths(asked(server, kind=kind, inputs=[TEXT])) == [len(CONTENT)]


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("", ()),
        ("text/plain", ()),
        ("application/jsonp", ()),
        ("application/json; charset=latin-1", ()),
        ("image/png", ()),
        ("application/x-www-form-urlencoded", ()),
        ("multipart/form-data; boundary=x", ()),
        ("application/json, text/plain", ()),
        ("application/json", ("Content-Type: text/plain",)),
        ("application/json", ("Content-Encoding: gzip",)),
        ("\xff\x80", ()),
    ],
)
def test_other_media_types_are_refused(server, kind, headers):
    answer = asked(server, *headers, kind=kind, inputs=[TEXT])
    assert answer[0] == 415
    assert "application/json in UTF-8" in reason(answer) or "uncompressed" in reason(answer)


URL_SAFE = base64.urlsafe_b64encode(CONTENT).decode()
SPELLINGS = [
    TEXT,
    TEXT.rstrip("="),
    URL_SAFE,
    URL_SAFE.rstrip("="),
    "\n".join(TEXT[start : start + 7] for start in range(0, len(TEXT), 7)),
    f" \t{TEXT}\r\n",
    f"data:image/png;base64,{TEXT}",
    f"DATA:image/PNG;Base64,{TEXT}",
    f"data:;base64,{TEXT}",
    f"data:image/svg+xml;charset=utf-8;name=a.png;base64,{TEXT}",
    f"data:image/png;base64,{URL_SAFE}",
    "data:image/png;base64," + TEXT.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    f"  data:image/jpeg;base64, {TEXT}",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_base64_in_all_spellings(server, text):
    assert lengths(asked(server, inputs=[text])) == [len(CONTENT)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MINE!", "not base64"),
        ("MINEM", "not base64"),
        ("", "empty text"),
        ("data:image/png;base64,", "empty text"),
        ("data:image/png,MINE", "without ;base64"),
        ("data:image/svg+xml;utf8,<svg>MINE</svg>", "without ;base64"),
        ("http://example.org/MINE.png", "not base64"),
        ("/etc/passwd.MINE", "not base64"),
        ("MINE\ud800", "not base64"),
        ("MINEé=", "not base64"),
    ],
)
def test_what_is_not_base64_is_refused(server, text, words):
    answer = asked(server, inputs=[TEXT, text])
    assert answer[0] == 400
    assert "image 1: " in reason(answer)
    assert words in reason(answer)
    assert b"MINE" not in answer[2]


SHAPES = [
    {"inputs": TEXT},
    {"inputs": [TEXT, TEXT]},
    {"instances": [TEXT, TEXT]},
    {"inputs": {"image": [TEXT, TEXT]}},
    {"instances": [{"image": TEXT}, {"image": TEXT}]},
    {"dataframe_records": [{"image": TEXT}, {"image": TEXT}]},
    {"dataframe_split": {"columns": ["image"], "data": [[TEXT], [TEXT]]}},
    {"dataframe_split": {"columns": ["image"], "index": [5, 6], "data": [[TEXT], [TEXT]]}},
]


@pytest.mark.parametrize("content", SHAPES)
def test_the_shapes_of_mlflows_server(server, content):
    assert set(lengths(asked(server, **content))) == {len(CONTENT)}


def test_pixels_are_split_as_by_the_model(server):
    image = [[[0, 0, 0]] * 5] * 3
    assert lengths(asked(server, inputs=image)) == [3]
    assert lengths(asked(server, inputs=[image, image])) == [3, 3]
    assert lengths(asked(server, inputs=[[[0, 1]], [[0], [1]]])) == [1, 2]


def test_parameters_reach_the_model(server, model):
    asked(server, inputs=[TEXT], params={"minimum_probability": 0.5})
    assert model.asked[-1] == {"minimum_probability": 0.5}


UNREADABLE = {
    "empty": (b"", "empty body"),
    "white space": (b" \r\n\t", "empty body"),
    "cut": (b'{"inputs": ["MINE', "not JSON (Unterminated string"),
    "not UTF-8": (b'{"inputs": ["\xff\xfeMINE"]}', "not UTF-8 (byte 13)"),
    "UTF-16": ('{"inputs": ["MINE"]}'.encode("utf-16"), "not UTF-8 (byte 0)"),
    "a list": (b'["MINE"]', "JSON of another form"),
    "a text": (b'"MINE"', "JSON of another form"),
    "null": (b"null", "JSON of another form"),
    "two values": (b"{} {}", "not JSON (Extra data"),
    "other keys": (b'{"MINE": 1}', "unexpected keys"),
    "another key": (b'{"inputs": ["MINE"], "parms": {}}', "unexpected keys"),
    "two inputs": (b'{"inputs": ["MINE"], "instances": ["MINE"]}', "unexpected keys"),
    "the form of chats": (b'{"inputs": ["MINE"], "messages": []}', "unexpected keys"),
    "a key twice": (b'{"inputs": ["MINE"], "inputs": ["MINE"]}', "two values for one key"),
    "a column twice": (b'{"dataframe_records": [{"image": "MINE", "image": 1}]}', "two values for one key"),
    "a deep list": (b'{"inputs": ' + b"[" * 4000 + b"]" * 4000 + b"}", "nested too deeply"),
    "a deep object": (b'{"inputs": ' + b'{"a":' * 4000 + b"1" + b"}" * 4000 + b"}", "nested too deeply"),
    "endless digits": (b'{"inputs": [[' + b"1" * 5000 + b"]]}", "a number of thousands of digits"),
    "NaN": (b'{"inputs": [[NaN, 1], [1, 2]]}', "NaN is not JSON"),
    "infinity": (b'{"inputs": [[1, 1], [-Infinity, 2]]}', "-Infinity is not JSON"),
    "a probability of NaN": (b'{"inputs": ["MINE"], "params": {"minimum_probability": NaN}}', "NaN is not JSON"),
    "an unknown parameter": (b'{"inputs": ["MINE"], "params": {"MINE": 1}}', "params: expected an object"),
    "parameters of another form": (b'{"inputs": ["MINE"], "params": [1]}', "params: expected an object"),
    "nothing": (b'{"inputs": []}', "no image given"),
    "nothing in a frame": (b'{"dataframe_split": {"columns": ["image"], "data": []}}', "no image given"),
    "another column": (b'{"dataframe_records": [{"x": "MINE"}]}', "one column 'image' was expected"),
    "two columns": (b'{"dataframe_split": {"columns": ["image", "x"], "data": []}}', "one column 'image' was expected"),
    "no columns": (b'{"dataframe_split": {"data": [["MINE"]]}}', "dataframe_split: expected"),
    "a frame of another form": (b'{"dataframe_split": ["MINE"]}', "dataframe_split: expected"),
    "rows of two": (b'{"dataframe_split": {"columns": ["image"], "data": [["MINE", 1]]}}', "one entry per row"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused_with_a_true_reason(server, case):
    body, words = UNREADABLE[case]
    answer = server.ask(post(body))
    assert answer[0] == 400
    assert words in reason(answer)
    assert b"MINE" not in answer[2]


def test_a_byte_order_mark_is_ignored(server):
    assert lengths(server.ask(post(b"\xef\xbb\xbf" + json.dumps({"inputs": [TEXT]}).encode()))) == [len(CONTENT)]


def png(side):
    """A PNG file of one bit per pixel, of a few kilobytes."""
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def header_of(width, height):
    """The start of a PNG file, up to its data."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", b"")]
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode()


LARGE = {
    "a body": ({"inputs": ["A" * 1_600_000]}, "larger than 1,500,000 bytes"),
    "images": ({"inputs": [TEXT] * 11}, "11 images; at most 10"),
    "images of a pixel": ({"inputs": [[[[0]]]] * 11}, "11 images; at most 10"),
    "images in rows": ({"dataframe_records": [{"image": TEXT}] * 11}, "11 images; at most 10"),
    "pixels in files": ({"inputs": [png(8000)] * 4}, "images of 256,000,000 pixels in total; at most 200,000,000"),
    "pixels in headers": ({"inputs": [header_of(8900, 8900)] * 3}, "237,630,000 pixels in total"),
    "pixels beside an array": ({"inputs": [[[0, 1]], *[header_of(8900, 8900)] * 3]}, "237,630,000 pixels in total"),
    "pixels in data URIs": ({"inputs": ["data:;base64," + header_of(8900, 8900)] * 3}, "237,630,000 pixels"),
    "numbers": ({"inputs": [[[0] * 200] * 100]}, "JSON values; at most 10,000"),
    "empty lists": ({"inputs": [[]] * 10_000}, "JSON values; at most 10,000"),
    "objects": ({"inputs": [{"a": {}}] * 9000}, "JSON values; at most 10,000"),
}


@pytest.mark.parametrize("case", LARGE)
def test_a_request_is_limited_as_a_whole(server, case):
    content, words = LARGE[case]
    answer = asked(server, **content)
    assert answer[0] == 413
    assert words in reason(answer)
    assert "send" in reason(answer)


def test_a_long_text_among_numbers_does_not_make_an_array_of_texts(server):
    """NumPy would need 9,000 times 4 MB for this."""
    answer = asked(server, inputs=[*[1] * 9000, "A" * 1_000_000])
    assert answer[0] == 413
    assert "images" in reason(answer)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /ping", 200),
        ("HEAD /ping", 200),
        ("HEAD /version", 200),
        ("GET /health", 200),
        ("HEAD /invocations", 405),
        ("GET /invocations", 405),
        ("PUT /invocations", 405),
        ("OPTIONS /invocations", 405),
        ("BREW /ping", 405),
        ("DELETE /ping", 405),
        ("GET /", 404),
        ("GET /docs", 404),
        ("GET /redoc", 404),
        ("GET /openapi.json", 404),
        ("GET /invocations/../../etc/passwd", 404),
        ("GET /%00%ff", 404),
        ("GET //ping", 404),
        ("GET /ping?a=b", 200),
        ("OPTIONS *", 404),
    ],
)
def test_paths_and_methods(server, line, status):
    answer = server.ask(f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), line.split()[0])
    assert answer[0] == status
    assert answer[1]["content-security-policy"].startswith("default-src 'none'")
    assert answer[1]["x-content-type-options"] == "nosniff"
    assert b"//" not in answer[2]
    if status == 405:
        assert answer[1]["allow"] == ("POST" if "invocations" in line else "GET, HEAD")


class Failing(Model):
    def predict(self, entries, params):  # noqa: ARG002
        raise self.error


def failing(error):
    model = Failing()
    model.error = error
    return model


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (RuntimeError("secret"), 500, "its log has the details"),
        (MemoryError(), 503, "not enough memory"),
    ],
)
def test_failures_of_the_model_are_not_the_clients(error, status, words, capsys):
    with running(failing(error)) as place:
        answer = asked(place, inputs=[TEXT])
    assert answer[0] == status
    assert words in reason(answer)
    assert b"secret" not in answer[2]
    if status == 500:
        assert "secret" in capsys.readouterr().err


def test_nan_is_no_probability():
    class Nan(Model):
        def predict(self, entries, params):  # noqa: ARG002
            return [{"label": "a", "probabilities": {"a": float("nan")}}]

    with running(Nan()) as place:
        answer = asked(place, inputs=[TEXT])
    assert answer[0] == 500
    assert b"nan" not in answer[2].lower()


def test_a_request_that_waits_too_long_gets_503():
    with running(Model(wait=0.8), answer_within=0.2) as place:
        answer = asked(place, inputs=[TEXT])
        assert (answer[0], answer[1]["retry-after"]) == (503, "5")
        assert "no answer within 0.2 seconds" in reason(answer)


@pytest.mark.slow
def test_bodies_are_limited_together_but_small_requests_pass():
    with running(largest=1_200_000, body_within=20) as place:
        half = post(b"A" * 1_100_000, length=1_200_000)
        held, answers = [], []

        def is_refused():
            held.append(place.connect())
            held[-1].sendall(half)
            answers.append(place.ask(post(b"A" * 1_100_000)))
            return answers[-1][0] == 503

        until(is_refused)
        assert lengths(asked(place, inputs=[TEXT])) == [len(CONTENT)]
        for connection in held:
            connection.close()
    assert len(held) >= 4
    assert "other requests hold" in reason(answers[-1])
