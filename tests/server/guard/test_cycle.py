"""What is written of an answer, and in how many pieces."""

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from budwood.server.http_cycle import Cycle

Fields = list[tuple[bytes, bytes]]
QUIET = logging.getLogger("cycle")


class Line(asyncio.Transport):
    """Keeps each piece that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True


def answered(headers: Fields, *pieces: bytes, method: str = "GET", keep_alive: bool = True) -> Line:
    """The line after an answer of these pieces."""
    line = Line()

    async def run() -> None:
        cycle = Cycle(
            scope={"method": method},  # type: ignore[typeddict-item]
            transport=line,
            flow=FlowControl(line),
            logger=QUIET,
            access_logger=QUIET,
            access_log=False,
            default_headers=[(b"date", b"today")],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=lambda: None,
        )
        await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
        for at, piece in enumerate(pieces, 1):
            await cycle.send({"type": "http.response.body", "body": piece, "more_body": at < len(pieces)})

    asyncio.run(run())
    return line


def test_the_head_of_an_answer_leaves_with_the_first_of_its_body() -> None:
    line = answered([(b"content-length", b"5")], b"whole")
    assert line.pieces == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\n\r\nwhole"]
    assert not line.closed


def test_a_head_alone_is_sent_when_there_is_no_body() -> None:
    assert answered([(b"content-length", b"5")], b"", method="HEAD").pieces[0].endswith(b"\r\n\r\n")
    assert answered([(b"content-length", b"0")], b"").pieces[0].endswith(b"\r\n\r\n")


def test_a_body_of_no_told_length_is_sent_in_chunks() -> None:
    first, second, last = answered([], b"one", b"two", b"").pieces
    assert first.endswith(b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
    assert (second, last) == (b"3\r\ntwo\r\n", b"0\r\n\r\n")


def test_a_connection_that_does_not_go_on_says_so_and_ends() -> None:
    for said, goes_on in (([(b"connection", b"close")], True), ([], False)):
        line = answered([(b"content-length", b"0"), *said], b"", keep_alive=goes_on)
        assert line.pieces[0].count(b"connection: close") == 1
        assert line.closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_a_field_that_would_make_another_is_never_sent(value: bytes) -> None:
    with pytest.raises(RuntimeError, match="control character"):
        answered([(b"etag", value), (b"content-length", b"0")], b"")


@pytest.mark.parametrize("pieces", [(b"much too long",), (b"few",), (b"much", b"more")])
def test_a_body_of_another_length_than_told_is_never_ended(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(RuntimeError, match="another length"):
        answered([(b"content-length", b"5")], *pieces)
