"""A client that lies about what it sent: refused, and nothing of it can be seen."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from budwood.client.far.desk import FarDesk
from budwood.client.far.lease import FarLease
from budwood.client.registry import Registry
from budwood.domain.facts import Code, Hardware, Parent, Training
from budwood.domain.limits import DETAILS_BYTES, DIFF_BYTES
from budwood.domain.manifest import FileEntry, Manifest, Span
from budwood.domain.reference import parse_reference
from budwood.domain.routes import pushes
from budwood.domain.transfers import BeginPack, PublishPush
from budwood.errors import (
    BadPath,
    BadValue,
    BudwoodError,
    Conflict,
    Invalid,
    LimitExceeded,
    NotFound,
    QuotaExceeded,
)
from budwood.store.packs import NewBlock, PackSet
from budwood.store.write import BlockWriter
from budwood.verbs import push as push_verb


@pytest.fixture
def told(server: Any, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> "Callable[..., BudwoodError]":
    """Push honestly, but publish what ``lie`` makes of the manifest or of the last request; what came of it."""

    def tell(
        lie: Callable[[Manifest], Manifest] = lambda manifest: manifest,
        *,
        ask: Callable[[PublishPush], PublishPush] = lambda asked: asked,
        written: Callable[[bytes], bytes] = lambda canonical: canonical,
        also: Callable[[Registry], None] = lambda _: None,
    ) -> BudwoodError:
        with server.as_("ruth") as registry:
            also(registry)
            honest, whole = list[Manifest](), push_verb._manifest

            def made(*what: Any) -> Manifest:
                honest.append(whole(*what))
                return honest[-1]

            def publish(desk: FarDesk, draft: Any, target: Any, wishes: Any, lease: FarLease) -> Any:
                work = registry._place.work
                manifest = lie(honest[-1])
                canonical = written(manifest.canonical)
                with BlockWriter(work.objects, lease.index, lease.new_pack_name, threads=1) as writer:
                    blocks = writer.write_blob(canonical, is_manifest=True)
                    writer.finish()
                asked = PublishPush(hashlib.sha256(canonical).hexdigest(), len(canonical), blocks)
                holes = {"namespace": "red", "push": lease.id}
                return desk.transport.call(pushes.PUBLISH, holes, body=ask(asked))

            monkeypatch.setattr(push_verb, "_manifest", made)
            monkeypatch.setattr(FarDesk, "publish", publish)
            with pytest.raises(BudwoodError) as refused:
                registry.push(model(1), "red/liar")
            with pytest.raises(NotFound):
                registry.get("red/liar")
            return refused.value

    return tell


def first(manifest: Manifest, change: Callable[[FileEntry], FileEntry]) -> Manifest:
    """With its largest file changed."""
    large = max(manifest.files, key=lambda entry: entry.size)
    return replace(manifest, files=tuple(change(entry) if entry is large else entry for entry in manifest.files))


def spans(entry: FileEntry, change: Callable[[Span], Span]) -> FileEntry:
    *others, last = entry.spans
    return replace(entry, spans=(*others, change(last)))


def test_the_honest_way_would_be_taken(server: Any, model: Callable[..., Path]) -> None:
    with server.as_("ruth") as registry:
        assert registry.push(model(1), "red/liar").created


def test_another_sha256_is_refused(told: Callable[..., BudwoodError]) -> None:
    error = told(lambda manifest: first(manifest, lambda entry: replace(entry, sha256="0" * 64)))
    assert isinstance(error, Invalid)
    assert "SHA-256" in error.message


def test_another_digest_is_refused(told: Callable[..., BudwoodError]) -> None:
    assert isinstance(told(ask=lambda asked: replace(asked, digest="0" * 64)), Invalid)


def test_another_size_is_refused(told: Callable[..., BudwoodError]) -> None:
    assert isinstance(told(ask=lambda asked: replace(asked, manifest_size=asked.manifest_size + 1)), Invalid)


def test_a_manifest_written_in_another_way_is_refused(told: Callable[..., BudwoodError]) -> None:
    error = told(written=lambda canonical: canonical.replace(b'"files":', b'"files": ', 1))
    assert isinstance(error, Invalid)
    assert "one way" in error.message


def test_bytes_that_are_no_manifest_are_refused(told: Callable[..., BudwoodError]) -> None:
    for nonsense in (b"[]", b"{", b"[" * 100_000, b'{"files":[],"facts":{}}', b"\xff", b'{"files":[{}],"facts":{}}'):
        assert isinstance(told(written=lambda _, nonsense=nonsense: nonsense), Invalid)


def test_a_block_that_was_never_sent_is_refused(told: Callable[..., BudwoodError]) -> None:
    def lie(manifest: Manifest) -> Manifest:
        def unsent(span: Span) -> Span:
            return replace(span, blocks=(*span.blocks[:-1], blake3(b"unsent").digest()))

        return first(manifest, lambda entry: spans(entry, unsent))

    assert isinstance(told(lie), Conflict)


def test_a_block_of_another_tenant_is_refused_alike(
    told: Callable[..., BudwoodError], server: Any, model: Callable[..., Path]
) -> None:
    raw = b"theirs" * 5_000
    theirs = blake3(raw).digest()
    (folder := model(2)).joinpath("theirs.bin").write_bytes(raw)
    with server.as_("bert") as other:
        other.push(folder, "blue/m")

    def named(block: bytes) -> Callable[[Manifest], Manifest]:
        entry = FileEntry("zz.bin", len(raw), hashlib.sha256(raw).hexdigest(), (Span(0, len(raw), (block,)),))
        return lambda manifest: replace(manifest, files=(*manifest.files, entry))

    one, other_one = told(named(theirs)), told(named(bytes(32)))
    assert type(one) is type(other_one)
    assert one.message == other_one.message


def test_spans_that_do_not_fit_their_blocks_are_refused(told: Callable[..., BudwoodError]) -> None:
    def longer(manifest: Manifest) -> Manifest:
        def change(entry: FileEntry) -> FileEntry:
            return replace(
                spans(entry, lambda span: replace(span, length=span.length + 4, shape=None)), size=entry.size + 4
            )

        return first(manifest, change)

    def gap(manifest: Manifest) -> Manifest:
        return first(manifest, lambda entry: spans(entry, lambda span: replace(span, offset=span.offset + 4)))

    assert isinstance(told(longer), Invalid)
    assert isinstance(told(gap), Invalid)


def test_paths_that_lead_elsewhere_are_refused(told: Callable[..., BudwoodError]) -> None:
    for path in ("../up", "/abs", "a/../b", "a\0b"):
        error = told(lambda manifest, path=path: first(manifest, lambda entry: replace(entry, path=path)))
        assert isinstance(error, BadPath)


def test_another_author_is_refused(told: Callable[..., BudwoodError]) -> None:
    assert isinstance(told(lambda m: replace(m, facts=replace(m.facts, author="bert"))), Invalid)


def test_another_time_is_refused(told: Callable[..., BudwoodError]) -> None:
    assert isinstance(told(lambda m: replace(m, facts=replace(m.facts, created_ms=1))), BadValue)


def test_parents_that_are_not_there_are_refused(told: Callable[..., BudwoodError]) -> None:
    lie = Parent("red/nobody", 1, "0" * 64)
    assert isinstance(told(lambda m: replace(m, facts=replace(m.facts, parents=(lie,)))), Invalid)


def test_facts_that_nobody_could_have_pushed_are_refused(told: Callable[..., BudwoodError]) -> None:
    parent = Parent("red/m", 1, "0" * 64, "stolen-from")
    lies: list[dict[str, Any]] = [
        {"parents": (parent,)},
        {"training": Training(seconds=-1.0)},
        {"training": Training(began_ms=1 << 60)},
        {"training": Training(hardware=Hardware(cores=-1))},
        {"hardware": Hardware(memory_bytes=1 << 70)},
        {"resources": {"energy": -1.0}},
        {"fairness": {"words": "x" * DETAILS_BYTES}},
        {"code": Code("ab" * 20, dirty=True, diff="+" * (DIFF_BYTES + 1))},
    ]
    for lie in lies:
        error = told(lambda manifest, lie=lie: replace(manifest, facts=replace(manifest.facts, **lie)))
        assert isinstance(error, BadValue | LimitExceeded), (lie.keys(), error)


def test_a_pack_whose_block_is_not_what_it_is_called_is_refused(server: Any) -> None:
    with server.as_("ruth") as registry:
        work = registry._place.work
        lease = work.desk.lease(parse_reference("red/m"))
        wrong = blake3(b"another").digest()
        with PackSet(work.objects, lease.new_pack_name) as packs:
            packs.add(NewBlock(wrong, 100, 0), [bytes(100)], 100)
            with pytest.raises(Invalid, match="digest"):
                packs.finish()
        assert not lease.index.find([wrong])


def test_a_pack_named_after_another_push_is_refused(server: Any) -> None:
    with server.as_("ruth") as registry:
        work = registry._place.work
        lease = work.desk.lease(parse_reference("red/m"))
        transport = registry._place._transport
        holes = {"namespace": "red", "push": lease.id}
        for name in ("other-0001", f"{lease.id}-1", f"{lease.id}-00x1", f"../{lease.id}-0001", f"{lease.id}-0001\0"):
            with pytest.raises(Invalid):
                transport.call(pushes.BEGIN, holes, body=BeginPack(name, 1_000))
        for size in (0, -1, 1 << 40):
            with pytest.raises(Invalid):
                transport.call(pushes.BEGIN, holes, body=BeginPack(f"{lease.id}-0001", size))


def test_packs_that_are_begun_and_never_completed_are_few(server: Any) -> None:
    with server.as_("ruth") as registry:
        lease = registry._place.work.desk.lease(parse_reference("red/m"))
        transport, holes = registry._place._transport, {"namespace": "red", "push": lease.id}
        for number in range(1, 9):
            transport.call(pushes.BEGIN, holes, body=BeginPack(f"{lease.id}-{number:04d}", 1_000))
        with pytest.raises(QuotaExceeded):
            transport.call(pushes.BEGIN, holes, body=BeginPack(f"{lease.id}-0009", 1_000))
        transport.call(pushes.BEGIN, holes, body=BeginPack(f"{lease.id}-0001", 1_000))
