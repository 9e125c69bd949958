"""Requests that are not what they should be, sent as bytes: the status and code of each refusal."""

import pytest

from tests.attacks.conftest import Target

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
GET = b"GET / HTTP/1.1\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST + JSON
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BAD = (400, "bad_request")
PATH = (400, "bad_url_path")
LENGTH = (400, "bad_length")

ATTACKS: dict[str, tuple[bytes, tuple[int, str]]] = {
    # The request line
    "bare LF": (b"GET / HTTP/1.1\nHost: localhost\n\n", BAD),
    "bare LF after one field": (GET + b"Host: localhost\nX: y\r\n\r\n", BAD),
    "bare LF at the end": (GET + HOST + b"\n", BAD),
    "bare CR": (GET + b"Host: localhost\rX: y\r\n\r\n", BAD),
    "HTTP/0.9": (b"GET /\r\n\r\n", BAD),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", BAD),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    "another protocol": (b"SOURCE / ICE/1.0\r\n" + HOST + b"\r\n", (405, "method_not_allowed")),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (405, "method_not_allowed")),
    "NUL in the path": (b"GET /a\0b HTTP/1.1\r\n" + HOST + b"\r\n", BAD),
    "raw UTF-8 in the path": (b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", BAD),
    "space in the path": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", BAD),
    "fragment": (b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "absolute target": (b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n", (400, "bad_target")),
    "absolute target with user": (b"GET http://a:b@localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", (400, "bad_target")),
    "CONNECT": (b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST + b"\r\n", (400, "bad_target")),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", (400, "bad_target")),
    "unknown method": (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", (405, "method_not_allowed")),
    "lower-case method": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", (405, "method_not_allowed")),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", (405, "method_not_allowed")),
    "PROPFIND": (b"PROPFIND / HTTP/1.1\r\n" + HOST + b"\r\n", (405, "method_not_allowed")),
    "100 KB address": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414, "url_too_long")),
    "50,000 parameters": (b"GET /?" + b"a&" * 25_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (400, "too_many_parameters")),
    # Paths
    "dots": (b"GET /a/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "encoded dots": (b"GET /%2e%2e%2fetc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "twice encoded dots": (b"GET /%252e%252e%252fetc HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "path parameter": (b"GET /a;../../x HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "backslash": (b"GET /..\\..\\x HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "two slashes": (b"GET //evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "encoded NUL": (b"GET /a%00b HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "encoded line break": (b"GET /a%0d%0aSet-Cookie:%20x HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "overlong UTF-8": (b"GET /%c0%ae%c0%ae/ HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "broken UTF-8": (b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n", PATH),
    "token in the query": (b"GET /?token=bw_x HTTP/1.1\r\n" + HOST + b"\r\n", (400, "secret_in_url")),
    # Header fields
    "no Host": (GET + b"\r\n", (400, "bad_host")),
    "two Hosts": (GET + HOST + HOST + b"\r\n", (400, "bad_host")),
    "another Host": (GET + b"Host: evil.example\r\n\r\n", (421, "unknown_host")),
    "folded field": (GET + HOST + b"X: y\r\n z\r\n\r\n", BAD),
    "space before the colon": (POST + b"Content-Length : 0\r\n\r\n", BAD),
    "space in a name": (GET + HOST + b"X Y: z\r\n\r\n", BAD),
    "no colon": (GET + HOST + b"XY\r\n\r\n", BAD),
    "empty name": (GET + HOST + b": x\r\n\r\n", BAD),
    "field before the first": (GET + b" Host: localhost\r\n\r\n", BAD),
    "NUL in a field": (GET + HOST + b"X: a\0b\r\n\r\n", BAD),
    "escape in a field": (GET + HOST + b"X: a\x1bb\r\n\r\n", BAD),
    "10,000 fields": (GET + HOST + b"X: a\r\n" * 10_000 + b"\r\n", (431, "headers_too_large")),
    "1 MB field": (GET + HOST + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", (431, "headers_too_large")),
    "1 MB of a field without an end": (GET + HOST + b"X: " + b"a" * 1_000_000, (431, "headers_too_large")),
    "1 MB name": (GET + HOST + b"a" * 1_000_000, (431, "headers_too_large")),
    "1 MB address without an end": (b"GET /" + b"a" * 1_000_000, (414, "url_too_long")),
    # Lengths
    "two equal lengths": (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", BAD),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", BAD),
    "list of lengths": (POST + b"Content-Length: 2, 2\r\n\r\n{}", BAD),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", BAD),
    "signed length": (POST + b"Content-Length: +2\r\n\r\n{}", BAD),
    "hexadecimal length": (POST + b"Content-Length: 0x2\r\n\r\n{}", BAD),
    "10^30": (POST + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n", BAD),
    "a number of 18 digits": (POST + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n", (413, "body_too_large")),
    "length and chunks": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    "chunks and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", BAD),
    "gzip, chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", LENGTH),
    "chunked, identity": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", BAD),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", BAD),
    "xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", BAD),
    "chunks in HTTP/1.0": (
        b"POST /x HTTP/1.0\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        LENGTH,
    ),
    "chunk of 17 digits": (CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nx", BAD),
    "negative chunk": (CHUNKED + b"-1\r\nx", BAD),
    "chunk 0x1": (CHUNKED + b"0x1\r\nx\r\n0\r\n\r\n", BAD),
    "chunk ended by LF": (CHUNKED + b"1\nx\n0\n\n", BAD),
    "chunk longer than said": (CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n", BAD),
    "LF in an extension": (CHUNKED + b"1;a\nb\r\nx\r\n0\r\n\r\n", BAD),
    "2 MB in chunks": (CHUNKED + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 32, (413, "body_too_large")),
    "framing without content": (CHUNKED + b"1;" + b"a" * 3_000_000, BAD),
    "body of a GET": (GET + HOST + b"Content-Length: 3\r\n\r\nabc", (400, "unexpected_body")),
    "upgrade with a body": (
        POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
        (400, "unexpected_body"),
    ),
    # Bodies and ranges
    "form": (
        b"POST /x HTTP/1.1\r\n"
        + HOST
        + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
        (415, "unsupported_media_type"),
    ),
    "plain text": (
        b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        (415, "unsupported_media_type"),
    ),
    "gzip body": (POST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", (415, "unsupported_encoding")),
    "10,000 ranges": (
        b"GET /large HTTP/1.1\r\n" + HOST + b"Range: bytes=" + b"0-," * 10_000 + b"0-\r\n\r\n",
        (416, "bad_range"),
    ),
    "reversed range": (b"GET /large HTTP/1.1\r\n" + HOST + b"Range: bytes=5-2\r\n\r\n", (416, "bad_range")),
    "empty suffix": (b"GET /large HTTP/1.1\r\n" + HOST + b"Range: bytes=-0\r\n\r\n", (416, "bad_range")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_malformed_is_refused_and_harms_nothing(name: str, target: Target) -> None:
    sent, expected = ATTACKS[name]
    answers = target.ask(sent)
    assert [(answer.status, answer.code) for answer in answers] == [expected]
    if expected[0] == 405:
        assert "GET" in answers[0].headers["allow"]


def test_two_pieces_of_one_attack_are_refused_like_one(target: Target) -> None:
    from tests.attacks.wire import connect, received, replies

    for name in ("dots", "two Hosts", "chunk of 17 digits", "folded field", "10,000 fields"):
        sent, expected = ATTACKS[name]
        with connect(target.port) as line:
            for at in range(min(len(sent), 40)):
                line.sendall(sent[at : at + 1])
            line.sendall(sent[40:])
            (answer,) = replies(received(line))
        assert (answer.status, answer.code) == expected
