"""Bytes that one server sent are not sent again by another: two real servers, one machine."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from budwood.errors import BudwoodError

MEGABYTES = 9


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setenv("BUDWOOD_CACHE_GB", "1")


def test_a_second_server_sends_little_of_a_model_that_the_first_one_sent(
    pair: Sequence[Any],
    new_wire: Callable[..., Any],
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    folder = model(1, megabytes=MEGABYTES)
    received = []
    for number, server in enumerate(pair):
        with server.as_("ruth") as registry:
            registry.push(folder, "red/m")
        wire = new_wire(server)
        with server.as_("ruth", wire.url) as registry:
            pulled = registry.pull("red/m", tmp_path / f"out-{number}")
        assert contents(tmp_path / f"out-{number}") == contents(folder)
        received.append((wire.received_bytes, pulled.cached_bytes))
    (first, first_cached), (second, second_cached) = received
    assert first > MEGABYTES * 600_000
    assert first_cached == 0
    # Its manifest, with the machine's packages, is most of it.
    assert second < first / 50
    assert second_cached > 0.99 * MEGABYTES * 1_000_000


def test_the_base_of_a_fine_tune_is_fetched_from_its_own_server_once(
    pair: Sequence[Any], new_wire: Callable[..., Any], model: Callable[..., Path]
) -> None:
    server, _ = pair
    with server.as_("ruth") as registry:
        registry.push(model(2, megabytes=MEGABYTES), "red/tuned")
    wire = new_wire(server)
    received = []
    for moved in (1e-5, 2e-6):
        before = wire.received_bytes
        with server.as_("ruth", wire.url) as registry:
            pushed = registry.push(model(2, megabytes=MEGABYTES, moved=moved), "red/tuned", parents=["red/tuned@v1"])
        assert pushed.stored_bytes < MEGABYTES * 300_000
        received.append(wire.received_bytes - before)
    assert received[0] > MEGABYTES * 200_000
    assert received[1] < received[0] / 10


def test_blocks_of_another_server_are_no_bases_for_a_push(
    pair: Sequence[Any], new_wire: Callable[..., Any], model: Callable[..., Path], tmp_path: Path
) -> None:
    one, other = pair
    base = model(3, megabytes=MEGABYTES)
    for server in pair:
        with server.as_("ruth") as registry:
            registry.push(base, "red/lent")
    with one.as_("ruth") as registry:
        registry.pull("red/lent", tmp_path / "out")
    wire = new_wire(other)
    with other.as_("ruth", wire.url) as registry:
        registry.push(model(3, megabytes=MEGABYTES, moved=1e-5), "red/lent", parents=["red/lent@v1"])
    assert wire.received_bytes > MEGABYTES * 200_000


def test_whoever_may_not_read_a_version_gets_nothing_from_the_cache(
    pair: Sequence[Any], model: Callable[..., Path], tmp_path: Path
) -> None:
    with pair[0].as_("ruth") as registry:
        registry.push(model(4, megabytes=2), "red/hidden")
        registry.pull("red/hidden", tmp_path / "ruth")
    with pair[0].as_("bert") as registry, pytest.raises(BudwoodError):
        registry.pull("red/hidden", tmp_path / "bert")
    assert not (tmp_path / "bert").exists()


def test_the_cache_is_shown_pruned_and_cleared(pair: Sequence[Any], model: Callable[..., Path], tmp_path: Path) -> None:
    with pair[0].as_("ruth") as registry:
        registry.push(model(5, megabytes=2), "red/shown")
        registry.pull("red/shown", tmp_path / "out")

    def asked(*words: str) -> Any:
        run = subprocess.run(
            [sys.executable, "-m", "budwood", "cache", *words, "--json"], check=True, capture_output=True, text=True
        )
        return json.loads(run.stdout)

    shown = asked("show")
    assert [each["name"] for each in shown["registries"]] == [pair[0].url]
    assert shown["limit_bytes"] == 1_000_000_000
    assert shown["bytes"] > 1_000_000
    assert asked("prune", "--to", "0.001")["state"]["bytes"] <= 1_000_000
    assert asked("clear")["state"]["bytes"] == 0
    assert asked("show")["bytes"] == 0


def test_without_room_nothing_is_kept(
    pair: Sequence[Any], model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDWOOD_CACHE_GB", "0")
    with pair[0].as_("ruth") as registry:
        registry.push(model(6, megabytes=2), "red/bare")
        assert registry.pull("red/bare", tmp_path / "one").cached_bytes == 0
        assert registry.pull("red/bare", tmp_path / "two").cached_bytes == 0
    assert not list((tmp_path / "user-cache").rglob("name"))
