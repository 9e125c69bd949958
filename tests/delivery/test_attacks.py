"""Attacks on a gateway and its control plane (group M), each on a real gateway:

M01 weights that do not sum, are negative, NaN or far too many: refused, and nothing moves
M02 two operators at once with the same generation: one wins, one is refused
M03 an engine that was replaced writes on: nothing moves
M04 figures that are empty, stale, negative or a page of HTML: no figures, and nobody is promoted
M05 somebody chooses a user's name to get into an arm: without the salt it is no better than chance
M06 headers that say which version, tenant or model: taken away
M07 backends that hang, crash or garble while another arm is well: that arm's users notice nothing
M08 names that would break a label, a log line or a route: refused where they are written
M09 a client whose log lines lie: what it sends is never read as figures
"""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from budwood.domain.rollout.records import RolloutState
from budwood.domain.traffic.endpoint import Arm, Endpoint, Routing, Sticky
from budwood.domain.traffic.hashing import xxh64
from budwood.domain.traffic.lines import read_lines
from budwood.domain.traffic.segments import first_table
from budwood.errors import BadEndpoint, BudwoodError, PreconditionFailed
from budwood.verbs.rollouts import advance, take_over

from .conftest import Gateway, eventually
from .test_control import ENDPOINT, PLAN, World, begin, world
from .test_limits import speaks

__all__ = ["world"]
PREDICT = "/predict/fraud"


def test_m01_a_split_that_is_none_moves_nothing(world: World) -> None:
    begin(world)
    before = world.registry.endpoints.show("fraud")
    for split in ({"stable": 1}, {"stable": 10_001}, {"stable": -1}, {"stable": math.nan}, {"stable": "10000"}, {}):
        with pytest.raises(BudwoodError):
            world.registry.endpoints.split("fraud", split)  # type: ignore[arg-type]
    many = {f"arm-{number}": 1 for number in range(10_000)}
    with pytest.raises(BudwoodError):
        world.registry.endpoints.split("fraud", many)
    after = world.registry.endpoints.show("fraud")
    assert after.split == before.split


def test_m02_of_two_operators_one_wins(world: World) -> None:
    seen = str(world.registry.endpoints.show("fraud").generation)
    stable = ENDPOINT.format(stable=world.backends["stable"].backend.port)
    world.registry.endpoints.put(stable + "  timeout: 5s\n", expected=seen)
    with pytest.raises(PreconditionFailed):
        world.registry.endpoints.put(stable + "  timeout: 9s\n", expected=seen)
    assert world.registry.endpoints.show("fraud").body.timeout_s == 5


def test_m03_a_stale_engine_moves_nothing(world: World) -> None:
    begin(world)
    house, rollout = world.registry.house, world.registry.rollouts.show("fraud").rollout
    old = take_over(house, rollout.id)
    take_over(house, rollout.id)
    generation = world.registry.endpoints.show("fraud").generation
    for _ in range(20):
        assert advance(house, rollout.id, old) is None
    assert world.registry.endpoints.show("fraud").generation == generation


def test_m04_garbled_figures_promote_nobody(world: World) -> None:
    world.registry.endpoints.split("fraud", {"stable": 10_000})
    canary = f"http://127.0.0.1:{world.backends['canary'].backend.port}"
    world.registry.rollouts.start("fraud", "fraud@v2", PLAN, backends=[canary])
    generation = str(world.registry.endpoints.show("fraud").generation)
    arm = world.registry.rollouts.show("fraud").rollout.candidate
    line = {"request": "0f8fad5b-d9cb-469f-a165-70867728950e", "endpoint": "default.fraud", "generation": generation}
    more = {"at": str(time.time()), "why": "split", "cluster": f"default.fraud.{arm}", "code": 200, "us": -5}
    with Path(world.place.log).open("ab") as log:
        for garbage in (b"<html>502</html>\n", b"NaN\n", b"{}\n", b"\x00\xff\n", b"[" * 5_000 + b"\n", b"\n"):
            log.write(garbage * 50)
        for wrong in (
            {"code": "NaN"},
            {"code": -1},
            {"at": "-1"},
            {"at": "inf"},
            {"request": "x"},
            {"generation": "x"},
        ):
            log.write(json.dumps({**line, **more, **wrong}).encode() + b"\n")
        # What is behind them is read, and it alone counts.
        log.write(json.dumps({**line, **more, "us": 5}).encode() + b"\n")
    eventually(lambda: world.registry.rollouts.show("fraud").candidate.requests > 0)
    shown = world.registry.rollouts.show("fraud")
    assert shown.rollout.state is RolloutState.RUNNING
    assert (shown.candidate.requests, shown.baseline.requests) == (1, 0)


def test_m05_without_the_salt_nobody_chooses_an_arm(gateway: Gateway, endpoint: Endpoint) -> None:
    table = first_table({"canary": 500, "stable": 9_500})
    gateway.obey(Routing(replace(endpoint, sticky=Sticky("x-user-id", "the registry's secret")), 1, table))
    guessed = [name for name in (f"user-{n}" for n in range(40_000)) if xxh64(name.encode()) % 10_000 < 500][:400]
    reached = sum(gateway.ask(PREDICT, {"x-user-id": name}).arm == "canary" for name in guessed)
    assert reached < 60  # 20 are expected by chance


def test_m06_headers_of_ours_decide_nothing(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    ours = ("version", "tenant", "user", "model", "open", "generation", "shadow")
    spoofed = {f"x-budwood-{name}": "default/fraud@v2" for name in ours}
    more = {"x-envoy-original-path": "/predict/fraud/v2", "x-mv-version": "v2", "x-force-variant": "canary"}
    answer = gateway.ask(PREDICT, {**spoofed, **more, "x-envoy-upstream-rq-timeout-ms": "1"})
    assert (answer.status, answer.arm) == (200, "stable")
    assert "default/fraud@v2" not in {answer.heard[name] for name in answer.heard if name.startswith("x-budwood-")}
    assert gateway.ask(PREDICT, {"x_budwood_tenant": "acme"}).status == 400


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", b"\xff" * 9_000])
def test_m07_one_arm_that_garbles_leaves_the_other_alone(
    one_gateway: Gateway, one_endpoint: Endpoint, says: bytes
) -> None:
    with speaks(says) as backend:
        stable, canary, third = one_endpoint.arms
        broken = replace(one_endpoint, arms=(stable, Arm("canary", 2, canary.digest, (backend,)), third))
        one_gateway.obey(Routing(broken, len(says) + 1, first_table({"stable": 10_000})))
        for _ in range(20):
            assert one_gateway.ask(PREDICT).status == 200


def test_m08_names_are_plain(world: World) -> None:
    stable = ENDPOINT.format(stable=world.backends["stable"].backend.port)
    for name in ('fraud"} 1\n#', "fraud{x}", "../fraud", "%REQ(authorization)%", "a.b", "a" * 64, "FRAUD", "ünï"):
        with pytest.raises(BadEndpoint):
            world.registry.endpoints.put(stable.replace("{name: fraud}", "{name: " + json.dumps(name) + "}"))
        with pytest.raises(BadEndpoint):
            world.registry.endpoints.put(stable.replace("stable: {version", json.dumps(name) + ": {version"))


def test_m09_a_client_cannot_write_lines(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(replace(endpoint, sticky=Sticky("x-user-id", "s")), 1, first_table({"stable": 10_000})))
    forged = '","code":500,"cluster":"default.fraud.canary","x":"'
    for _ in range(20):
        assert gateway.ask(PREDICT, {"x-user-id": forged}).status == 200
    eventually(lambda: Path(gateway.place.log).read_bytes().count(b"\n") >= 20)
    read = read_lines(Path(gateway.place.log).read_bytes())
    assert (len(read.lines), read.garbled) == (20, 0)
    assert {(line.arm, line.code, line.user) for line in read.lines} == {("stable", 200, forged)}
