"""Guessing tokens is slowed, and a namespace is asked no more often than its quota; nobody else waits for it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import budwood
from budwood.domain.limits import BAD_TOKENS_A_MINUTE
from budwood.domain.people import Quota
from budwood.errors import TooManyRequests
from budwood.server.counts import Bucket, SharedCounts
from budwood.server.rates import QUOTA_SEEN_MS, Rates
from tests.server.conftest import Running, Start


@pytest.fixture
def limited(start: Start, make_team: Callable[[], Path]) -> Running:
    folder = make_team()
    with budwood.connect(folder, create=False) as registry:
        registry.house.catalog.write(lambda transaction: transaction.set_quota("ours", Quota(requests=5)))
    return start(folder)


def test_guessing_is_slowed_and_nobody_is_locked_out(limited: Running) -> None:
    wrong = "bw_" + "x" * 43
    seen = [limited.ask("GET", "/v1/whoami", token=wrong).status for _ in range(BAD_TOKENS_A_MINUTE + 20)]
    assert seen[0] == 401
    assert seen[-1] == 429
    refused = limited.ask("GET", "/v1/whoami", token=wrong)
    assert (refused.problem["code"], int(refused.headers["retry-after"]) > 0) == ("too_many_requests", True)
    assert limited.ask("GET", "/v1/whoami", by="reader").status == 200


def test_a_namespace_is_asked_no_more_often_than_its_quota(limited: Running) -> None:
    seen = [limited.ask("GET", "/v1/models/ours/m/log", by="admin").status for _ in range(60)]
    assert 429 in seen
    assert limited.ask("GET", "/v1/models/theirs/m/log", by="admin").status != 429


def test_what_gathered_is_bounded_and_comes_back() -> None:
    now = [1_000_000]
    with budwood.in_memory(clock=lambda: now[0]) as registry:
        registry.house.catalog.write(lambda transaction: transaction.set_quota("default", Quota(requests=3)))
        rates = Rates(registry.house)
        for _ in range(3):
            rates.request("default")
        with pytest.raises(TooManyRequests):
            rates.request("default")
        now[0] += 1000
        for _ in range(3):
            rates.request("default")
        registry.house.catalog.write(lambda transaction: transaction.set_quota("default", Quota()))
        now[0] += QUOTA_SEEN_MS
        for _ in range(100):
            rates.request("default")
        rates.request("nowhere")


def test_the_processes_of_one_port_count_together(tmp_path: Path) -> None:
    now = [1_000_000]
    with budwood.in_memory(clock=lambda: now[0]) as registry:
        registry.house.catalog.write(lambda transaction: transaction.set_quota("default", Quota(requests=10)))
        processes = [Rates(registry.house, SharedCounts(tmp_path)) for _ in range(4)]
        for turn in range(10):
            processes[turn % 4].request("default")
        for rates in processes:
            with pytest.raises(TooManyRequests):
                rates.request("default")
        now[0] += 100
        processes[3].request("default")
        with pytest.raises(TooManyRequests):
            processes[0].request("default")


def test_more_names_than_there_is_room_for_forget_the_oldest(tmp_path: Path) -> None:
    counts = SharedCounts(tmp_path)
    for number in range(40_000):
        counts.put(f"n{number}", Bucket(float(number), number))
    assert counts.get("n39999") == Bucket(39_999.0, 39_999)
    assert sum(counts.get(f"n{number}") is not None for number in range(40_000)) <= 1 << 14
    assert (tmp_path / "rates").stat().st_size < 1 << 20


def test_a_quota_holds_over_several_processes(start: Start, make_team: Callable[[], Path]) -> None:
    folder = make_team()
    with budwood.connect(folder, create=False) as registry:
        registry.house.catalog.write(lambda transaction: transaction.set_quota("ours", Quota(requests=10)))
    server = start(folder, "--processes", "3")
    answered = 0
    began = time.monotonic()
    for _ in range(120):
        # A connection each, so that they come to any of the processes.
        answered += (
            server.ask("GET", "/v1/models/ours/m/log", by="admin", headers={"Connection": "close"}).status != 429
        )
    assert answered <= 10 + 10 * (time.monotonic() - began) + 3
