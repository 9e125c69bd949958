"""What can be changed, for every SQL database: everything a view reads, and the writes.

A transaction lives inside one call of ``Catalog.write``. Bulk changes are one statement and many rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy import bindparam, delete, func, select, update

from budwood.catalog.api import Lease, NewVersion
from budwood.catalog.sql import dump
from budwood.catalog.sql.artifact_transaction import ArtifactWrites
from budwood.catalog.sql.changes import insert_numbered, insert_row, upsert
from budwood.catalog.sql.delivery_transaction import DeliveryWrites
from budwood.catalog.sql.derived_transaction import DerivedWrites
from budwood.catalog.sql.evaluation_transaction import EvaluationWrites
from budwood.catalog.sql.gate_transaction import GateWrites
from budwood.catalog.sql.ledger_transaction import FRESH, LedgerWrites, Salts, keep, sealed
from budwood.catalog.sql.lineage_transaction import LineageWrites
from budwood.catalog.sql.listing_transaction import ListingWrites
from budwood.catalog.sql.mcp_transaction import McpWrites
from budwood.catalog.sql.people_tables import namespace, staged
from budwood.catalog.sql.people_transaction import Listener, PeopleWrites
from budwood.catalog.sql.retention_transaction import RetentionWrites
from budwood.catalog.sql.session import Session, Statement
from budwood.catalog.sql.standard_transaction import StandardWrites
from budwood.catalog.sql.storage_tier_transaction import StorageTierWrites
from budwood.catalog.sql.tables import (
    block,
    lease,
    ledger,
    metric,
    model,
    move,
    pack,
    param,
    pointer,
    removed_label,
    removed_model,
    stage_change,
    tag,
    version,
)
from budwood.catalog.sql.trace_transaction import TraceWrites
from budwood.catalog.sql.tracking_transaction import TrackingWrites
from budwood.catalog.sql.view import SqlView, label_key
from budwood.domain import canon
from budwood.domain.manifest import BlockId
from budwood.domain.names import Kind, Stage
from budwood.domain.people import NamespaceRecord
from budwood.domain.records import LedgerEntry, ModelRecord, Move, MoveReason, Tag, VersionRecord, model_path
from budwood.domain.standard import StandardRecord
from budwood.errors import LabelTaken
from budwood.store.api import BlockRow

T = TypeVar("T")

_ADD_MODEL: Final = insert_numbered(model)
_REMOVE_MODEL: Final = tuple(
    Statement(delete(table).where(column == bindparam("of_model")))
    for table, column in ((pointer, pointer.c.model_id), (move, move.c.model_id), (model, model.c.id))
)
_MODEL_NAME: Final = Statement(
    select(model.c.namespace, model.c.name, model.c.last_number).where(model.c.id == bindparam("model_id"))
)
_PUT_REMOVED: Final = upsert(removed_model, "namespace", "name")
_LAST_REMOVED: Final = Statement(
    select(removed_model.c.last_number).where(
        removed_model.c.namespace == bindparam("namespace"), removed_model.c.name == bindparam("name")
    )
)
_HAS_VERSIONS: Final = Statement(
    select(version.c.id).where(version.c.model_id == bindparam("model_id")).limit(bindparam("limit"))
)
_COUNT_UP: Final = Statement(
    update(model).where(model.c.id == bindparam("of_model")).values(last_number=model.c.last_number + 1)
)
_SKIP_NUMBERS: Final = Statement(
    update(model)
    .where(model.c.id == bindparam("of_model"), model.c.last_number < bindparam("up_to"))
    .values(last_number=bindparam("to_number"))
)
_NUMBERED: Final = Statement(
    select(model.c.last_number, model.c.namespace, model.c.name, namespace.c.id)
    .join_from(model, namespace, namespace.c.name == model.c.namespace)
    .where(model.c.id == bindparam("model_id"))
)
_LABEL_HOLDER: Final = Statement(
    select(version.c.number).where(
        version.c.model_id == bindparam("model_id"), version.c.label_key == bindparam("label_key")
    )
)
_ADD_VERSION: Final = insert_numbered(version)
_ADD_METRIC: Final = insert_row(metric)
_ADD_PARAM: Final = insert_row(param)
_PUT_REMOVED_LABEL: Final = upsert(removed_label, "namespace", "name", "label_key")
_REMOVE_VERSION: Final = Statement(delete(version).where(version.c.id == bindparam("of_version")))
_RETIRE: Final = Statement(
    update(version)
    .where(version.c.id == bindparam("of_version"))
    .values(retired_ms=bindparam("at_ms"), retired_reason=bindparam("reason"))
)
_SET_STAGE: Final = Statement(
    update(version).where(version.c.id == bindparam("of_version")).values(stage=bindparam("to_stage"))
)
_ADD_STAGE_CHANGE: Final = insert_numbered(stage_change)
_ADD_MOVE: Final = insert_numbered(move)
_PUT_POINTER: Final = upsert(pointer, "model_id", "pointer")
_CREATED: Final = Statement(
    select(version.c.created_ms, version.c.namespace_id).where(version.c.id == bindparam("version_id"))
)
_PUT_TAG: Final = upsert(tag, "version_id", "key")
_REMOVE_TAG: Final = Statement(
    delete(tag).where(tag.c.version_id == bindparam("of_version"), tag.c.key == bindparam("of_key"))
)
_LAST_SEQUENCE: Final = Statement(select(func.coalesce(func.max(ledger.c.sequence), 0)))
_ADD_ENTRY: Final = insert_row(ledger)
_PACK: Final = Statement(select(pack.c.id, pack.c.namespace_id).where(pack.c.name == bindparam("name")))
_ADD_PACK: Final = insert_numbered(pack)
_PUT_BLOCK: Final = upsert(block, "id")
_CONDEMN: Final = Statement(
    update(block)
    .where(block.c.id == bindparam("of_id"), block.c.condemned_ms == 0)
    .values(condemned_ms=bindparam("at_ms"))
)
_FORGET: Final = Statement(delete(block).where(block.c.id == bindparam("of_id"), block.c.condemned_ms > 0))
_FORGET_PACKS: Final = Statement(
    delete(pack).where(~select(block.c.id).where(block.c.pack_id == pack.c.id).correlate(pack).exists())
)
_TAKE_LEASE: Final = insert_row(lease)
_RENEW_LEASE: Final = Statement(
    update(lease).where(lease.c.id == bindparam("of_id")).values(expires_ms=bindparam("until_ms"))
)
_DROP_LEASE: Final = Statement(delete(lease).where(lease.c.id == bindparam("of_id")))
_DROP_EXPIRED: Final = Statement(delete(lease).where(lease.c.expires_ms <= bindparam("now_ms")))
_UNSTAGE: Final = Statement(delete(staged).where(staged.c.lease_id == bindparam("of_lease")))
_UNSTAGE_DEAD: Final = Statement(
    delete(staged).where(~select(lease.c.id).where(lease.c.id == staged.c.lease_id).correlate(staged).exists())
)


class SqlTransaction(
    SqlView,
    PeopleWrites,
    ArtifactWrites,
    DeliveryWrites,
    DerivedWrites,
    EvaluationWrites,
    GateWrites,
    LedgerWrites,
    LineageWrites,
    ListingWrites,
    McpWrites,
    RetentionWrites,
    StandardWrites,
    StorageTierWrites,
    TraceWrites,
    TrackingWrites,
):
    """``catalog.api.Transaction`` over one session. ``salts`` hide what is personal in the ledger's leaves."""

    __slots__ = ("_newest", "_rooms", "_salts", "_sequence", "_untagged")

    def __init__(self, session: Session, salts: Salts = FRESH) -> None:
        super().__init__(session)
        self._salts = salts
        self.forget()

    def forget(self) -> None:
        """What was learnt of the database may not be so any more: a batch begins, or a part of it was undone."""
        self._sequence: int | None = None
        self._newest: tuple[int, int, int] | None = None
        self._untagged = 0
        self._forget_rooms()

    def _forget_rooms(self) -> None:
        self._rooms: dict[tuple[str, str], Any] = {}

    def _once(self, what: str, namespace: str, ask: Callable[[str], T]) -> T:
        """Many of a batch ask the same of a namespace, which nobody else changes meanwhile."""
        key = (what, namespace)
        if key not in self._rooms:
            self._rooms[key] = ask(namespace)
        return cast(T, self._rooms[key])

    def namespace(self, name: str) -> NamespaceRecord | None:
        return self._once("namespace", name, super().namespace)

    def standard(self, namespace: str) -> StandardRecord | None:
        return self._once("standard", namespace, super().standard)

    def _listening(self, namespace: str) -> Sequence[Listener]:
        return self._once("listening", namespace, super()._listening)

    def add_model(self, namespace: str, name: str, kind: Kind, owner: str, at_ms: int) -> ModelRecord:
        removed = self._session.one(_LAST_REMOVED, namespace=namespace, name=name)
        last_number: int = removed[0] if removed else 0
        namespace_id = self._namespace_id(namespace) or self.add_namespace(namespace, at_ms=at_ms).id
        model_id = self._session.add(
            _ADD_MODEL,
            namespace=namespace,
            name=name,
            kind=str(kind),
            owner=owner,
            created_ms=at_ms,
            last_number=last_number,
        )
        self._list_new_model(model_id, namespace_id, name, at_ms)
        return ModelRecord(model_id, namespace, name, kind, owner, at_ms, last_number)

    def remove_model(self, model_id: int) -> None:
        assert self._session.one(_HAS_VERSIONS, model_id=model_id, limit=1) is None, "a model with versions stays"
        named = self._session.one(_MODEL_NAME, model_id=model_id)
        if named is not None:
            self._session.change(_PUT_REMOVED, namespace=named[0], name=named[1], last_number=named[2])
        for statement in _REMOVE_MODEL:
            self._session.change(statement, of_model=model_id)

    def add_version(self, new: NewVersion) -> VersionRecord:
        self._session.change_soon(_COUNT_UP, of_model=new.model_id)
        numbered = self._session.one(_NUMBERED, model_id=new.model_id)
        assert numbered is not None, "a version belongs to a model"
        number, room, name, namespace_id = numbered
        self._refuse_taken(new, room, name)
        values = _version_values(new)
        version_id = self._session.add(_ADD_VERSION, number=number, namespace_id=namespace_id, **values)
        self._newest = version_id, new.created_ms, namespace_id
        self._untagged = version_id
        self._list_new_version(version_id, namespace_id, new)
        self._add_facts(version_id, namespace_id, new)
        self._add_lineage(version_id, room, new)
        self._count_versions(room, 1)
        return _added(version_id, room, name, number, new)

    def skip_numbers(self, model_id: int, up_to: int) -> None:
        self._session.change(_SKIP_NUMBERS, of_model=model_id, up_to=up_to, to_number=up_to)

    def remove_version(self, version_id: int) -> None:
        gone = self.version_by_id(version_id)
        if gone is not None:
            self._count_versions(gone.namespace, -1)
        if gone is not None and (key := label_key(gone.label)):
            self._session.change(
                _PUT_REMOVED_LABEL,
                namespace=gone.namespace,
                name=gone.model,
                label_key=key,
                number=gone.number,
                digest=gone.digest,
            )
        self._remove_lineage(version_id)
        # Tags, metrics, params and stage changes go with it by foreign key.
        self._session.change(_REMOVE_VERSION, of_version=version_id)

    def retire(self, version_id: int, *, at_ms: int, reason: str) -> None:
        self._session.change(_RETIRE, of_version=version_id, at_ms=at_ms, reason=reason)

    def set_stage(self, version_id: int, stage: Stage, *, at_ms: int, author: str) -> None:
        self._session.change(_SET_STAGE, of_version=version_id, to_stage=str(stage))
        self._touch_version(version_id, at_ms)
        self._session.add(_ADD_STAGE_CHANGE, version_id=version_id, at_ms=at_ms, stage=str(stage), author=author)

    def add_move(
        self,
        model_id: int,
        pointer: str,
        version: VersionRecord | None,
        *,
        at_ms: int,
        author: str,
        reason: MoveReason,
        before: int,
    ) -> Move:
        version_id, number = (version.id, version.number) if version else (0, 0)
        move_id = self._session.add(
            _ADD_MOVE,
            model_id=model_id,
            pointer=pointer,
            version_id=version_id,
            version_number=number,
            at_ms=at_ms,
            author=author,
            reason=str(reason),
            before_id=before,
        )
        self._session.change_soon(
            _PUT_POINTER, model_id=model_id, pointer=pointer, move_id=move_id, version_id=version_id or None
        )
        return Move(move_id, model_id, pointer, version_id, number, at_ms, author, reason, before)

    def put_tag(self, version_id: int, tag: Tag) -> None:
        self.put_tags(version_id, [tag])

    def put_tags(self, version_id: int, tags: Sequence[Tag]) -> None:
        if not tags:
            return
        self._is_bare(version_id)
        whose = self._whose(version_id)
        rows = (whose | {"key": tag.key, "value": tag.value, "author": tag.author, "at_ms": tag.at_ms} for tag in tags)
        self._session.change_many(_PUT_TAG, rows)

    def _is_bare(self, version_id: int) -> bool:
        """Whether it was born here and has no tag yet; asked by whoever is about to put one."""
        is_bare, self._untagged = self._untagged == version_id, 0
        return is_bare

    def _whose(self, version_id: int) -> dict[str, object]:
        newest = self._newest
        if newest is None or newest[0] != version_id:
            created = self._session.one(_CREATED, version_id=version_id)
            assert created is not None, "a tag belongs to a version"
            newest = version_id, created[0], created[1]
        return {"version_id": version_id, "created_ms": newest[1], "namespace_id": newest[2]}

    def remove_tag(self, version_id: int, key: str) -> bool:
        return self._session.change(_REMOVE_TAG, of_version=version_id, of_key=key) > 0

    def add_ledger(
        self, at_ms: int, actor: str, action: str, subject: str, body: Mapping[str, object], namespace: str = ""
    ) -> int:
        if self._sequence is None:
            last = self._session.one(_LAST_SEQUENCE)
            self._sequence = last[0] if last else 0
        sequence = self._sequence + 1
        plain = {key: canon.pack(value) for key, value in body.items()}
        written = canon.dumps(plain).decode()
        entry = LedgerEntry(sequence, at_ms, actor, action, subject, plain, namespace)
        one = sealed(entry, self._salts)
        self._session.change_soon(
            _ADD_ENTRY,
            sequence=sequence,
            at_ms=at_ms,
            actor=actor,
            action=action,
            subject=subject,
            namespace=namespace,
            body=written,
        )
        keep(self._session, sequence, one)
        self._sequence = sequence
        if namespace:
            self._announce(namespace, action, sequence, at_ms)
        return sequence

    def add_blocks(self, rows: Sequence[BlockRow], namespace: str = "") -> None:
        owner = self._namespace_id(namespace)
        packs = {name: self._pack(name, owner) for name in sorted({row.pack for row in rows})}
        self._count_blocks(rows, {name: whose for name, (_, whose) in packs.items()})
        # In key order, a bulk insert touches each page of the index once.
        ordered = sorted(rows, key=lambda row: row.id)
        self._session.change_many(_PUT_BLOCK, (_block_values(row, packs[row.pack][0]) for row in ordered))
        self._note_leaning(ordered)

    def condemn(self, ids: Sequence[BlockId], *, at_ms: int) -> None:
        self._session.change_many(_CONDEMN, ({"of_id": block_id, "at_ms": at_ms} for block_id in sorted(ids)))

    def forget_blocks(self, ids: Sequence[BlockId]) -> None:
        self._forget_counted(ids)
        self._session.change_many(_FORGET, ({"of_id": block_id} for block_id in sorted(ids)))
        self._forget_leaning(ids)
        self._session.change(_FORGET_PACKS)

    def take_lease(self, lease: Lease) -> None:
        self._session.change(
            _TAKE_LEASE,
            id=lease.id,
            holder=lease.holder,
            namespace=lease.namespace,
            author=lease.author,
            taken_ms=lease.taken_ms,
            expires_ms=lease.expires_ms,
        )

    def renew_lease(self, lease_id: str, *, expires_ms: int) -> bool:
        return self._session.change(_RENEW_LEASE, of_id=lease_id, until_ms=expires_ms) > 0

    def drop_lease(self, lease_id: str) -> None:
        self._session.change_soon(_DROP_LEASE, of_id=lease_id)
        self._session.change_soon(_UNSTAGE, of_lease=lease_id)

    def drop_expired_leases(self, *, now_ms: int) -> int:
        dropped = self._session.change(_DROP_EXPIRED, now_ms=now_ms)
        if dropped:
            self._session.change(_UNSTAGE_DEAD)
        return dropped

    def _refuse_taken(self, new: NewVersion, namespace: str, name: str) -> None:
        key, path = label_key(new.label), model_path(namespace, name)
        if key is None:
            return
        holder = self._session.one(_LABEL_HOLDER, model_id=new.model_id, label_key=key)
        if holder is not None:
            raise LabelTaken(
                f"The label {new.label} already names {path}@v{holder[0]}.",
                label=new.label,
                model=path,
                number=holder[0],
            )
        gone = self.removed_label(namespace, name, new.label)
        if gone is not None and gone.digest != new.digest:
            raise gone.refusal(path, new.label)

    def _add_facts(self, version_id: int, namespace_id: int, new: NewVersion) -> None:
        whose = {"version_id": version_id, "namespace_id": namespace_id}
        dated = whose | {"created_ms": new.created_ms}
        metrics = [whose | {"key": key, "value": value} for key, value in new.metrics.items()]
        params = [dated | {"key": key, "value": value} for key, value in new.params.items()]
        for statement, rows in ((_ADD_METRIC, metrics), (_ADD_PARAM, params)):
            if rows:
                self._session.change_many(statement, rows)

    def fill(self, tables: Iterable[tuple[str, Iterable[Sequence[object]]]], counters: Mapping[str, int]) -> None:
        assert not self.models(limit=1), "a catalog that is in use cannot be filled"
        for shape in reversed(self.shapes()):
            dump.empty(self._session, shape.name)
        for name, rows in tables:
            dump.load(self._session, name, rows)
        for name, last in counters.items():
            dump.count_on(self._session, name, last)
        self.forget()

    def _pack(self, name: str, owner: int) -> tuple[int, int]:
        """The pack's id and whose it is: ``owner``'s when it is new."""
        row = self._session.one(_PACK, name=name)
        return (row[0], row[1]) if row else (self._session.add(_ADD_PACK, name=name, namespace_id=owner), owner)


def _added(version_id: int, namespace: str, name: str, number: int, new: NewVersion) -> VersionRecord:
    """The record as it would be read back."""
    return VersionRecord(
        version_id,
        new.model_id,
        namespace,
        name,
        number,
        new.digest,
        new.label,
        new.kind,
        Stage.DEVELOPMENT,
        new.author,
        new.created_ms,
        new.size_bytes,
        new.manifest_size,
        tuple(new.manifest_blocks),
        new.structure,
        new.sketch,
        new.commit,
        new.message,
    )


def _version_values(new: NewVersion) -> dict[str, Any]:
    return {
        "model_id": new.model_id,
        "digest": new.digest,
        "label": new.label,
        "label_key": label_key(new.label),
        "kind": str(new.kind),
        "stage": str(Stage.DEVELOPMENT),
        "author": new.author,
        "created_ms": new.created_ms,
        "size_bytes": new.size_bytes,
        "manifest_size": new.manifest_size,
        "structure": new.structure,
        "sketch": new.sketch,
        "commit_id": new.commit,
        "retired_ms": 0,
        "retired_reason": "",
        "manifest_blocks": b"".join(new.manifest_blocks),
        "message": new.message,
    }


def _block_values(row: BlockRow, pack_id: int) -> dict[str, object]:
    return {
        "id": row.id,
        "pack_id": pack_id,
        "position": row.offset,
        "length": row.length,
        "raw_length": row.raw_length,
        "encoding": row.encoding,
        "crc": row.check,
        "base": row.base,
        "depth": row.depth,
        "is_manifest": int(row.is_manifest),
        "condemned_ms": 0,
    }
