"""Requests damaged at random, as bytes: refused or answered, never a failure of the server."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks.conftest import Target

HOST = b"Host: localhost\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
WHOLE = (
    b"GET /v1/a%20b?limit=5 HTTP/1.1\r\n" + HOST + b"X-Request-Id: a\r\nRange: bytes=0-9\r\n\r\n",
    POST + b"Content-Length: 2\r\n\r\n{}",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2;e=f\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
    b"PUT /bytes HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nabc",
)
PIECES = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b"%", b"%2e", b"..", b"//", b"#", b"?"]
    ),
    st.sampled_from(
        [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"Connection: close\r\n"]
    ),
    st.sampled_from([b"Expect: 100-continue\r\n", b"FFFFFFFF", b"-1", b"\xff\xfe", b"HTTP/1.0", b"http://b/"]),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One or two requests with some bytes replaced, taken out or put in."""
    text = b"".join(draw(st.lists(st.sampled_from(WHOLE), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(PIECES) + text[at + draw(st.sampled_from([0, 0, 1, 2, 20])) :]
    return text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged())
def test_damaged_requests_are_refused_or_answered(target: Target, sent: bytes) -> None:
    for answer in target.ask(sent + b"\r\n\r\n", wait_s=0.3):
        assert answer.status < 500, (sent, answer)
