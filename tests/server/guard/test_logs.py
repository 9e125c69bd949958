"""What stands in a log line, and what never does."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.server.exchange import Exchange
from budwood.server.logs import DENIALS_AT_ONCE, Denial, JsonFormatter, RequestLog, clean, redact

TOKEN = "bw_" + "A1b2C3d4" * 5


def exchange(**known: Any) -> Exchange:
    made = Exchange("id1", "POST", 0.0)
    for name, value in known.items():
        setattr(made, name, value)
    return made


def logged(*exchanges: Exchange, now: float = 1.5e9) -> list[bytes]:
    lines: list[bytes] = []
    log = RequestLog(lines.append, lambda: now)
    for each in exchanges:
        log(each)
    return lines


def test_a_request_is_one_line_of_json_by_route_and_not_by_address() -> None:
    (line,) = logged(exchange(route="alias.move", status=200, seconds=0.0123, principal="mara", namespace="risk"))
    said = json.loads(line)
    assert said["time"] == "2017-07-14T02:40:00.000Z"
    assert (said["route"], said["status"], said["ms"], said["principal"]) == ("alias.move", 200, 12.3, "mara")
    assert not {"path", "url", "query", "headers"} & set(said)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_can_forge_a_line_or_steer_a_terminal(principal: str, client: str) -> None:
    (line,) = logged(exchange(principal=principal, client=client, status=200))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    assert json.loads(line)["status"] == 200


@given(st.text())
def test_clean_text_is_printable_ascii(text: str) -> None:
    assert clean(text).isascii()
    assert clean(text).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        f"got {TOKEN} from x",
        f"Authorization: Bearer {TOKEN}",
        "Authorization: Basic aHVudGVyMjpodW50ZXIy",
        "postgresql+psycopg://mara:hunter2hunter2@db/x failed",
        "AWS_SECRET_ACCESS_KEY=hunter2hunter2",
        '{"password": "hunter2hunter2"}',
        "GET /blob?x=1&signature=hunter2hunter2&y=1",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2hunter2",
    ],
)
def test_what_looks_like_a_secret_is_not_written(text: str) -> None:
    said = redact(text)
    assert "***" in said
    assert not any(secret in said for secret in ("hunter2", TOKEN, "aHVudGVyMjpodW50ZXIy", "eyJzdWIi"))


def test_a_crash_is_told_by_its_frames_without_secrets() -> None:
    try:
        raise RuntimeError(f"connection to postgresql://mara:hunter2@db with {TOKEN}\n\x1b[31mfake")
    except RuntimeError as error:
        line = logged(exchange(status=500, crash=error))[1]
    said = json.loads(line)
    assert said["error"] == "RuntimeError"
    assert said["request"] == "id1"
    assert "test_logs.py" in said["frames"][-1]
    assert b"hunter2" not in line
    assert TOKEN.encode() not in line
    assert line.count(b"\n") == 1


def test_what_libraries_log_has_the_same_shape() -> None:
    record = logging.LogRecord("uvicorn.error", logging.WARNING, "x", 1, "bad %s", (f"line\n{TOKEN}",), None)
    line = JsonFormatter().format(record)
    assert json.loads(line)["message"] == "bad line\\nbw_***"
    assert "\n" not in line


def test_a_denied_write_is_told_with_actor_route_and_reason_and_a_read_is_not() -> None:
    told: list[Denial] = []
    log = RequestLog(lambda line: None, lambda: 0.0, told.append)
    log(exchange(status=403, code="not_allowed", principal="mara", namespace="risk", route="alias.move"))
    log(exchange(status=403, method="GET"))
    log(exchange(status=409, code="label_taken"))
    log(exchange(status=200))
    assert told == [Denial("mara", "risk", "alias.move", "not_allowed", "id1")]


def test_a_flood_of_denials_is_counted_and_not_told_one_by_one() -> None:
    told: list[Denial] = []
    now = [0.0]
    log = RequestLog(lambda line: None, lambda: now[0], told.append)
    for _ in range(1_000):
        log(exchange(status=400, code="bad_host"))
    assert len(told) == DENIALS_AT_ONCE
    now[0] = 2.0
    log(exchange(status=400, code="bad_host"))
    assert told[-1].unsaid == 1_000 - DENIALS_AT_ONCE
