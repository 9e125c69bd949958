"""Clients that send or read a little at a time, and crowds that hold connections."""

import contextlib
import resource
import socket
import threading
import time

import pytest

from tests.attacks.conftest import Start, Target
from tests.attacks.wire import PATIENCE_S, connect, received, replies

HOST = b"Host: localhost\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CROWD = 5_000


@pytest.fixture(scope="module")
def hasty(start_target: Start) -> Target:
    return start_target(
        head_s=0.5, slow_body_s=0.5, slow_body_rate=1000, stalled_answer_s=0.5, keep_alive_s=1, linger_s=0.2
    )


def await_close(line: socket.socket) -> None:
    """Fails when the server does not close, though the machine be slow: our patience is twenty times the server's."""
    until = time.monotonic() + PATIENCE_S
    line.settimeout(PATIENCE_S)
    with contextlib.suppress(ConnectionResetError):
        while line.recv(1 << 16):
            assert time.monotonic() < until


def drip(line: socket.socket, piece: bytes, stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not stop.wait(0.05):
            line.sendall(piece)


def test_a_connection_that_says_nothing_is_closed(hasty: Target) -> None:
    with connect(hasty.port) as line:
        await_close(line)
    hasty.assert_well()


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST, b"X: y\r\n"),
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: ", b"a"),
        (b"", b"\r\n"),
    ],
)
def test_a_head_that_drips_is_cut(hasty: Target, begin: bytes, piece: bytes) -> None:
    stop = threading.Event()
    with connect(hasty.port) as line:
        line.sendall(begin)
        dripping = threading.Thread(target=drip, args=(line, piece, stop))
        dripping.start()
        await_close(line)
        stop.set()
        dripping.join()
    hasty.assert_well()


def test_what_drips_between_two_requests_is_cut(hasty: Target) -> None:
    stop = threading.Event()
    with connect(hasty.port) as line:
        line.sendall(b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n")
        assert replies(received(line))[0].status == 200
        dripping = threading.Thread(target=drip, args=(line, b"\r\n", stop))
        dripping.start()
        await_close(line)
        stop.set()
        dripping.join()


@pytest.mark.parametrize("framing", [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_a_body_that_drips_is_cut_with_a_reason(hasty: Target, framing: bytes) -> None:
    stop = threading.Event()
    with connect(hasty.port) as line:
        line.sendall(POST + framing)
        dripping = threading.Thread(target=drip, args=(line, b"1\r\nx\r\n" if b"chunked" in framing else b"x", stop))
        dripping.start()
        (answer,) = replies(received(line))
        stop.set()
        dripping.join()
    assert (answer.status, answer.code) == (408, "request_too_slow")
    hasty.assert_well()


def test_a_body_at_a_fair_rate_is_let_through(hasty: Target) -> None:
    with connect(hasty.port) as line:
        line.sendall(POST + b"Content-Length: 10000\r\n\r\n")
        for _ in range(20):
            time.sleep(0.06)
            line.sendall(b"x" * 500)
        (answer,) = replies(received(line))
    assert answer.said["read"] == 10_000


def test_an_answer_nobody_reads_is_given_up(hasty: Target) -> None:
    lines = []
    for _ in range(4):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", hasty.port))
        line.sendall(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        lines.append(line)
    time.sleep(2.0)
    for line in lines:
        came = 0
        line.settimeout(2)
        with contextlib.suppress(OSError):
            while piece := line.recv(1 << 20):
                came += len(piece)
        assert came < 8 << 20
        line.close()
    hasty.assert_well()


def test_a_thousand_slow_heads_do_not_keep_others_out(hasty: Target) -> None:
    lines = [connect(hasty.port) for _ in range(1_000)]
    for line in lines:
        with contextlib.suppress(OSError):
            line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
    hasty.assert_well()
    time.sleep(1.0)
    hasty.assert_well()
    for line in lines:
        line.close()


def test_five_thousand_connections_leave_room_for_the_next(start_target: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CROWD + 500:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CROWD + 500), hard))
    lines: list[socket.socket] = []
    try:
        target = start_target()
        for _ in range(CROWD):
            with contextlib.suppress(OSError):
                lines.append(connect(target.port))
        assert len(lines) > CROWD * 0.9
        target.assert_well()
        lines[-1].sendall(b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n")
        assert replies(received(lines[-1]))[0].status == 200
    finally:
        for line in lines:
            line.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    target.assert_well()


def test_at_few_open_files_the_longest_waiting_connection_makes_room(start_target: Start) -> None:
    target = start_target(connections=50)
    lines = [connect(target.port) for _ in range(200)]
    for _ in range(5):
        target.assert_well()
    await_close(lines[0])
    lines[-1].sendall(b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n")
    assert replies(received(lines[-1]))[0].status == 200
    for line in lines:
        line.close()
