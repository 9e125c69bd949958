"""What the SDK sends for a push that is small: one request that writes, and nothing less checked than in many."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budwood.client.far.desk import FarDesk
from budwood.domain.people import Quota
from budwood.domain.routes import pushes
from budwood.errors import BadParcel, LeaseLost, LimitExceeded, QuotaExceeded

STEPS = {"pushes.open", "pushes.begin", "blobs.put", "pushes.complete", "pushes.publish"}


def asked_of(server: Any) -> Counter[str]:
    """How often each route was asked, by the server's own log."""
    lines = (server.folder.parent / f"{server.folder.name}.log").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return Counter(route for line in found if (route := line.get("route")) and route != "whoami")


def asked_by(server: Any, act: Callable[[], object]) -> Counter[str]:
    before = settled(server)
    act()
    return settled(server) - before


def settled(server: Any) -> Counter[str]:
    """What was asked by now. A line is written after its answer was sent, so none must have come for a while."""
    last, asked = None, asked_of(server)
    while asked != last:
        time.sleep(0.3)
        last, asked = asked, asked_of(server)
    return asked


def prompts(folder: Path, text: str = "Be brief. ", files: int = 5) -> Path:
    folder.mkdir()
    for number in range(files):
        (folder / f"prompt-{number}.txt").write_text(f"{number}: {text}" * 50, "utf-8")
    return folder


def test_a_small_push_writes_with_one_request(
    server: Any, contents: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    folder = prompts(tmp_path / "m")
    seen: list[int] = []
    with server.as_("ruth") as registry:
        asked = asked_by(
            server,
            lambda: registry.push(folder, "red/m", label="1.0.0", tags={"a": "b"}, progress=seen.append),
        )
        assert asked == {"pushes.look": 1, "pushes.candidates": 1, "pushes.find_ahead": 1, "pushes.at_once": 1}
        assert sum(seen) == sum(map(len, contents(folder).values()))
        found = registry.get("red/m@1.0.0")
        assert found.number == 1
        registry.pull("red/m", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(folder)


def test_pushing_it_again_writes_nothing_and_names_need_one_request(server: Any, tmp_path: Path) -> None:
    folder = prompts(tmp_path / "m")
    with server.as_("ruth") as registry:
        registry.push(folder, "red/m")
        asked = asked_by(server, lambda: registry.push(folder, "red/m", aliases=["steady"]))
        assert not asked.keys() & (STEPS | {"pushes.at_once"})
        assert asked["pushes.reuse"] == 1
        assert registry.get("red/m@steady").number == 1


def test_a_light_fine_tune_of_a_model_goes_as_a_difference_in_one_request(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path
) -> None:
    with server.as_("ruth") as registry:
        registry.push(model(1, megabytes=1), "red/m", message="one")
        tuned = model(1, megabytes=1, moved=1e-9)
        asked = asked_by(server, lambda: registry.push(tuned, "red/m", message="two", parents=["red/m@v1"]))
        assert asked["pushes.at_once"] == 1
        assert not asked.keys() & STEPS
        registry.pull("red/m@v2", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tuned)


@pytest.mark.parametrize("megabytes", [1, 5, 20])
def test_what_does_not_fit_goes_step_by_step(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path, megabytes: float
) -> None:
    folder = model(2, megabytes=megabytes)
    with server.as_("ruth") as registry:
        asked = asked_by(server, lambda: registry.push(folder, "red/m"))
        assert asked.keys() >= STEPS
        assert asked["pushes.open"] == asked["pushes.publish"] == 1
        assert "pushes.at_once" not in asked
        registry.pull("red/m", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(folder)


def test_tags_that_do_not_fit_beside_it_send_it_step_by_step(server: Any, tmp_path: Path) -> None:
    tags = {f"key-{number}": "long " * 1_600 for number in range(150)}
    with server.as_("ruth") as registry:
        asked = asked_by(server, lambda: registry.push(prompts(tmp_path / "m"), "red/m", tags=tags))
        assert (asked["pushes.at_once"], asked["pushes.publish"]) == (0, 1)
        assert len(registry._place.show("red/m").tags) == 150


@pytest.mark.parametrize(
    "refused",
    [LimitExceeded("too much", limit="AT_ONCE_BYTES"), BadParcel("too large", limit="AT_ONCE_PACK_BYTES")],
    ids=["files", "pack"],
)
def test_a_server_that_takes_less_at_once_is_sent_the_same_in_steps(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Exception
) -> None:
    with server.as_("ruth") as registry:
        desk = registry._place.work.desk
        assert isinstance(desk, FarDesk)
        real = desk.transport.call

        def call(route: Any, *words: Any, **named: Any) -> Any:
            if route is pushes.AT_ONCE:
                raise refused
            return real(route, *words, **named)

        monkeypatch.setattr(desk.transport, "call", call)
        asked = asked_by(server, lambda: registry.push(prompts(tmp_path / "m"), "red/m"))
        assert asked.keys() >= STEPS
        assert registry.get("red/m").number == 1


def test_what_was_swept_since_it_was_found_is_sent_by_the_next_try(
    server: Any, contents: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prompts(tmp_path / "m")
    with server.as_("ruth") as registry, server.as_("ada") as admin:
        registry.push(folder, "red/m")
        registry.push(prompts(tmp_path / "other", "Another. "), "red/other")
        registry.delete("red/m@v1")
        real, lost = FarDesk.publish, list[object]()

        def publish(*words: Any) -> Any:
            if not lost:
                admin.sweep(grace_s=0)
            try:
                return real(*words)
            except LeaseLost as error:
                lost.append(error)
                raise

        monkeypatch.setattr(FarDesk, "publish", publish)
        assert registry.push(folder, "red/again").created
        assert len(lost) == 1
        registry.pull("red/again", tmp_path / "back")
        assert admin.verify(read_data=True).problems == ()
    assert contents(tmp_path / "back") == contents(folder)


def test_quotas_are_kept_and_say_the_same(new_server: Callable[..., Any], tmp_path: Path) -> None:
    with new_server(Quota(bytes=3_000)).as_("ruth") as registry:
        (folder := tmp_path / "random").mkdir()
        (folder / "random.bin").write_bytes(random.Random(1).randbytes(100_000))
        with pytest.raises(QuotaExceeded):
            registry.push(folder, "red/m")
    with new_server(Quota(versions=1)).as_("ruth") as registry:
        registry.push(prompts(tmp_path / "one"), "red/m")
        with pytest.raises(QuotaExceeded):
            registry.push(prompts(tmp_path / "two", "Two. "), "red/m")
        assert registry.get("red/m").number == 1


def test_a_cut_in_the_answer_makes_one_version(
    server: Any, new_wire: Callable[..., Any], impatient: None, tmp_path: Path
) -> None:
    wire = new_wire(server)
    with server.as_("ruth", wire.url) as registry:
        folder = prompts(tmp_path / "m")
        for cut in range(1, 8):
            wire.cut_at = wire.sent_bytes + cut * 900
            registry.push(folder, "red/m", message=f"cut {cut}")
            assert registry.get("red/m").number == cut
