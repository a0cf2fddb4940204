"""Connections of the server: deadlines, their number, what is not HTTP, and the end of the server."""

import base64
import json
import re
import socket
import statistics
import time

import pytest

from support.http_servers import Model, post, reason, response, running
from support.processes import until

BODY = json.dumps({"inputs": [base64.b64encode(b"some bytes").decode()]}).encode()
WHOLE = post(BODY)


def is_closed(connection, within=5):
    """Return whether the server closes a connection, whatever it sends before."""
    connection.settimeout(within)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.fixture(scope="module")
def quick():
    """A server of short deadlines."""
    with running(headers_within=0.5, body_within=0.5, idle_within=1) as place:
        yield place


def test_a_kept_connection_does_not_wait_for_acknowledgements(quick):
    times = []
    with quick.connect() as connection:
        for _ in range(40):
            started = time.perf_counter()
            connection.sendall(WHOLE)
            assert response(connection)[0] == 200
            times.append(time.perf_counter() - started)
    # Nagle's algorithm waits 40 ms for an acknowledgement in all but the first ones; other work delays some only.
    assert statistics.quantiles(times, n=4)[0] < 0.03


CHUNKED = (
    b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
SLOW = {
    "nothing": b"",
    "half a line": b"POST /invo",
    "half of the headers": WHOLE[:40],
    "headers without their end": WHOLE.partition(b"\r\n\r\n")[0],
    "half of the body": WHOLE[:-10],
    "no body": WHOLE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "a second request that stops": WHOLE + WHOLE[:30],
    "a chunk that stops": CHUNKED + b"5\r\n{}",
    "half of the body of a refused request": post(b"x" * 10, kind="text/plain", length=1000),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW)
def test_a_request_that_stops_is_closed(quick, case):
    with quick.connect() as connection:
        connection.sendall(SLOW[case])
        assert is_closed(connection)
    assert quick.ask(WHOLE)[0] == 200


def trickle(connection):
    for _ in range(100):
        connection.sendall(b"a")
        time.sleep(0.05)


@pytest.mark.slow
def test_a_request_that_trickles_is_closed(quick):
    with quick.connect() as connection, pytest.raises(ConnectionError):
        trickle(connection)


@pytest.mark.slow
def test_a_refused_body_that_trickles_gets_its_reason_and_no_second_deadline():
    with running(body_within=3) as place, place.connect() as connection:
        started = time.monotonic()
        connection.sendall(post(b"x" * 10, kind="text/plain", length=1_000_000))
        answer = response(connection)
        assert time.monotonic() - started > 2.9
        assert answer[0] == 415
        assert answer[1]["connection"] == "close"
        assert is_closed(connection, within=2.5)


def test_a_refused_request_that_is_read_to_its_end_keeps_its_connection(quick):
    with quick.connect() as connection:
        for _ in range(2):
            connection.sendall(post(b"x" * 10_000, kind="text/plain"))
            status, headers, _ = response(connection)
            assert status == 415
            assert "connection" not in headers
        connection.sendall(WHOLE)
        assert response(connection)[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "words"), [(WHOLE[:40], "headers incomplete after 0.5 s"), (WHOLE[:-5], "body incomplete after 0.5 s")]
)
def test_a_late_request_is_answered_with_its_reason(quick, sent, words):
    answer = quick.ask(sent)
    assert answer[0] == 408
    assert words in reason(answer)


@pytest.mark.slow
def test_a_client_that_does_not_read_is_closed():
    class Long(Model):
        def predict(self, entries, params):  # noqa: ARG002
            return ["x" * 1000] * 20_000

    with running(Long(), headers_within=0.3) as place, place.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(WHOLE)
        until(lambda: place.server.server_state.connections)
        until(lambda: not place.server.server_state.connections)


def test_connections_above_the_limit_get_503_and_the_others_go_on():
    with running(connections=3, idle_within=20) as place:
        held = [place.connect() for _ in range(3)]
        for connection in held:
            connection.sendall(WHOLE)
            assert response(connection)[0] == 200
        status, headers, body = place.ask(WHOLE)
        assert (status, headers["retry-after"]) == (503, "5")
        assert "3 connections are open already" in reason((status, headers, body))
        with place.connect() as over:
            for _ in range(2):
                over.sendall(WHOLE)
                assert response(over)[0] == 503
            held[0].sendall(WHOLE)
            assert response(held[0])[0] == 200
            held.pop().close()
            until(lambda: len(place.server.server_state.connections) == 3)
            over.sendall(WHOLE)
            assert response(over)[0] == 200
        for connection in held:
            connection.close()


def test_twice_as_many_connections_are_the_most():
    with running(connections=2) as place:
        held = [place.connect() for _ in range(10)]
        for refused in held[4:]:
            assert is_closed(refused)
        assert len(place.server.server_state.connections) == 4
        for connection in held:
            connection.close()


NOT_HTTP = {
    "no HTTP": (b"hello\r\n\r\n", 400, "not a valid HTTP/1.1 request"),
    "TLS": (bytes.fromhex("16030102000100") * 20, 400, "not a valid HTTP/1.1 request"),
    "two lengths": (post(BODY, "Content-Length: 7"), 400, "not a valid HTTP/1.1 request"),
    "a negative length": (post(b"", length=-1), 400, "not a valid HTTP/1.1 request"),
    "a length that is no number": (post(b"", length="1e9"), 400, "not a valid HTTP/1.1 request"),
    "a header of 100 kB": (post(BODY, f"X: {'x' * 100_000}"), 431, "larger than 65,536 bytes"),
    "10,000 headers": (post(BODY, *[f"X{n}: y" for n in range(10_000)]), 431, "larger than 65,536 bytes"),
    "a space before the colon": (post(BODY, "X : y"), 400, "not a valid HTTP/1.1 request"),
    "another transfer encoding": (post(BODY, "Transfer-Encoding: gzip"), 501, "unknown Transfer-Encoding"),
    "no host": (b"GET /ping HTTP/1.1\r\n\r\n", 400, "not a valid HTTP/1.1 request"),
    "a chunk without length": (CHUNKED + b"xyz\r\n{}", 400, "not a valid HTTP/1.1 request"),
}


@pytest.mark.parametrize("case", NOT_HTTP)
def test_what_is_not_http_is_refused_with_its_reason(quick, case, log):
    sent, status, words = NOT_HTTP[case]
    answer = quick.ask(sent)
    assert answer[0] == status
    assert words in reason(answer)
    assert "Traceback" not in log.text
    assert quick.ask(WHOLE)[0] == 200


def test_requests_sent_at_once_are_answered_in_order(quick):
    last = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with quick.connect() as connection:
        connection.sendall(WHOLE + post(b"{}") + WHOLE + last)
        with connection.makefile("rb") as reader:
            statuses = re.findall(rb"HTTP/1.1 (\d+)", reader.read())
    assert statuses == [b"200", b"400", b"200", b"200"]


def test_chunks_and_expect_continue(quick):
    head = CHUNKED.partition(b"Transfer")[0]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:])) + b"0\r\n\r\n"
    assert quick.ask(CHUNKED + chunked)[0] == 200
    with quick.connect() as connection:
        connection.sendall(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert response(connection)[0] == 200
    # Refused before it sends the body, which is not read as the next request.
    with quick.connect() as connection:
        connection.sendall(head + b"Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n")
        status, headers, _ = response(connection)
        assert (status, headers["connection"]) == (413, "close")
        assert is_closed(connection, 1)


@pytest.mark.slow
def test_the_end_answers_what_runs_and_refuses_what_is_half_received():
    model = Model(wait=1.0)
    with running(model, stop_within=20) as place:
        runs, half, idle = (place.connect() for _ in range(3))
        half.sendall(WHOLE[:-5])
        idle.sendall(WHOLE[:20])
        until(lambda: len(place.server.server_state.connections) == 3)
        runs.sendall(WHOLE)
        assert model.begun.wait(20)
        started = time.monotonic()
        place.server.should_exit = True
        assert response(runs)[0] == 200
        answer = response(half)
        assert answer[0] == 503
        assert "stopping" in reason(answer)
        assert is_closed(idle)
        for connection in (runs, half, idle):
            connection.close()
    assert time.monotonic() - started < 15


@pytest.mark.slow
def test_the_end_does_not_wait_for_a_model_that_does_not_answer():
    model = Model(wait=8.0)
    with running(model, stop_within=2) as place, place.connect() as connection:
        connection.sendall(WHOLE)
        assert model.begun.wait(20)
        place.server.should_exit = True
        assert response(connection)[0] == 503


def test_a_client_that_sends_all_before_it_reads_gets_the_reason(quick):
    head = CHUNKED.partition(b"Transfer")[0].replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    body = b"x" * 33_000_000
    with quick.connect() as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert response(connection)[0] == 413
