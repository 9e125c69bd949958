"""Two requests on one connection, where another server might see one, three, or other two."""

import time
from statistics import median

from tests.attacks.conftest import Start, Target
from tests.attacks.wire import connect, received, replies

HOST = b"Host: localhost\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


def test_requests_sent_ahead_are_answered_in_order(target: Target) -> None:
    answers = target.ask(NEXT.replace(b"/next", b"/slow") + NEXT + POST + b"Content-Length: 2\r\n\r\n{}" + NEXT)
    assert [(a.said["path"], a.said["read"]) for a in answers] == [("/slow", 0), ("/next", 0), ("/x", 2), ("/next", 0)]


def test_a_body_is_never_taken_for_a_request(target: Target) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    sent = POST + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden + NEXT
    assert [a.said["path"] for a in target.ask(sent)] == ["/x", "/next"]
    sent = POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden) + NEXT
    assert [a.said["path"] for a in target.ask(sent)] == ["/x", "/next"]


def test_what_follows_an_ambiguous_length_is_never_answered(target: Target) -> None:
    hidden = b"0\r\n\r\nGET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    for lengths in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(hidden),
        b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(hidden),
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n" % len(hidden),
        b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(hidden),
    ):
        answers = target.ask(POST + lengths + b"\r\n" + hidden + NEXT)
        assert [a.status for a in answers] == [400], lengths
        assert answers[0].headers["connection"] == "close"


def test_a_trailer_is_no_header(target: Target) -> None:
    sent = (
        POST
        + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nHost: evil.example\r\n\r\n"
    )
    (answer,) = target.ask(sent)
    assert answer.status == 200
    assert "authorization" not in answer.said["headers"]
    assert answer.said["headers"]["host"] == "localhost"


def test_an_upgrade_to_a_protocol_we_lack_is_answered_once_and_closed(target: Target) -> None:
    for word in (b"h2c", b"websocket", b"TLS/1.0"):
        sent = b"GET /x HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: " + word + b"\r\n\r\n" + NEXT
        answers = target.ask(sent)
        assert [a.said["path"] for a in answers] == ["/x"]
        assert answers[0].headers["connection"] == "close"


def test_the_answer_before_garbage_is_whole_and_the_last(target: Target) -> None:
    answers = target.ask(NEXT.replace(b"/next", b"/slow") + b"\0\0garbage\r\n\r\n" + NEXT)
    assert [a.said["path"] for a in answers] == ["/slow"]


def test_a_refused_body_is_not_taken_for_the_next_request(target: Target) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    plain = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    answers = target.ask(plain + hidden + NEXT)
    assert [a.status for a in answers] == [415]
    assert answers[0].headers["connection"] == "close"


def test_more_requests_ahead_than_the_limit_end_the_connection(start_target: Start) -> None:
    target = start_target(requests_ahead=4)
    answers = target.ask(NEXT * 4)
    assert [a.status for a in answers] == [200] * 4
    answers = target.ask(NEXT * 5_000)
    assert len(answers) <= 6
    target.assert_well()


def test_a_half_closed_or_vanished_client_leaves_nothing_behind(target: Target) -> None:
    for sent in (
        b"GET / HT",
        POST + b"Content-Length: 100\r\n\r\n{",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ):
        for _ in range(20):
            with connect(target.port) as line:
                line.sendall(sent)
        time.sleep(0.05)


def test_a_refusal_arrives_though_the_client_still_sends(target: Target) -> None:
    with connect(target.port, 10) as line:
        line.sendall(POST + b"Content-Length: 20000000\r\n\r\n")
        came = received(line)
        (answer,) = replies(came)
        assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_body_nobody_asked_for_is_not_awaited(target: Target) -> None:
    (answer,) = target.ask(POST + b"Content-Length: 20000000\r\nExpect: 100-continue\r\n\r\n")
    assert (answer.status, answer.code) == (413, "body_too_large")
    with connect(target.port) as line:
        line.sendall(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert received(line) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"{}")
        (answer,) = replies(received(line))
        assert answer.said["read"] == 2


def test_answers_on_one_connection_do_not_wait_for_each_other(target: Target) -> None:
    took_s = []
    with connect(target.port) as line:
        for _ in range(50):
            began = time.monotonic()
            line.sendall(NEXT)
            came = b""
            while not came.endswith(b"}}"):
                came += line.recv(1 << 16)
            took_s.append(time.monotonic() - began)
    # Without TCP_NODELAY each would take 40 ms, however fast the machine.
    assert median(took_s) < 0.03
