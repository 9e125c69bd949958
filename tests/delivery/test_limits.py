"""How often, how long, how many at once, and what happens when a backend fails."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import budwood
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.domain.traffic.endpoint import Arm, Backend, Breaker, Endpoint, KeyAuth, Rate, Retry, Routing
from budwood.domain.traffic.records import GatewayRecord
from budwood.domain.traffic.segments import first_table
from budwood.server.control import ControlPlane
from budwood.verbs.rate_sharing import sharers

from .conftest import Client, Gateway, Says, eventually, free_port

PREDICT = "/predict/fraud"
ALL = first_table({"stable": 10_000})
KEYS = KeyAuth("x-api-key", {f"key-{name}": name for name in ("acme", "zeta", "beta")})


def to(endpoint: Endpoint, *backends: Backend, health: str = "") -> Endpoint:
    arm = Arm("stable", 1, "aa" * 32, backends, health=health)
    return replace(endpoint, arms=(arm, *endpoint.arms[1:]))


def statuses(gateway: Gateway, count: int, **headers: str) -> Counter[int]:
    return Counter(gateway.ask(PREDICT, headers).status for _ in range(count))


def test_every_tenant_has_a_rate_of_its_own(gateway: Gateway, endpoint: Endpoint) -> None:
    limited = replace(endpoint, keys=KEYS, rate=Rate(5, 3_600), tenant_rates={"acme": Rate(20, 3_600)})
    gateway.obey(Routing(limited, 1, ALL))
    assert statuses(gateway, 30, **{"x-api-key": "key-acme"}) == {200: 20, 429: 10}
    assert statuses(gateway, 10, **{"x-api-key": "key-zeta"}) == {200: 5, 429: 5}
    assert statuses(gateway, 10, **{"x-api-key": "key-beta"}) == {200: 5, 429: 5}
    refused = gateway.ask(PREDICT, {"x-api-key": "key-zeta"})
    assert refused.said["error"]["code"] == 429
    assert refused.headers["x-ratelimit-limit"].startswith("5")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-reset"]) > 0


def test_without_tenants_a_rate_is_for_all(gateway: Gateway, endpoint: Endpoint) -> None:
    free = replace(endpoint, name="free")
    gateway.obey(Routing(replace(endpoint, rate=Rate(7, 3_600)), 1, ALL), Routing(free, 1, ALL))
    assert statuses(gateway, 10, **{"x-budwood-tenant": "somebody"}) == {200: 7, 429: 3}
    assert {gateway.ask("/predict/free").status for _ in range(20)} == {200}


def test_only_tenants_with_a_rate_are_counted_where_there_is_no_other(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(replace(endpoint, keys=KEYS, tenant_rates={"acme": Rate(3, 3_600)}), 1, ALL))
    assert statuses(gateway, 5, **{"x-api-key": "key-acme"}) == {200: 3, 429: 2}
    assert statuses(gateway, 20, **{"x-api-key": "key-zeta"}) == {200: 20}


def test_a_rate_is_refilled(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(replace(endpoint, rate=Rate(2, 1)), 1, ALL))
    statuses(gateway, 10)
    eventually(lambda: gateway.ask(PREDICT).status == 200)


def test_a_request_is_sent_again_to_another_backend(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    dead = Backend("127.0.0.1", free_port())
    two = to(endpoint, dead, backends["stable"].backend)
    gateway.obey(Routing(replace(two, retry=Retry(2)), 1, ALL))
    assert statuses(gateway, 30) == {200: 30}
    gateway.obey(Routing(replace(two, breaker=Breaker(ejects_after=1_000)), 2, ALL))
    assert statuses(gateway, 30)[503] > 5


def test_an_error_is_sent_again_only_where_it_is_asked_for(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    backends["third"].answers = 500
    two = to(endpoint, backends["third"].backend, backends["stable"].backend)
    calm = Breaker(ejects_after=1_000)
    gateway.obey(Routing(replace(two, retry=Retry(2), breaker=calm), 1, ALL))
    assert statuses(gateway, 20)[500] > 3
    gateway.obey(Routing(replace(two, retry=Retry(2, on_server_errors=True), breaker=calm), 2, ALL))
    assert statuses(gateway, 20) == {200: 20}


def test_a_backend_that_fails_again_and_again_rests(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    backends["third"].answers = 500
    two = to(endpoint, backends["third"].backend, backends["stable"].backend)
    gateway.obey(Routing(replace(two, breaker=Breaker(ejects_after=3)), 1, ALL))
    assert statuses(gateway, 20)[500] >= 3
    eventually(lambda: statuses(gateway, 20) == {200: 20})


def test_a_backend_that_says_it_is_not_well_is_not_asked(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    backends["third"].answers = 503
    two = to(endpoint, backends["third"].backend, backends["stable"].backend, health="/healthy")
    gateway.obey(Routing(replace(two, breaker=Breaker(ejects_after=1_000)), 1, ALL))
    assert statuses(gateway, 30) == {200: 30}


def test_what_is_too_much_at_once_is_refused_at_once(gateway: Gateway, endpoint: Endpoint, hangs: Backend) -> None:
    narrow = Breaker(connections=2, pending=1, requests=2)
    gateway.obey(Routing(replace(to(endpoint, hangs), breaker=narrow, timeout_s=1), 1, ALL))

    def ask(_: int) -> int:
        client = Client(gateway.place)
        status = client.ask(PREDICT).status
        client.close()
        return status

    with ThreadPoolExecutor(12) as pool:
        seen = Counter(pool.map(ask, range(12)))
    assert seen[503] >= 9
    assert seen[503] + seen[504] == 12


def test_a_backend_that_hangs_is_given_up(gateway: Gateway, endpoint: Endpoint, hangs: Backend) -> None:
    gateway.obey(Routing(replace(to(endpoint, hangs), timeout_s=1), 1, ALL))
    began = time.monotonic()
    answer = gateway.ask(PREDICT)
    assert (answer.status, answer.said["error"]["code"]) == (504, 504)
    assert time.monotonic() - began > 0.9


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: nine\r\n\r\n",
        b"\x00" * 70_000,
    ],
)
def test_a_backend_that_answers_garbage_or_dies_is_an_error(
    one_gateway: Gateway, one_endpoint: Endpoint, says: bytes
) -> None:
    with speaks(says) as backend:
        one_gateway.obey(Routing(to(one_endpoint, backend), len(says) + 1, ALL))
        answer = one_gateway.ask(PREDICT)
        assert answer.status in (502, 503)
        assert answer.said["error"]["message"]
    one_gateway.obey(Routing(one_endpoint, 100_000 + len(says), ALL))
    assert one_gateway.ask(PREDICT).status == 200


def test_headers_are_added_both_ways(gateway: Gateway, endpoint: Endpoint) -> None:
    more = replace(endpoint, add_request_headers={"x-team": "risk"}, add_response_headers={"x-served-by": "edge"})
    gateway.obey(Routing(more, 1, ALL))
    answer = gateway.ask(PREDICT, {"x-team": "other"})
    assert (answer.heard["x-team"], answer.headers["x-served-by"]) == ("risk", "edge")


class speaks:  # noqa: N801  (it is used like a function)
    """A backend that says these bytes to whoever connects, and closes; nothing means that it only listens."""

    def __init__(self, said: bytes, *, hangs: bool = False) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._said, self._hangs, self._held = said, hangs, list[socket.socket]()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Backend:
        return Backend("127.0.0.1", self._socket.getsockname()[1])

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        for each in self._held:
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                asked, _ = self._socket.accept()
            except OSError:
                return
            if self._hangs:
                self._held.append(asked)
                continue
            asked.recv(65_536)
            asked.sendall(self._said)
            asked.close()


@pytest.fixture
def hangs() -> Iterator[Backend]:
    with speaks(b"", hangs=True) as backend:
        yield backend


def test_gateways_share_a_rate(one_gateway: Gateway, one_endpoint: Endpoint) -> None:
    limited = replace(one_endpoint, keys=KEYS, rate=Rate(10, 3_600), tenant_rates={"acme": Rate(2, 3_600)})
    assert one_gateway.obey(Routing(limited, 500_000, ALL, sharers=3)) == {}
    assert statuses(one_gateway, 10, **{"x-api-key": "key-acme"}) == {200: 1, 429: 9}
    assert statuses(one_gateway, 10, **{"x-api-key": "key-zeta"}) == {200: 4, 429: 6}
    one_gateway.obey(Routing(limited, 500_000, ALL, sharers=1))
    assert statuses(one_gateway, 20, **{"x-api-key": "key-zeta"}) == {200: 10, 429: 10}


def test_the_parts_of_a_rate_are_the_rate() -> None:
    for count, seconds, by in ((100, 60, 3), (1, 86_400, 7), (10_000_000, 1, 20), (5, 60, 5)):
        part = Rate(count, seconds).shared(by)
        assert part.count / part.seconds * by == pytest.approx(count / seconds)
        assert count <= part.count * by < count + by


def test_a_gateway_that_comes_and_goes_changes_the_parts_of_a_rate(tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        now = [1_000_000]
        catalog = registry.house.catalog

        def share() -> int:
            with catalog.read() as view:
                return sharers(view, now[0])

        def put(name: str, *, connected: bool) -> None:
            record = GatewayRecord(name, seen_ms=now[0], connected=connected)
            catalog.write(lambda transaction: transaction.put_gateway(record))

        assert share() == 1
        for name in ("a", "b", "c"):
            put(name, connected=True)
        assert share() == 3
        put("a", connected=False)
        now[0] += 59_000
        assert share() == 3
        now[0] += 2_000
        assert share() == 2


RATED = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: fraud}}
spec:
  model: fraud
  arms:
    stable: {{version: v1, backends: ["http://127.0.0.1:{port}"]}}
  rate: {{requests: 20, per: 1h}}
"""


def test_two_gateways_together_let_one_rate_through(tmp_path: Path, backends: dict[str, Says]) -> None:
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        (tmp_path / "config.json").write_text("{}")
        registry.push(tmp_path / "config.json", "fraud")
        control = ControlPlane(registry.house)
        control.start()
        places = []
        for name in ("a", "b"):
            folder = tmp_path / name
            folder.mkdir()
            places.append(place := Place("127.0.0.1", free_port(), str(folder / "access.log")))
            home = Backend("127.0.0.1", control.port)
            process.start(folder, written(boot(name, place, home, str(folder / "admin.sock"))), process.program())
        clients = [Client(place) for place in places]
        try:
            eventually(lambda: sum(each.connected for each in registry.gateways.list()) == 2)
            registry.endpoints.put(RATED.format(port=backends["stable"].backend.port))
            control.moved()
            eventually(lambda: control.generation("default.fraud") == 1)
            seen = Counter(client.ask(PREDICT).status for client in clients for _ in range(20))
            assert seen == {200: 20, 429: 20}
        finally:
            for client in clients:
                client.close()
            for name in ("a", "b"):
                process.stop(tmp_path / name)
            control.close()
