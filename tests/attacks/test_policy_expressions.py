"""Group N of the attacks: expressions of policies. Over a real server, by who may write policies.

Where each is tried: N02 and N06 here, when a policy is written, and in ``tests/govern/test_expressions.py`` when it is
evaluated; N04 here, at the door where metrics come in, and in ``tests/govern`` and ``tests/domain/policy`` where they
are compared. A bomb that parses is cut while the server goes on: here.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.attacks.siege import Siege
from tests.server.conftest import Reply, Start

pytest.importorskip("cel", reason="expressions need the extra 'policies'")

ROOM = "/v1/namespaces/ours"
V1 = "/v1/models/ours/encoder/versions/v1"
MOST_STALL_S = 0.5
"""What another request may take meanwhile: the machine that runs this may be busy with other things."""


def policy(expression: str) -> str:
    head = "apiVersion: budwood.dev/v1\nkind: Policy\nmetadata: {name: production}\nspec:\n  stages: [production]\n"
    return f"{head}  validations:\n    - message: No.\n      expression: |-\n        {expression}\n"


def put(siege: Siege, expression: str) -> Reply:
    return siege.ask("PUT", f"{ROOM}/policies/production", by="owner", json={"text": policy(expression)})


WRITTEN = {
    "brackets": "(" * 3_000 + "1" + ")" * 3_000 + " == 1",
    "lists": "[" * 1_500 + "]" * 1_500 + " == []",
    "ternaries": "true ? " * 300 + "true" + " : false" * 300,
    "ors": " || ".join(["true"] * 20_000),
    "a literal of five megabytes": "'" + "a" * (5 << 20) + "' == ''",
    "comprehensions in each other": "[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))",
    "class": '"".__class__.__mro__.size() > 0',
    "import": "__import__('os').system('true') == 0",
    "open": "open('/etc/passwd') != null",
    "a regular expression without end": "'" + "a" * 60 + "!'.matches('(a+)+$')",
    "no end": "facts.metrics.accuracy >",
    "a name nobody knows": "secrets.token != ''",
    "a null character": "true\x00 || true",
    "a lone surrogate": "'\ud800' == ''",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_expression_that_is_none_is_refused_when_it_is_written(name: str, siege: Siege) -> None:
    """N02, N06: in time, by name; or it is kept and then lets nothing through."""
    before = siege.ask("GET", f"{ROOM}/policies", by="reader").value
    answer = put(siege, WRITTEN[name])  # Which has a limit of time.
    if answer.status == 200:
        _lets_nothing_through(siege)
        siege.ask("DELETE", f"{ROOM}/policies/production", by="owner")
    else:
        assert answer.status in (400, 413, 422), answer
        assert answer.problem["hint"]
        assert siege.ask("GET", f"{ROOM}/policies", by="reader").value == before
    siege.assert_well()


def _lets_nothing_through(siege: Siege) -> None:
    number = siege.ask("POST", f"{V1}/promotions", by="writer", json={"pointer": "production"}).value["id"]
    closed = siege.ask("POST", f"{ROOM}/promotions/{number}/apply", by="releaser")
    assert (closed.status, closed.problem["code"]) == (403, "gate_closed")
    assert siege.ask("POST", f"{ROOM}/promotions/{number}/withdraw", by="writer").status == 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"0.99"', "null", "true", "[1]"])
def test_what_is_no_finite_number_does_not_come_in_as_one(number: str, siege: Siege) -> None:
    """N04."""
    body = f'{{"kind": "evaluation", "metrics": {{"accuracy": {number}}}}}'.encode()
    answer = siege.ask("POST", f"{V1}/evidence", by="writer", body=body)
    assert answer.status in (400, 422), answer
    assert siege.ask("GET", f"{V1}/evidence", by="reader").value["evidence"] == []


@pytest.mark.parametrize("expression", ["0.0 / 0.0 >= 0.9", "1.0 / 0.0 >= 0.9", "0.0 / 0.0 != 0.0 / 0.0"])
def test_no_arithmetic_makes_a_number_that_lets_through(expression: str, siege: Siege) -> None:
    """N04."""
    if put(siege, expression).status == 200:
        _lets_nothing_through(siege)
        siege.ask("DELETE", f"{ROOM}/policies/production", by="owner")


@pytest.fixture
def alone(start: Start, make_team: Callable[[], Path]) -> Iterator[Siege]:
    siege = Siege(start(make_team()))
    yield siege
    siege.assert_well()
    siege.end()


def test_a_bomb_is_cut_and_the_server_goes_on(alone: Siege) -> None:
    """N02: thousands of metrics, and two comprehensions over them, asked again and again by four at once."""
    metrics = {f"m{number}": 1.0 for number in range(60)}
    for _ in range(20):
        body = {"kind": "evaluation", "metrics": metrics}
        assert alone.ask("POST", f"{V1}/evidence", by="writer", json=body).status == 200
    bomb = "evidence.all(a, a.metrics.all(b, evidence.all(c, c.metrics.all(d, b != d || b == d))))"
    answer = put(alone, bomb)
    if answer.status != 200:
        bomb = "evidence.all(a, evidence.all(c, a.metrics.size() * c.metrics.size() >= 0 || string(a) == string(c)))"
        assert put(alone, bomb).status == 200
    number = alone.ask("POST", f"{V1}/promotions", by="writer", json={"pointer": "production"}).value["id"]
    path, over = f"{ROOM}/promotions/{number}/apply", threading.Event()
    answers: list[Reply] = []

    def throw() -> None:
        while not over.is_set():
            answers.append(alone.ask("POST", path, by="releaser", within_s=20))

    throwing = [threading.Thread(target=throw) for _ in range(4)]
    for thread in throwing:
        thread.start()
    waits = [_healthy(alone) for _ in range(60)]
    over.set()
    for thread in throwing:
        thread.join()
    assert sorted(waits)[len(waits) // 2] < MOST_STALL_S
    assert {answer.status for answer in answers} <= {200, 403, 409, 412, 503}


def _healthy(siege: Siege) -> float:
    began = time.monotonic()
    assert siege.server.ask("GET", "/healthz").status == 200
    time.sleep(0.02)
    return time.monotonic() - began - 0.02
