"""Work on tiers in the background of a server: it is done, by one of many, and rests when it is told to."""

import os
import threading
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import StorageTier
from budwood.server.tier_work import TierWork
from budwood.verbs.lease import is_pushed_to, leased
from budwood.verbs.tiers.pace import NICENESS, Pace, step_back
from budwood.verbs.tiers.worker import TIERING
from tests.waiting import eventually

POLICY = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {push: raw, rules: [{tier: warm}]}\n"
PATIENCE_S = 60.0


def tier_of(registry: Registry) -> StorageTier | None:
    with registry.house.catalog.read() as view:
        state = view.tier_state(1)
    return state.tier if state else None


@pytest.fixture
def pushed(tmp_path: Path) -> Registry:
    source = tmp_path / "model"
    source.mkdir()
    (source / "vocabulary.txt").write_text("".join(f"word {number}\n" for number in range(20_000)))
    registry = budwood.in_memory(author="mara")
    registry.tiers.put_policy(POLICY)
    registry.push(source, "encoder")
    return registry


def test_versions_are_brought_to_where_they_belong_without_being_asked(pushed: Registry) -> None:
    before = pushed.stats().stored_bytes
    workers = [TierWork(pushed.house, 1.0, looking_s=0.01) for _ in range(2)]
    for worker in workers:
        worker.start()
    eventually(lambda: tier_of(pushed) is StorageTier.WARM)
    for worker in workers:
        worker.close()
    assert pushed.stats().stored_bytes < before
    assert [entry.action for entry in pushed.ledger()].count("version.tier-changed") == 1
    with pushed.house.catalog.read() as view:
        assert [lease for lease in view.leases(now_ms=pushed.house.clock()) if lease.holder == TIERING] == []
    assert pushed.verify(read_data=True).problems == ()


def test_nothing_is_done_while_it_is_paused(pushed: Registry) -> None:
    pushed.tiers.pause()
    worker = TierWork(pushed.house, 1.0, looking_s=0.01)
    worker.start()
    looked = threading.Event()
    looked.wait(0.1)
    assert tier_of(pushed) is None
    pushed.tiers.resume()
    eventually(lambda: tier_of(pushed) is StorageTier.WARM)
    worker.close()


def test_a_worker_ends_when_it_is_told_to_although_it_rests(pushed: Registry) -> None:
    worker = TierWork(pushed.house, 0.5, looking_s=3600)
    worker.start()
    closing = threading.Thread(target=worker.close, daemon=True)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()


def test_a_share_of_the_time_is_rested_away() -> None:
    now, rests = [0.0], list[float]()

    def wait(seconds: float) -> bool:
        rests.append(seconds)
        return False

    pace = Pace(0.25, now=lambda: now[0], wait=wait)
    pace.begin()
    now[0] += 2.0
    assert pace.rest()
    assert rests == [6.0]
    hurried = Pace(1.0, now=lambda: now[0], wait=wait, until=5.0)
    hurried.begin()
    assert hurried.rest()
    now[0] = 5.0
    assert not hurried.rest()
    assert rests == [6.0]


def test_while_somebody_pushes_a_tenth_of_the_share_is_worked(pushed: Registry) -> None:
    now, rests, house = [0.0], list[float](), pushed.house

    def wait(seconds: float) -> bool:
        rests.append(seconds)
        return False

    pace = Pace(0.5, now=lambda: now[0], wait=wait, yields=lambda: is_pushed_to(house))
    with leased(house, "sweep") as other:
        pace.begin()
        now[0] += 1.0
        assert pace.rest()
        other.drop()
    assert rests == [1.0]
    with leased(house, "push default/encoder") as lease:
        now[0] += 1.0
        assert pace.rest()
        lease.drop()
    assert rests == pytest.approx([1.0, 1.0, 18.0])
    now[0] += 1.0
    assert pace.rest()
    assert rests == pytest.approx([1.0, 1.0, 18.0, 1.0])


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="threads have priorities of their own on Linux")  # noqa: PTH110
def test_only_the_thread_that_steps_back_does(pushed: Registry) -> None:
    found: list[int] = []

    def work() -> None:
        step_back()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
