"""A small push in one request: as safe as one in many, and once however often it is sent."""

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

import budwood
from budwood.catalog.api import Transaction
from budwood.client.far.desk import FarDesk
from budwood.client.registry import Registry
from budwood.domain.access import Role
from budwood.domain.limits import AT_ONCE_PACK_BYTES
from budwood.domain.manifest import Manifest
from budwood.domain.people import Grant, PrincipalKind, Quota
from budwood.domain.records import VersionRecord
from budwood.domain.routes import pushes
from budwood.domain.transfers import PushAtOnce
from budwood.errors import (
    BadParcel,
    BudwoodError,
    KeyReused,
    LeaseLost,
    NamespaceNotFound,
    NotFound,
    QuotaExceeded,
    Unauthenticated,
)
from budwood.store.backends.memory import MemoryObjects
from budwood.store.packs import NewBlock, PackSet, pack_key
from budwood.store.write import BlockWriter
from budwood.verbs.manifests import load_manifest
from budwood.verbs.receive import publishing_at_once
from budwood.verbs.sweep import sweep


def again(version: VersionRecord, model: str, **more: Any) -> PushAtOnce:
    """What asks for a version of another model with the same files."""
    return PushAtOnce(
        model=model,
        digest=version.digest,
        manifest_size=version.manifest_size,
        manifest_blocks=version.manifest_blocks,
        structure=version.structure,
        sketch=version.sketch,
        **more,
    )


def at_once(registry: Registry, namespace: str, asked: PushAtOnce) -> VersionRecord:
    desk = registry._place.work.desk
    assert isinstance(desk, FarDesk)
    made: VersionRecord = desk.transport.call(pushes.AT_ONCE, {"namespace": namespace}, body=asked)
    return made


def small(folder: Path, text: str = "one") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "prompt.txt").write_text(text * 100, "utf-8")
    return folder


def bringing(registry: Registry, version: VersionRecord, change: Callable[[Manifest], Manifest]) -> PushAtOnce:
    """Another manifest of the same files, which comes in a pack."""
    manifest = change(load_manifest(registry._place.work, version))
    objects = MemoryObjects()
    with BlockWriter(objects, Nothing(), lambda: "any", threads=1) as writer:
        blocks = writer.write_blob(manifest.canonical, is_manifest=True)
        writer.finish()
    key = pack_key("any")
    size = objects.size(key)
    assert size is not None
    pack = objects.read(key, 0, size)
    return PushAtOnce(
        model="changed",
        digest=manifest.digest,
        manifest_size=len(manifest.canonical),
        manifest_blocks=blocks,
        pack=pack,
    )


class Nothing:
    """An index in which nothing is."""

    def find(self, ids: Any) -> Mapping[bytes, Any]:
        return {}


def said(message: str) -> Callable[[Manifest], Manifest]:
    return lambda manifest: replace(manifest, facts=replace(manifest.facts, message=message))


def leases(server: Any) -> int:
    with budwood.connect(server.folder) as near, near.house.catalog.read() as view:
        return len(view.leases(now_ms=near.house.clock()))


def test_files_that_are_there_become_a_version_in_one_request(server: Any, tmp_path: Path) -> None:
    with server.as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        made = at_once(registry, "red", again(version, "other", label="1.0.0", aliases=("champion",), tags={"a": "b"}))
        assert (made.model, made.number, made.label, made.digest) == ("other", 1, "1.0.0", version.digest)
        found = registry.get("red/other@champion")
        assert (found.number, found.label, found.digest) == (1, "1.0.0", version.digest)
        tags = registry._place.show("red/other").tags
        assert [(tag.key, tag.value, tag.author) for tag in tags] == [("a", "b", "ruth")]
        registry.pull("red/other", tmp_path / "back")
    assert (tmp_path / "back" / "prompt.txt").read_bytes() == (tmp_path / "m" / "prompt.txt").read_bytes()


def test_what_is_missing_comes_with_it(server: Any, tmp_path: Path) -> None:
    with server.as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        made = at_once(registry, "red", bringing(registry, version, said("a word more")))
        assert made.message == "a word more"
        registry.pull("red/changed", tmp_path / "back")
    assert (tmp_path / "back" / "prompt.txt").read_bytes() == (tmp_path / "m" / "prompt.txt").read_bytes()
    assert leases(server) == 0


def test_sent_twice_with_one_key_it_is_done_once(server: Any, tmp_path: Path) -> None:
    with server.as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        asked = bringing(registry, version, said("once"))
        first, second = (raw(server, asked, key="k1") for _ in range(2))
        assert first.status == second.status == 200
        assert (first.data, second.headers["idempotency-replayed"]) == (second.data, "true")
        assert registry.get("red/changed").number == 1
        refused = raw(server, replace(asked, model="another"), key="k1")
        assert json.loads(refused.data)["code"] == KeyReused.code


def raw(server: Any, asked: PushAtOnce, *, key: str) -> urllib3.BaseHTTPResponse:
    """The same request, word for word."""
    body = {
        "model": asked.model,
        "digest": asked.digest,
        "manifest_size": asked.manifest_size,
        "manifest_blocks": [base64.b64encode(block).decode() for block in asked.manifest_blocks],
        "pack": base64.b64encode(asked.pack).decode(),
    }
    headers = {"Authorization": f"Bearer {'bw_' + 'ruth'.ljust(43, 'x')}", "Idempotency-Key": key}
    address = f"{server.url}/v1/namespaces/red/pushes/at-once"
    return urllib3.request("POST", address, json=body, headers=headers)


@pytest.mark.parametrize(
    "lie",
    [
        lambda manifest: replace(manifest, facts=replace(manifest.facts, author="bert")),
        lambda manifest: replace(manifest, facts=replace(manifest.facts, created_ms=1)),
        lambda manifest: replace(manifest, files=tuple(replace(each, sha256="0" * 64) for each in manifest.files)),
    ],
    ids=["author", "time", "sha256"],
)
def test_a_lie_is_refused_and_nothing_of_it_can_be_seen(
    server: Any, tmp_path: Path, lie: Callable[[Manifest], Manifest]
) -> None:
    with server.as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        with pytest.raises(BudwoodError) as refused:
            at_once(registry, "red", bringing(registry, version, lie))
        assert refused.value.code in ("bad_parcel", "bad_value")
        with pytest.raises(NotFound):
            registry.get("red/changed")


def test_a_pack_that_is_none_is_refused_and_its_push_ended(server: Any, tmp_path: Path) -> None:
    with server.as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        for pack in (b"x" * 100, bytes(AT_ONCE_PACK_BYTES + 1)):
            with pytest.raises(BadParcel):
                at_once(registry, "red", again(version, "other", pack=pack))
    assert leases(server) == 0


def test_a_block_that_is_not_what_it_is_called_is_refused(server: Any, tmp_path: Path) -> None:
    objects = MemoryObjects()
    with PackSet(objects, lambda: "any") as packs:
        packs.add(NewBlock(b"i" * 32, 4, 0), [b"none"], 4)
        packs.finish()
    size = objects.size(pack_key("any"))
    assert size is not None
    with server.as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        with pytest.raises(BadParcel, match="digest"):
            at_once(registry, "red", again(version, "other", pack=objects.read(pack_key("any"), 0, size)))


def test_files_of_another_tenant_are_not_there(server: Any, tmp_path: Path) -> None:
    with server.as_("bert") as other:
        version = other.push(small(tmp_path / "m", "blue"), "blue/m").version
    with server.as_("ruth") as registry:
        with pytest.raises(LeaseLost) as theirs:
            at_once(registry, "red", again(version, "other"))
        nobodys = again(replace(version, manifest_blocks=(b"n" * 32,)), "other")
        with pytest.raises(LeaseLost) as none:
            at_once(registry, "red", nobodys)
        assert theirs.value.message == none.value.message
        with pytest.raises(NamespaceNotFound):
            at_once(registry, "blue", again(version, "other"))


def test_the_quota_of_versions_is_kept(new_server: Callable[..., Any], tmp_path: Path) -> None:
    with new_server(Quota(versions=2)).as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        at_once(registry, "red", again(version, "second"))
        with pytest.raises(QuotaExceeded):
            at_once(registry, "red", again(version, "third"))


def test_a_token_that_was_revoked_registers_nothing(server: Any, tmp_path: Path) -> None:
    with server.as_("ruth") as registry:
        version = registry.push(small(tmp_path / "m"), "red/m").version
        with budwood.connect(server.folder) as near:
            near.house.catalog.write(lambda transaction: transaction.revoke_token("ruth", at_ms=2))
        with pytest.raises(Unauthenticated):
            at_once(registry, "red", again(version, "other"))


def test_blocks_swept_after_the_look_are_missed_in_the_transaction(tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry", author="ruth") as near:
        house = near.house

        def settle(transaction: Transaction) -> None:
            someone = transaction.add_principal("ruth", PrincipalKind.PERSON, at_ms=1)
            transaction.add_namespace("red", at_ms=1)
            transaction.put_grant(Grant("red", someone.name, Role.OWNER, granted_ms=1))

        house.catalog.write(settle)
        version = near.push(small(tmp_path / "m"), "red/m").version
        work = publishing_at_once(house, house.index, "red", again(version, "other"), None, None)
        near.delete("red/m@v1")
        sweep(house, grace_s=0)
        with pytest.raises(LeaseLost):
            house.catalog.write(work)
        with suppress(NotFound):
            near.get("red/other")
            pytest.fail("a version without its blocks was published")
