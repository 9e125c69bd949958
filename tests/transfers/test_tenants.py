"""Two tenants on one store: bytes are shared, knowledge of them is not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

import budwood
from budwood.client.far.lease import FarLease
from budwood.client.far.transport import Transport
from budwood.client.registry import Registry
from budwood.domain.reference import parse_reference
from budwood.domain.routes import blobs, pushes
from budwood.domain.transfers import FindBlocks
from budwood.errors import BadParcel
from budwood.store.api import BlockRow
from budwood.store.encodings import encode_block, needs_base
from budwood.store.packs import NewBlock, PackSet
from budwood.verbs.manifests import load_manifest


def block_ids(registry: Registry, reference: str) -> tuple[bytes, ...]:
    manifest = load_manifest(registry._place.work, registry._place.get(reference))
    return tuple(dict.fromkeys(manifest.block_ids()))


@contextmanager
def lease_of(registry: Registry, model: str) -> Iterator[FarLease]:
    lease = registry._place.work.desk.lease(parse_reference(model))
    assert isinstance(lease, FarLease)
    yield lease
    lease.drop()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All that servers answer, without what differs from one push to the next in any case."""
    heard: list[Any] = []
    ask = Transport.ask

    def listening(self: Transport, route: Any, *rest: Any, **more: Any) -> Any:
        answer = ask(self, route, *rest, **more)
        value = answer.value
        if route in (pushes.FIND, blobs.FIND):
            # Which blocks there are before anything was sent; of a push's own manifest, only how many.
            value = sorted(block.raw_length for block in value.blocks)
        elif route is pushes.OPEN:
            value = len(value.id)
        elif route is pushes.BEGIN:
            value = len(value.address) > 0
        elif hasattr(value, "created_ms"):
            value = replace(value, created_ms=0, id=0, model_id=0, digest="", manifest_blocks=())
        heard.append((route.name, value))
        return answer

    monkeypatch.setattr(Transport, "ask", listening)
    return heard


def test_a_push_is_answered_alike_whether_another_tenant_has_it_or_not(
    new_server: Callable[..., Any], model: Callable[..., Path], answers: list[Any], tmp_path: Path
) -> None:
    folder = model(1, megabytes=5)
    alone, beside = new_server(), new_server()
    with beside.as_("bert") as other:
        # From a copy: a client remembers the files it has seen.
        other.push(model(1, megabytes=5), "blue/m")
    heard, stored = [], []
    for server in (alone, beside):
        answers.clear()
        with server.as_("ruth") as registry:
            stored.append(registry.push(folder, "red/m").stored_bytes)
            registry.pull("red/m", tmp_path / server.folder.name)
        heard.append(list(answers))
    assert stored[0] == pytest.approx(stored[1], rel=1e-4)
    for route in (pushes.FIND_AHEAD, pushes.BEGIN, pushes.COMPLETE, pushes.PUBLISH, blobs.FIND):
        first, second = ([value for name, value in each if name == route.name] for each in heard)
        assert first
        if route is blobs.FIND:
            # A pull asks as its threads come to it, and sometimes for one block twice.
            first, second = (sorted({length for lengths in each for length in lengths}) for each in (first, second))
        if route is pushes.BEGIN:
            first, second = first[:1], second[:1]  # Asked again where a connection broke off.
        assert sorted(first, key=repr) == sorted(second, key=repr)


def test_what_another_tenant_has_is_not_found(server: Any, model: Callable[..., Path]) -> None:
    with server.as_("bert") as other:
        other.push(model(1, megabytes=3), "blue/m")
        ids = block_ids(other, "blue/m")
    with server.as_("ruth") as registry, lease_of(registry, "red/m") as lease:
        transport = registry._place._transport
        nothing = transport.call(blobs.FIND, body=FindBlocks(ids))
        assert nothing == transport.call(blobs.FIND, body=FindBlocks(tuple(blake3(each).digest() for each in ids)))
        assert not lease.index.find(ids)


def test_bytes_that_both_sent_are_kept_once_and_both_can_pull(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path
) -> None:
    folder = model(1, megabytes=5)
    with server.as_("bert") as blue, server.as_("ruth") as red, server.as_("ada") as admin:
        blue.push(folder, "blue/m")
        once = admin.stats().blocks
        red.push(folder, "red/m")
        # A manifest is of its author, so it and nothing else is new.
        assert admin.stats().blocks == once + 1
        red.pull("red/m", tmp_path / "red")
        blue.delete("blue/m@v1")
        admin.sweep(grace_s=0)
        red.pull("red/m", tmp_path / "after")
        assert admin.verify(read_data=True).problems == ()
    assert contents(tmp_path / "red") == contents(tmp_path / "after") == contents(folder)


def test_a_fine_tune_may_lean_on_bytes_that_lie_with_another_tenant_once_they_were_sent(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path
) -> None:
    base, tuned = model(1, megabytes=5), model(1, megabytes=5, moved=1e-5)
    with server.as_("bert") as blue, server.as_("ruth") as red, server.as_("ada") as admin:
        blue.push(tuned, "blue/m")
        # In blue's packs the base is itself a difference, which red cannot see.
        blue.push(base, "blue/m")
        whole = red.push(base, "red/m")
        assert red.push(tuned, "red/m", message="tuned").stored_bytes < 0.6 * whole.stored_bytes
        red.pull("red/m@v1", tmp_path / "base")
        red.pull("red/m@v2", tmp_path / "tuned")
        assert admin.verify(read_data=True).problems == ()
    assert contents(tmp_path / "base") == contents(base)
    assert contents(tmp_path / "tuned") == contents(tuned)


def test_a_base_that_another_tenant_has_under_more_differences_is_nobodys_business(
    server: Any, model: Callable[..., Path], contents: Callable[[Path], Any], tmp_path: Path
) -> None:
    first, second = model(1, megabytes=3), model(1, megabytes=3, moved=1e-5)
    third = model(1, megabytes=3, moved=2e-5)
    with server.as_("bert") as blue, server.as_("ruth") as red, server.as_("ada") as admin:
        for folder in (third, second, first):
            blue.push(folder, "blue/m", message=folder.name)
        for folder in (first, second, third):
            red.push(folder, "red/m", message=folder.name)
        for number, folder in enumerate((first, second, third), 1):
            red.pull(f"red/m@v{number}", tmp_path / f"v{number}")
            assert contents(tmp_path / f"v{number}") == contents(folder)
        assert admin.verify(read_data=True).problems == ()


@pytest.mark.parametrize("numbers", [(1, 2, 3), (2,)], ids=["all", "one"])
def test_an_import_is_taken_in_and_answered_alike_wherever_its_bases_lie(
    numbers: tuple[int, ...],
    new_server: Callable[..., Any],
    model: Callable[..., Path],
    contents: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    first, second = model(1, megabytes=3), model(1, megabytes=3, moved=1e-5)
    third = model(1, megabytes=3, moved=2e-5)
    with budwood.connect(tmp_path / "elsewhere", author="ruth") as near:
        for folder in (first, second, third):
            near.push(folder, "red/m", message=folder.name)
        near.export([f"red/m@v{number}" for number in numbers], tmp_path / "bundle")
    alone, beside = new_server(), new_server()
    with beside.as_("bert") as blue:
        for folder in (third, second, first):
            blue.push(folder, "blue/m", message=folder.name)
    told = []
    for server in (alone, beside):
        with server.as_("ruth") as red, server.as_("ada") as admin:
            taken = red.import_bundle(tmp_path / "bundle")
            told.append((len(taken.versions), taken.new_blocks, taken.stored_bytes))
            for version, number in zip(taken.versions, numbers, strict=True):
                red.pull(version.reference, tmp_path / server.folder.name / f"v{number}")
                was = (first, second, third)[number - 1]
                assert contents(tmp_path / server.folder.name / f"v{number}") == contents(was)
            assert admin.verify(read_data=True).problems == ()
    assert told[0] == told[1]


def test_a_difference_from_what_the_tenant_does_not_hold_is_refused_like_one_from_nothing(
    server: Any, model: Callable[..., Path]
) -> None:
    hidden = bytes(range(256)) * 4_000
    with server.as_("bert") as blue:
        (folder := model(1)).joinpath("hidden.bin").write_bytes(hidden)
        blue.push(folder, "blue/m")
    said = []
    for raw in (hidden, bytes(reversed(hidden))):
        base = BlockRow(blake3(raw).digest(), "x-0001", 0, len(raw), len(raw), 0, 0)
        with server.as_("ruth") as registry, lease_of(registry, "red/m") as lease:
            objects = registry._place.work.objects
            with PackSet(objects, lease.new_pack_name) as packs:
                _add_difference(packs, base, raw)
                with pytest.raises(BadParcel) as refused:
                    packs.finish()
        said.append((refused.value.message, refused.value.hint, sorted(refused.value.facts)))
    assert said[0] == said[1]


def _add_difference(packs: PackSet, base: BlockRow, raw: bytes) -> None:
    content = bytearray(raw)
    content[::1000] = bytes(len(content[::1000]))
    encoded = encode_block(memoryview(content), dtype="bf16", base=memoryview(raw))
    assert needs_base(encoded.tag)
    new = NewBlock(blake3(content).digest(), len(content), encoded.tag, base=base.id, depth=1)
    packs.add(new, encoded.parts, encoded.length)


def test_a_push_of_another_tenant_is_as_if_it_were_none(server: Any) -> None:
    with server.as_("bert") as blue, server.as_("ruth") as red, lease_of(blue, "blue/m") as theirs:
        said = []
        for push in (theirs.id, "0" * len(theirs.id)):
            with pytest.raises(Exception, match=r".") as refused:
                red._place._transport.call(pushes.RENEW, {"namespace": "red", "push": push})
            said.append((type(refused.value), str(refused.value)))
        assert said[0] == said[1]
        theirs.index.find([bytes(32)])
