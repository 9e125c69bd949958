"""What is pushed to a server comes back from it, bit for bit."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from budwood.domain.people import Quota
from budwood.domain.routes import blobs
from budwood.domain.transfers import FindBlocks
from budwood.errors import QuotaExceeded


def test_a_model_comes_back_bit_for_bit(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path
) -> None:
    folder = model(1, megabytes=9)
    with server.as_("ruth") as registry:
        pushed = registry.push(folder, "red/m", aliases=["champion"], tags={"a": "b"})
        assert pushed.created
        assert pushed.version.author == "ruth"
        pulled = registry.pull("red/m@champion", tmp_path / "out")
        assert pulled.bytes_written == sum(map(len, contents(folder).values()))
    assert contents(tmp_path / "out") == contents(folder)


def test_a_fine_tune_is_sent_as_a_difference_and_comes_back(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path
) -> None:
    with server.as_("ruth") as registry:
        first = registry.push(model(1, megabytes=9), "red/m", message="one")
        second = registry.push(tuned := model(1, megabytes=9, moved=1e-5), "red/m", message="two", parents=["red/m@v1"])
        assert second.stored_bytes < 0.4 * first.stored_bytes
        third = registry.push(tuned, "red/other", message="the same files")
        assert third.stored_bytes < 20_000
        registry.pull("red/m@v2", tmp_path / "two")
        registry.pull("red/other", tmp_path / "other")
        assert registry.pull("red/m@v2", tmp_path / "two").bytes_written == 0
    assert contents(tmp_path / "two") == contents(tmp_path / "other") == contents(tuned)


def test_pushing_the_same_again_makes_no_version(server: Any, model: Callable[..., Path]) -> None:
    folder = model()
    with server.as_("ruth") as registry:
        registry.push(folder, "red/m")
        again = registry.push(folder, "red/m", aliases=["steady"])
        assert not again.created
        assert registry.get("red/m@steady").number == 1


def test_progress_counts_every_byte(server: Any, model: Callable[..., Path], tmp_path: Path) -> None:
    seen: list[int] = []
    with server.as_("ruth") as registry:
        pushed = registry.push(model(3, megabytes=5), "red/m", progress=seen.append)
        assert sum(seen) == pushed.logical_bytes
        seen.clear()
        pulled = registry.pull("red/m", tmp_path / "out", progress=seen.append)
        assert sum(seen) == pulled.bytes_written


def test_a_sweep_beside_a_push_takes_nothing_from_it(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path
) -> None:
    folder = model(1, megabytes=12)
    with server.as_("ruth") as registry, server.as_("ada") as admin:
        sweeps: list[int] = []

        def sweep_now(length: int) -> None:
            if len(sweeps) < 4:
                sweeps.append(admin.sweep(grace_s=0).freed_blocks)

        registry.push(folder, "red/m", progress=sweep_now)
        assert sweeps
        admin.sweep(grace_s=0)
        registry.pull("red/m", tmp_path / "out")
        assert admin.verify(read_data=True).problems == ()
    assert contents(tmp_path / "out") == contents(folder)


def test_what_a_broken_push_left_is_swept_when_it_has_ended(
    server: Any, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.as_("ruth") as registry, server.as_("ada") as admin:
        with monkeypatch.context() as patch:
            patch.setattr("budwood.client.far.desk.FarDesk.publish", _fails)
            with pytest.raises(KeyboardInterrupt):
                registry.push(model(1, megabytes=5), "red/m")
        assert admin.sweep(grace_s=0).condemned_blocks >= 3
        assert admin.stats().blocks == 0


def _fails(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_quota_is_kept_to_the_pack(new_server: Callable[..., Any], model: Callable[..., Path]) -> None:
    server = new_server(Quota(bytes=3_000_000, versions=2))
    with server.as_("ruth") as registry:
        registry.push(model(1, megabytes=1), "red/m")
        with pytest.raises(QuotaExceeded):
            registry.push(model(2, megabytes=6), "red/m")
        assert registry.get("red/m").number == 1


def test_versions_are_counted_too(new_server: Callable[..., Any], model: Callable[..., Path]) -> None:
    server = new_server(Quota(versions=1))
    with server.as_("ruth") as registry:
        registry.push(model(1), "red/m")
        with pytest.raises(QuotaExceeded):
            registry.push(model(2), "red/m")


def test_an_address_serves_what_it_was_given_for_and_nothing_else(server: Any, model: Callable[..., Path]) -> None:

    with server.as_("ruth") as registry:
        version = registry.push(model(), "red/m").version
        found = registry._place._transport.call(blobs.FIND, body=FindBlocks(version.manifest_blocks))
    block, address = found.blocks[0], server.url + found.packs[0].address
    wanted = {"Range": f"bytes={block.offset}-{block.offset + block.length - 1}"}
    answer = urllib3.request("GET", address, headers=wanted)
    assert (answer.status, len(answer.data)) == (206, block.length)
    assert urllib3.request("PUT", address, body=b"x" * 100).status == 404
    assert urllib3.request("GET", address.replace("expires=", "expires=1")).status == 404
    assert urllib3.request("GET", address[:-1] + ("0" if address[-1] != "0" else "1")).status == 404
    assert urllib3.request("GET", address.replace(f"packs/{block.pack}", f"packs/{block.pack}x")).status == 404
    for bad in ("bytes=5-4", "bytes=0-1,3-4", "bytes=-5", "lines=1-2", "bytes=99999999999-"):
        assert urllib3.request("GET", address, headers={"Range": bad}).status in (416, 422)
    whole = urllib3.request("GET", address)
    assert whole.status == 200
    assert math.isclose(len(whole.data), int(whole.headers["content-length"]))
