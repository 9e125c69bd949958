"""What a business saw, joined to who answered, counted once; and pairs of a shadow, the same."""

import json
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from budwood.catalog.api import Transaction
from budwood.client.registry import Registry
from budwood.domain.limits import OBSERVATIONS_AT_ONCE
from budwood.domain.policy.evidence import EvidenceKind
from budwood.errors import LimitExceeded, RecordNotFound
from budwood.verbs.observations import count_observations
from budwood.verbs.shadows import take_captures
from budwood.verbs.taking_lines import take_lines
from budwood.verbs.which import which

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: fraud}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["http://127.0.0.1:8081"]}
    canary: {version: v2, backends: ["http://127.0.0.1:8082"]}
  sticky: {header: x-user-id}
  capture: {redact: [iban]}
"""
COMPARE = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: ab}
spec:
  steps: [{compare: 50%, metric: bought}]
  guardrails:
    - {watch: metric, metric: bought, kind: ratio}
    - {watch: sample-ratio}
  proof: false
  alpha: 0.05
"""
SHADOW = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: shadow}
spec:
  steps: [{shadow: 100%, hold: 1h}, {canary: 10%}]
  guardrails: [{watch: disagreement, limit: 0.05}]
  compare: {type: number, tolerance: 0.01, field: "outputs[0].data"}
  proof: false
"""
BY_REQUEST = ENDPOINT.replace("  sticky: {header: x-user-id}\n", "")


@pytest.fixture
def served(near: Registry, tmp_path: Path) -> Registry:
    for number in range(2):
        (tmp_path / "config.json").write_text(f'{{"layers": {number}}}')
        near.push(tmp_path / "config.json", "encoder")
    near.endpoints.put(ENDPOINT)
    return near


class Log:
    """What a gateway would write."""

    def __init__(self, registry: Registry) -> None:
        self.registry, self.read, self.captured = registry, 0, 0

    def came(self, users: range) -> None:
        """Each of these users is answered by the arm the table says."""
        content = b"".join(map(self.line, users))
        self.read = take_lines(self.registry.house, "edge", "a", self.read, content).read

    def line(self, user: int) -> bytes:
        """That one was answered."""
        with self.registry.house.catalog.read() as view:
            record = view.endpoint("default", "fraud")
            assert record is not None
            routing = view.routing(record.id, record.generation)
            assert routing is not None
        name = f"u{user}"
        arm = routing.table.arm_of(routing.body.sticky.salt, name) if routing.body.sticky else arm_of(user)
        said = {
            "at": time.time() + 0.001,
            "request": request(user),
            "endpoint": "default.fraud",
            "generation": routing.generation,
            "why": "split",
            "cluster": f"default.fraud.{arm}",
            "code": 200,
            "us": 900,
            "user": name if routing.body.sticky else "-",
        }
        return json.dumps(said).encode() + b"\n"

    def arm(self, user: int) -> str:
        with self.registry.house.catalog.read() as view:
            record = view.endpoint("default", "fraud")
            assert record is not None
            routing = view.routing(record.id, record.generation)
        assert routing is not None
        assert routing.body.sticky is not None
        return routing.table.arm_of(routing.body.sticky.salt, f"u{user}")

    def capture(self, number: int, side: str, answer: object, asked: str = "{}", code: int = 200) -> bytes:
        with self.registry.house.catalog.read() as view:
            record = view.endpoint("default", "fraud")
        assert record is not None
        body = json.dumps({"outputs": [{"data": answer}]})
        line = {
            "at": time.time(),
            "request": request(number),
            "side": side,
            "endpoint": "default.fraud",
            "generation": record.generation,
            "code": code,
            "us": 700 if side == "shadow" else 500,
            "cluster": f"default.fraud.{'canary' if side == 'shadow' else 'stable'}",
            "asked": asked,
            "answered": body,
            "answered_bytes": len(body),
        }
        return json.dumps(line).encode() + b"\n"

    def take(self, content: bytes) -> None:
        self.captured = take_captures(self.registry.house, "edge", "c", self.captured, content).read


def request(number: int) -> str:
    return str(uuid.UUID(int=number))


def arm_of(number: int) -> str:
    return "canary" if number % 2 else "stable"


def counted(registry: Registry) -> None:
    shown = registry.rollouts.show("fraud")
    while count_observations(registry.house, shown.rollout.id):
        pass


def bought(users: list[int], land: str = "de") -> list[dict[str, object]]:
    return [{"metric": "bought", "user": f"u{user}", "value": 1, "fields": {"land": land}} for user in users]


def test_a_request_is_known_as_long_as_the_setting_says(served: Registry) -> None:
    log, house = Log(served), served.house
    log.came(range(2))
    assert which(house, "default", request(1)).version == "encoder@v1"
    in_two_days = house.clock() + 2 * 86_400_000
    for days, is_known in ((3.0, True), (1.5, False)):
        later = replace(house, clock=lambda: in_two_days, requests_kept_s=days * 86_400)
        log.read = take_lines(later, "edge", "a", log.read, b"{}\n" * 2 + log.line(5)).read
        if is_known:
            assert which(later, "default", request(1)).request == request(1)
    with pytest.raises(RecordNotFound, match="knows of the request") as told:
        which(later, "default", request(1))
    assert "known for 1.5 days" in told.value.hint


def test_the_version_that_sells_more_wins(served: Registry) -> None:
    log = Log(served)
    served.rollouts.start("fraud", "encoder@v2", COMPARE)
    log.came(range(3_000))
    # The candidate's users buy in 30 % of cases, the baseline's in 10 %.
    buyers = [user for user in range(3_000) if user % 10 < (3 if log.arm(user) == "canary" else 1)]
    for land in ("de", "fr"):
        done = served.endpoints.observe(
            "fraud", bought([user for user in buyers if (user % 2 == 0) == (land == "de")], land)
        )
        assert done.garbled == 0
    counted(served)
    report = served.rollouts.report("fraud", segment="land")
    told = report.metrics[0]
    assert told.overall.says == "better"
    assert told.overall.effect == pytest.approx(0.2, abs=0.07)
    assert told.overall.low is not None
    assert told.overall.power is not None
    assert told.overall.low > 0
    assert told.overall.power > 0.9
    assert told.enough.startswith("enough")
    assert {each.segment for each in told.segments} == {"de", "fr"}
    assert told.overall.candidate_units + told.overall.baseline_units == pytest.approx(3_000, rel=0.01)
    assert report.ratio_holds
    shown = served.rollouts.promote("fraud", "it sells more")
    assert shown.rollout.state == "promoted"
    for number, arm in ((2, "candidate"), (1, "baseline")):
        kept = [each for each in served.gates.evidence(f"encoder@v{number}") if each.kind is EvidenceKind.AB_TEST]
        assert [each.details["arm"] for each in kept] == [arm]
        assert kept[0].intervals["bought effect"].low > 0


def test_two_alike_stay_unclear_and_how_many_more_are_needed_is_told(served: Registry) -> None:
    log = Log(served)
    served.rollouts.start("fraud", "encoder@v2", COMPARE)
    log.came(range(2_000))
    served.endpoints.observe("fraud", bought([user for user in range(2_000) if user % 10 == 0]))
    counted(served)
    told = served.rollouts.report("fraud").metrics[0]
    assert told.overall.says == "unclear"
    assert told.enough.startswith("not enough")


def test_each_user_counts_once_and_each_observation_once(served: Registry) -> None:
    log = Log(served)
    served.rollouts.start("fraud", "encoder@v2", COMPARE)
    log.came(range(200))
    log.came(range(200))
    buyers = list(range(100))
    for _ in range(3):
        served.endpoints.observe("fraud", bought(buyers))
        counted(served)
    counted(served)
    house = served.house
    with house.catalog.read() as view:
        tally = view.counted(1).tally
    # Names are hashed with a secret of each registry into a fixed number of bits: now and then two users share one.
    assert sum(mean.units for mean in tally.metrics["bought"]) == pytest.approx(100, abs=2)
    assert sum(tally.exposed) == pytest.approx(200, abs=3)


def test_garbled_observations_are_counted_and_say_nothing(served: Registry) -> None:
    lines = ["<html>", "{}", '{"metric": "bought", "user": "u1", "value": NaN}', '{"metric": "bought", "user": ""}']
    lines += ['{"metric": "bought", "request": "x"}', '{"metric": "bought", "user": "u1", "at": 99999999999999}']
    assert served.endpoints.observe_lines("fraud", lines).garbled == len(lines)
    with pytest.raises(LimitExceeded):
        served.endpoints.observe_lines("fraud", ["{}"] * (OBSERVATIONS_AT_ONCE + 1))
    with pytest.raises(RecordNotFound):
        served.endpoints.observe_lines("nowhere", [])


def test_no_users_name_is_kept(served: Registry) -> None:
    served.endpoints.observe("fraud", [{"metric": "bought", "user": "mara@example.org"}])
    with served.house.catalog.read() as view:
        record = view.endpoint("default", "fraud")
        assert record is not None
        kept = view.observations(record.id)[0][1]
    assert "mara" not in kept.unit
    assert len(kept.unit) == 16


def test_an_observation_waits_for_the_request_it_belongs_to(served: Registry) -> None:
    served.endpoints.put(BY_REQUEST)
    log = Log(served)
    served.rollouts.start("fraud", "encoder@v2", COMPARE)
    served.endpoints.observe("fraud", [{"metric": "bought", "request": request(number)} for number in range(1, 61)])
    counted(served)
    with served.house.catalog.read() as view:
        assert view.counted(1).seen_to == 0
    log.came(range(1, 101))
    counted(served)
    with served.house.catalog.read() as view:
        tally = view.counted(1).tally
    assert [mean.units for mean in tally.metrics["bought"]] == pytest.approx([30, 30], abs=2)
    assert tally.exposed == pytest.approx((50, 50), abs=2)


def test_pairs_are_joined_across_pieces_compared_and_counted_once(served: Registry) -> None:
    log = Log(served)
    served.rollouts.start("fraud", "encoder@v2", SHADOW)
    log.take(
        b"".join(
            log.capture(number, "shadow", 0.5 if number < 10 else 0.7, '{"iban": "SECRET"}') for number in range(20)
        )
    )
    log.take(b"<html>\n" + b"".join(log.capture(number, "baseline", 0.5, '{"iban": "SECRET"}') for number in range(20)))
    again = take_captures(served.house, "edge", "c", 0, log.capture(1, "baseline", 0.5))
    assert again.read == log.captured
    shown = served.rollouts.show("fraud")
    assert (shown.pairs, shown.disagreed) == (20, 10)
    assert [figures.requests for figures in shown.copied] == [20, 20]
    page = served.rollouts.disagreements("fraud")
    assert [each.number for each in page.disagreements] == list(range(1, 11))
    assert page.disagreements[0].detail == "0.2 apart, 0.01 may be"
    assert "SECRET" not in json.dumps([each.asked for each in page.disagreements])
    assert "[redacted]" in page.disagreements[0].asked


def test_what_the_baseline_got_wrong_is_held_against_nobody(served: Registry) -> None:
    log = Log(served)
    served.rollouts.start("fraud", "encoder@v2", SHADOW)
    log.take(log.capture(1, "baseline", 0.5, code=500) + log.capture(1, "shadow", 0.5))
    log.take(log.capture(2, "baseline", "high") + log.capture(2, "shadow", 0.5))
    log.take(log.capture(3, "baseline", 0.5) + log.capture(3, "shadow", 0.5, code=503))
    shown = served.rollouts.show("fraud")
    assert (shown.pairs, shown.disagreed) == (1, 1)


def test_a_side_that_waited_too_long_is_forgotten(served: Registry) -> None:
    log = Log(served)
    served.rollouts.start("fraud", "encoder@v2", SHADOW)
    log.take(log.capture(1, "shadow", 0.5))

    def later(transaction: Transaction) -> int:
        return transaction.forget_waiting(before_ms=1 << 60)

    assert served.house.catalog.write(later) == 1
