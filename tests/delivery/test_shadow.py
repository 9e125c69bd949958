"""Copies of requests on a real gateway: the champion alone answers, and both answers are kept, joined and compared."""

import json
import math
import struct
from dataclasses import replace
from typing import Any

from budwood.domain.compared.captures import Pair, judged, read_captures
from budwood.domain.compared.comparison import Comparison, Kind
from budwood.domain.traffic.endpoint import Endpoint, Routing, Shadow
from budwood.domain.traffic.segments import first_table

from .conftest import Gateway, Says, eventually

ASKED = 2_000


def shadowing(endpoint: Endpoint, points: int = 10_000, body_bytes: int = 65_536) -> Routing:
    return Routing(endpoint, 4, first_table({"stable": 10_000}), shadow=Shadow("canary", points, body_bytes))


def test_the_champion_alone_answers_and_both_answers_are_joined(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    assert gateway.obey(shadowing(endpoint)) == {}
    answers = [gateway.ask("/predict/fraud") for _ in range(ASKED)]
    assert {answer.arm for answer in answers} == {"stable"}
    assert {answer.status for answer in answers} == {200}
    lines = captured(gateway, 2 * ASKED)
    sides = {side: {each["request"]: each for each in lines if each["side"] == side} for side in ("baseline", "shadow")}
    joined = sides["baseline"].keys() & sides["shadow"].keys()
    assert len(joined) >= 0.999 * ASKED
    request = answers[0].headers["x-request-id"]
    assert json.loads(sides["shadow"][request]["answered"])["arm"] == "canary"
    assert json.loads(sides["baseline"][request]["answered"])["arm"] == "stable"
    assert sides["baseline"][request]["asked"] == '{"inputs": []}'


def captured(gateway: Gateway, wanted: int) -> list[dict[str, Any]]:
    """So many lines, or more, when the gateway has written them."""
    path = gateway.folder / "captures.log"

    def lines() -> list[bytes]:
        whole = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [line for line in whole if line.endswith(b"\n")]

    eventually(lambda: len(lines()) >= wanted, told=lambda: len(lines()))
    return [json.loads(line) for line in lines()]


def captured_before_the_next(gateway: Gateway, endpoint: Endpoint) -> list[dict[str, Any]]:
    """All lines: those of one more request, which is sampled for certain and without its body, come last."""
    assert gateway.obey(replace(shadowing(endpoint, 10_000, 0), generation=9)) == {}
    last = gateway.ask("/predict/fraud").headers["x-request-id"]
    lines: list[dict[str, Any]] = []

    def marks() -> list[dict[str, Any]]:
        lines[:] = captured(gateway, 2)
        return [line for line in lines if line["request"] == last]

    eventually(lambda: len(marks()) == 2)
    assert {(line["asked"], line["code"]) for line in marks()} == {(None, 200)}
    return [line for line in lines if line["request"] != last]


def test_nothing_is_captured_of_what_is_not_sampled(gateway: Gateway, endpoint: Endpoint) -> None:
    assert gateway.obey(replace(shadowing(endpoint), shadow=None)) == {}
    for path in ("/predict/fraud", "/predict/fraud/v2", "/nowhere"):
        gateway.ask(path)
    assert captured_before_the_next(gateway, endpoint) == []


def test_a_part_is_sampled_and_bodies_are_cut_or_left(gateway: Gateway, endpoint: Endpoint) -> None:
    assert gateway.obey(shadowing(endpoint, 5_000, 5)) == {}
    for _ in range(200):
        gateway.ask("/predict/fraud", {"x-budwood-shadow": "default.fraud"})
    lines = captured_before_the_next(gateway, endpoint)
    assert 60 < sum(line["side"] == "baseline" for line in lines) < 140
    assert {line["asked"] for line in lines} == {'{"inp'}


def test_copies_of_binary_bodies_are_kept_as_lines_that_can_be_read(gateway: Gateway, endpoint: Endpoint) -> None:
    assert gateway.obey(shadowing(endpoint)) == {}
    body = b"{}" + bytes(range(256))
    answers = [gateway.ask("/predict/fraud", {"inference-header-content-length": "2"}, body) for _ in range(3)]
    assert {answer.status for answer in answers} == {200}
    captured(gateway, 6)
    found = read_captures((gateway.folder / "captures.log").read_bytes())
    assert (len(found.captures), found.garbled) == (6, 0)
    assert {json.loads(each.answered)["arm"] for each in found.captures} == {"stable", "canary"}


def test_answers_in_binary_are_compared_by_their_numbers(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    backends["stable"].binary = binary(0.25, 0.75, math.nan)
    backends["canary"].binary = binary(0.25, 0.7578125, math.nan)
    assert gateway.obey(shadowing(endpoint)) == {}
    head, body = binary(1.5)
    gateway.ask("/predict/fraud", {"inference-header-content-length": str(head)}, body)
    captured(gateway, 2)
    found = read_captures((gateway.folder / "captures.log").read_bytes())
    held, said = sorted(found.captures, key=lambda each: each.side)
    assert json.loads(held.asked)["outputs"] == [{"name": "p", "datatype": "FP32", "shape": [1], "data": [1.5]}]
    assert json.loads(held.answered)["outputs"][0]["data"] == [0.25, 0.75, "nan"]
    for kind, tolerance, agrees in ((Kind.JSON, 0.01, True), (Kind.JSON, 0.005, False), (Kind.JSON, 0.0, False)):
        judgement = judged(Comparison(kind, "outputs[0].data", tolerance), Pair(held, said))
        assert judgement is not None
        assert judgement.agrees is agrees
    assert judged(Comparison(Kind.VECTOR, "outputs[0].data", 0.01), Pair(held, said)) is None


def binary(*values: float) -> tuple[int, bytes]:
    """How much of it is JSON, and the whole."""
    content = struct.pack(f"<{len(values)}f", *values)
    tensor = {"name": "p", "datatype": "FP32", "shape": [len(values)], "parameters": {"binary_data_size": len(content)}}
    said = json.dumps({"outputs": [tensor]}).encode()
    return len(said), said + content


def test_a_shadow_that_hangs_or_fails_is_felt_by_nobody(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    backends["canary"].answers = 500
    assert gateway.obey(shadowing(endpoint)) == {}
    assert {gateway.ask("/predict/fraud").status for _ in range(50)} == {200}
    backends["canary"].shutdown()
    backends["canary"].server_close()
    assert {gateway.ask("/predict/fraud").status for _ in range(50)} == {200}
