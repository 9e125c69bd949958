"""A line of a log is read, or counted as garbled, whatever a client put into it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.traffic.lines import Line, in_order, read_lines

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SAID = {
    "at": "1790000000.250000",
    "request": ID,
    "endpoint": "default.fraud",
    "generation": 7,
    "why": "split",
    "cluster": "default.fraud.canary",
    "tenant": None,
    "user": "mara",
    "code": 200,
    "flags": "-",
    "us": 1_500,
}
LINE = Line(1_790_000_000_250, ID, "default.fraud", 7, "split", "canary", 200, 1_500, "mara")


def test_a_line_says_what_happened() -> None:
    assert read_lines(json.dumps(SAID).encode() + b"\n").lines == (LINE,)


def test_what_met_no_endpoint_is_left_out_and_is_not_garbled() -> None:
    found = read_lines(json.dumps(SAID | {"endpoint": None}).encode())
    assert (found.lines, found.garbled) == ((), 0)


def test_a_client_that_went_away_is_nobodys_fault() -> None:
    (gone,) = read_lines(json.dumps(SAID | {"code": 0, "us": None}).encode()).lines
    assert (gone.failed, gone.latency_us) == (False, -1)
    (down,) = read_lines(json.dumps(SAID | {"code": 503}).encode()).lines
    assert down.failed


def test_what_is_no_line_is_counted() -> None:
    odd: tuple[bytes, ...] = (
        b"{",
        b"[]",
        b"<html>",
        json.dumps(SAID | {"at": "NaN"}).encode(),
        json.dumps(SAID | {"at": -1}).encode(),
        json.dumps(SAID | {"code": 5_000}).encode(),
        json.dumps(SAID | {"request": "x' OR 1=1"}).encode(),
        json.dumps(SAID | {"generation": "many"}).encode(),
        b"[" * 100_000,
    )
    found = read_lines(b"\n".join(odd))
    assert (found.lines, found.garbled) == ((), len(odd))


@given(st.dictionaries(st.sampled_from(sorted(SAID)), st.none() | st.integers() | st.floats() | st.text(), max_size=8))
def test_any_value_in_any_field_is_read_or_counted(more: dict[str, object]) -> None:
    found = read_lines(json.dumps(SAID | more).encode())
    assert len(found.lines) + found.garbled <= 1


@given(st.binary(max_size=500))
def test_any_bytes_are_read_or_counted(content: bytes) -> None:
    assert not read_lines(content).lines


def test_lines_of_several_workers_are_put_in_order() -> None:
    later = Line(LINE.at_ms + 5, ID, "default.fraud", 7, "split", "stable", 200, 1)
    assert in_order([later, LINE]) == [LINE, later]
