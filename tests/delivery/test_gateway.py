"""A real gateway does with requests what its routing says."""

import json
import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from budwood.delivery.gateway import process
from budwood.delivery.xds.snapshot import ROUTES, RUNTIME, Resource, Resources, Snapshot, snapshot
from budwood.domain.traffic.endpoint import Endpoint, Routing, Rule, Sticky
from budwood.domain.traffic.segments import first_table, moved_to

from .conftest import Gateway, Says, eventually

PREDICT = "/predict/fraud"


def test_the_split_decides_and_the_answer_says_who_it_was(gateway: Gateway, endpoint: Endpoint) -> None:
    table = first_table({"stable": 7_000, "canary": 3_000})
    assert gateway.obey(Routing(endpoint, 7, table)) == {}
    answers = [gateway.ask(PREDICT) for _ in range(400)]
    seen = Counter(answer.arm for answer in answers)
    assert 60 < seen["canary"] < 180
    assert seen["canary"] + seen["stable"] == 400
    for answer in answers:
        number = {"stable": 1, "canary": 2}[answer.arm]
        assert answer.headers["x-budwood-version"] == f"fraud-detector@v{number}"
        assert answer.headers["x-budwood-generation"] == "7"
        assert answer.path == "/v2/models/fraud-detector/infer"
        assert len(answer.headers["x-request-id"]) == 36


def test_users_go_where_they_are_told_offline(gateway: Gateway, endpoint: Endpoint) -> None:
    endpoint = replace(endpoint, sticky=Sticky("x-user-id", "salt-1"))
    table = first_table({"canary": 500, "third": 500, "stable": 9_000})
    gateway.obey(Routing(endpoint, 1, table))
    users = [f"user-{number}" for number in range(1_500)]
    before = {user: gateway.ask(PREDICT, {"x-user-id": user}).arm for user in users}
    assert before == {user: table.arm_of("salt-1", user) for user in users}
    grown = moved_to(table, {"canary": 2_000, "third": 500, "stable": 7_500})
    gateway.obey(Routing(endpoint, 2, grown))
    after = {user: gateway.ask(PREDICT, {"x-user-id": user}).arm for user in users}
    assert after == {user: grown.arm_of("salt-1", user) for user in users}
    moved = {(before[user], after[user]) for user in users if before[user] != after[user]}
    assert moved == {("stable", "canary")}


def test_a_pinned_version_answers_whatever_the_split(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    assert gateway.ask("/predict/fraud/v2").arm == "canary"
    assert gateway.ask("/predict/fraud/1.1.0").arm == "canary"
    assert gateway.ask("/predict/fraud/champion").arm == "stable"
    assert gateway.ask("/v2/models/fraud/versions/2/infer").arm == "canary"
    assert gateway.ask("/v2/models/fraud/infer").arm == "stable"
    assert gateway.ask("/predict/fraud/v9").status == 404
    assert gateway.ask("/predict/other").status == 404


def test_a_rule_sends_whom_it_names(gateway: Gateway, endpoint: Endpoint) -> None:
    endpoint = replace(endpoint, rules=(Rule("x-group", "internal", "canary"),))
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    assert gateway.ask(PREDICT, {"x-group": "internal"}).arm == "canary"
    assert gateway.ask(PREDICT, {"x-group": "external"}).arm == "stable"


def test_the_kill_switch_is_one_message_and_wins_over_rules(gateway: Gateway, endpoint: Endpoint) -> None:
    endpoint = replace(endpoint, rules=(Rule("x-group", "internal", "canary"),))
    routing = Routing(endpoint, 1, first_table({"canary": 10_000}))
    gateway.obey(routing)
    assert gateway.ask(PREDICT).arm == "canary"
    before = snapshot(gateway.place, {routing.key: routing})
    killed = replace(routing, killed=True)
    after = snapshot(gateway.place, {killed.key: killed})
    changed = [kind for kind in after.resources if after.version(kind) != before.version(kind)]
    assert changed == [RUNTIME]
    gateway.obey(killed)
    assert {gateway.ask(PREDICT, {"x-group": "internal"}).arm for _ in range(50)} == {"stable"}
    assert gateway.ask("/predict/fraud/v2").arm == "canary"


def test_headers_that_are_ours_cannot_be_sent(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    heard = gateway.ask(PREDICT, {"x-budwood-tenant": "acme", "x-budwood-version": "x@v9", "x-budwood-user": "u"}).heard
    assert "x-budwood-tenant" not in heard
    assert "x-budwood-user" not in heard
    assert heard["x-budwood-version"] == "fraud-detector@v1"


def test_what_it_refuses_never_takes_effect_and_is_told(gateway: Gateway, endpoint: Endpoint) -> None:
    routing = Routing(endpoint, 1, first_table({"stable": 10_000}))
    gateway.obey(routing)
    broken = replace(endpoint, sticky=Sticky("bad header name\n", "s"))
    bad = snapshot(gateway.place, {routing.key: Routing(broken, 2, first_table({"stable": 10_000}))})
    refused = gateway.told(bad)
    assert list(refused) == [ROUTES]
    assert gateway.control.nodes["gateway-1"].refused[ROUTES]
    answer = gateway.ask(PREDICT)
    assert (answer.arm, answer.headers["x-budwood-generation"]) == ("stable", "1")
    good = replace(routing, generation=3)
    assert gateway.obey(good) == {}
    assert gateway.ask(PREDICT).headers["x-budwood-generation"] == "3"


def test_it_goes_on_when_its_control_plane_is_gone(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    gateway.on.run(gateway.server.stop(None))
    assert {gateway.ask(PREDICT).status for _ in range(50)} == {200}


def test_it_does_not_end_with_whoever_started_it(gateway: Gateway) -> None:
    running = process.running(gateway.folder)
    assert running is not None
    parent = int(Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != os.getpid()


def test_a_new_process_takes_over_without_losing_a_request(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    boot = (gateway.folder / "boot.json").read_bytes()
    old = process.running(gateway.folder)
    new = process.replace(gateway.folder, boot, process.program())
    assert old is not None
    assert (new.epoch, new.base_id) == (1, old.base_id)
    assert new.pid != old.pid
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert gateway.ask(PREDICT).status == 200


def test_every_request_leaves_a_line(gateway: Gateway, endpoint: Endpoint) -> None:
    endpoint = replace(endpoint, sticky=Sticky("x-user-id", "s"))
    gateway.obey(Routing(endpoint, 4, first_table({"canary": 10_000})))
    answer = gateway.ask(PREDICT, {"x-user-id": "mara"})
    eventually(lambda: Path(gateway.place.log).read_text().endswith("\n"))
    (line,) = [json.loads(line) for line in Path(gateway.place.log).read_text().splitlines()]
    assert line["request"] == answer.headers["x-request-id"]
    assert (line["endpoint"], line["why"], line["code"]) == ("default.fraud", "split", 200)
    assert float(line["generation"]) == 4
    assert line["cluster"] == "default.fraud.canary"
    assert line["user"] == "mara"
    assert 0 < line["us"] < 5_000_000


def test_a_backend_that_fails_is_tried_elsewhere_only_if_asked(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    backends["stable"].answers = 503
    assert gateway.ask(PREDICT).status == 503


@pytest.mark.parametrize("path", ["/predict/../predict/fraud", "//predict//fraud", "/predict/fraud/"])
def test_a_path_is_read_once(gateway: Gateway, endpoint: Endpoint, path: str) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    assert gateway.ask(path).status in (200, 404)


def test_a_snapshot_that_says_the_same_has_the_same_version(gateway: Gateway, endpoint: Endpoint) -> None:
    one, two = (snapshot(gateway.place, {"x": Routing(endpoint, 1, first_table({"stable": 10_000}))}) for _ in range(2))
    assert one == two
    a, b, ab = (Resource.of("n", body) for body in (b"a", b"b", b"ab"))
    assert Snapshot({"k": Resources.of([a, b])}) != Snapshot({"k": Resources.of([ab])})
