"""A wire that is cut, a server that is killed: what was sent is not sent again, but for what was on its way."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import BudwoodError, ServerUnreachable

pytestmark = pytest.mark.usefixtures("impatient")
POINTS = sorted(random.Random(20).sample(range(10, 990), 20))


@pytest.mark.parametrize("point", POINTS)
def test_a_cut_sends_little_again(
    shared_server: Any,
    new_wire: Callable[..., Any],
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
    point: int,
) -> None:
    seed = POINTS.index(point)
    folder = model(seed, megabytes=9)
    wire = new_wire(shared_server, cut_at=point * 8_000)
    with shared_server.as_("ruth", wire.url) as registry:
        pushed = registry.push(folder, f"red/m{seed}")
        assert wire.sent_bytes >= wire.cut_at
        again = wire.sent_bytes - pushed.stored_bytes
        assert again <= BLOCK_BYTES + 0.05 * pushed.logical_bytes
        registry.pull(f"red/m{seed}", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(folder)


@pytest.mark.parametrize("point", POINTS[::7])
def test_a_push_that_failed_goes_on_where_it_was(
    shared_server: Any, new_wire: Callable[..., Any], model: Callable[..., Path], point: int
) -> None:
    seed = 100 + POINTS.index(point)
    folder = model(seed, megabytes=9)
    first = new_wire(shared_server, cut_at=point * 8_000, dead_after_cut=True)
    with shared_server.as_("ruth", first.url) as registry, pytest.raises(ServerUnreachable):
        registry.push(folder, f"red/m{seed}")
    second = new_wire(shared_server)
    with shared_server.as_("ruth", second.url) as registry:
        registry.push(folder, f"red/m{seed}")
        whole = new_wire(shared_server)
    with shared_server.as_("bert", whole.url) as registry:
        registry.push(folder, f"blue/m{seed}")
    again = first.sent_bytes + second.sent_bytes - whole.sent_bytes
    assert again <= BLOCK_BYTES + 0.05 * 9e6


def test_a_killed_server_resumes_when_it_is_back(
    server: Any,
    new_wire: Callable[..., Any],
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    folder = model(1, megabytes=14)
    sent = []
    for share in (0.3, 0.5):
        wire = new_wire(server, cut_at=int(share * 12_000_000), dead_after_cut=True, on_cut=server.kill)
        with server.as_("ruth", wire.url) as registry, pytest.raises(BudwoodError):
            registry.push(folder, "red/m")
        sent.append(wire.sent_bytes)
        server.start()
    wire = new_wire(server)
    with server.as_("ruth", wire.url) as registry, server.as_("ada") as admin:
        pushed = registry.push(folder, "red/m")
        assert pushed.stored_bytes < 12_000_000 - 2 * BLOCK_BYTES
        registry.pull("red/m", tmp_path / "out")
        assert admin.verify(read_data=True).problems == ()
        admin.sweep(grace_s=0)
        assert admin.verify(read_data=True).problems == ()
    assert contents(tmp_path / "out") == contents(folder)
    whole = sent[0] + sent[1] + wire.sent_bytes
    assert whole <= 13_100_000 + 2 * (BLOCK_BYTES + 0.05 * 14e6)


def test_a_pull_goes_on_over_a_cut(
    shared_server: Any,
    new_wire: Callable[..., Any],
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    folder = model(77, megabytes=9)
    with shared_server.as_("ruth") as registry:
        registry.push(folder, "red/pulled")
    wire = new_wire(shared_server)
    with shared_server.as_("ruth", wire.url) as registry:
        registry.get("red/pulled")
        threading.Timer(0.05, wire._cut).start()
        registry.pull("red/pulled", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(folder)
