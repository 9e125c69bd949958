"""What can be read, for every SQL database: models, versions, their moves, tags and ledger.

Each question is one ``Statement`` at the top of its section. The block index, packs and leases are in
``index.py``, search in ``search.py``; ``SqlView`` joins the three.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, cast

from sqlalchemy import Select, and_, bindparam, func, select, text, tuple_

from budwood.catalog.api import RemovedLabel
from budwood.catalog.people_api import Reach
from budwood.catalog.sql import dump, search
from budwood.catalog.sql.artifact_view import ArtifactReads
from budwood.catalog.sql.delivery_view import DeliveryReads
from budwood.catalog.sql.derived_view import DerivedReads
from budwood.catalog.sql.evaluation_view import EvaluationReads
from budwood.catalog.sql.lineage_tables import edge
from budwood.catalog.sql.lineage_view import LineageReads
from budwood.catalog.sql.listing_view import ListingReads
from budwood.catalog.sql.mcp_view import McpReads
from budwood.catalog.sql.people_tables import namespace as namespaces
from budwood.catalog.sql.retention_tables import gone
from budwood.catalog.sql.retention_view import RetentionReads, gone_from
from budwood.catalog.sql.session import Row, Statement, known, opaque
from budwood.catalog.sql.standard_view import StandardReads
from budwood.catalog.sql.storage_tier_view import StorageTierReads
from budwood.catalog.sql.tables import (
    ledger,
    model,
    move,
    pointer,
    removed_label,
    stage_change,
    tag,
    version,
)
from budwood.catalog.sql.trace_view import TraceReads
from budwood.catalog.sql.tracking_view import TrackingReads
from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.manifest import BlockId
from budwood.domain.names import Kind, Stage
from budwood.domain.query import Query
from budwood.domain.records import LedgerEntry, ModelRecord, Move, MoveReason, Tag, VersionRecord
from budwood.domain.results import VersionPage
from budwood.domain.retention import gone_text
from budwood.errors import CatalogDamaged
from budwood.store.archive import TableShape

BLOCK_ID_BYTES: Final = 32
PREFIX_ROWS: Final = 10
# Behind every character that an identifier or digest can hold.
_LAST: Final = "\U0010ffff"
MODEL_COLUMNS: Final = (
    model.c.id,
    model.c.namespace,
    model.c.name,
    model.c.kind,
    model.c.owner,
    model.c.created_ms,
    model.c.last_number,
)
_MOVE_COLUMNS: Final = (
    move.c.id,
    move.c.model_id,
    move.c.pointer,
    move.c.version_id,
    move.c.version_number,
    move.c.at_ms,
    move.c.author,
    move.c.reason,
    move.c.before_id,
)
_versions: Final = select(
    version.c.id,
    version.c.model_id,
    model.c.namespace,
    model.c.name,
    version.c.number,
    version.c.digest,
    version.c.label,
    version.c.kind,
    version.c.stage,
    version.c.author,
    version.c.created_ms,
    version.c.size_bytes,
    version.c.manifest_size,
    version.c.manifest_blocks,
    version.c.structure,
    version.c.sketch,
    version.c.commit_id,
    version.c.message,
    version.c.retired_ms,
    version.c.retired_reason,
    # A look by key, and no join: nothing else about how versions are found changes.
    select(gone.c.body).where(gone.c.version_id == version.c.id).correlate(version).scalar_subquery(),
).join_from(version, model, version.c.model_id == model.c.id)
_versions_of_name: Final = _versions.where(
    model.c.namespace == bindparam("namespace"), model.c.name == bindparam("name")
)


def _limited(statement: Select[tuple[object, ...]]) -> Statement:
    return Statement(statement.limit(bindparam("limit")))


_MODEL: Final = Statement(
    select(*MODEL_COLUMNS).where(model.c.namespace == bindparam("namespace"), model.c.name == bindparam("name"))
)
_MODELS: Final = _limited(
    select(*MODEL_COLUMNS)
    .where(tuple_(model.c.namespace, model.c.name) > tuple_(bindparam("namespace"), bindparam("name")))
    .order_by(model.c.namespace, model.c.name)
)
_MODELS_IN: Final = _limited(
    select(*MODEL_COLUMNS)
    .where(model.c.namespace == bindparam("namespace"), model.c.name > bindparam("name"))
    .order_by(model.c.name)
)
_BY_ID: Final = Statement(_versions.where(version.c.id == bindparam("version_id")))
IDS_AT_ONCE: Final = 50
_BY_IDS: Final = Statement(
    lambda _: _versions.where(version.c.id.in_([bindparam(f"id{n}") for n in range(IDS_AT_ONCE)]))
)
_BY_NUMBER: Final = Statement(_versions_of_name.where(version.c.number == bindparam("number")))
_BY_LABEL: Final = Statement(_versions_of_name.where(version.c.label_key == bindparam("label_key")))
_REMOVED_LABEL: Final = Statement(
    select(removed_label.c.number, removed_label.c.digest).where(
        removed_label.c.namespace == bindparam("namespace"),
        removed_label.c.name == bindparam("name"),
        removed_label.c.label_key == bindparam("label_key"),
    )
)
_BY_POINTER: Final = Statement(
    _versions.join(pointer, pointer.c.version_id == version.c.id).where(
        model.c.namespace == bindparam("namespace"),
        model.c.name == bindparam("name"),
        pointer.c.model_id == model.c.id,
        pointer.c.pointer == bindparam("pointer"),
    )
)
_NEWEST: Final = Statement(_versions_of_name.order_by(version.c.number.desc()).limit(bindparam("limit")))
# Few versions begin with a prefix; a model may have many, so the digest leads.
_BY_DIGEST: Final = _limited(
    _versions.where(
        version.c.digest >= bindparam("prefix"),
        version.c.digest < bindparam("end"),
        opaque(and_(model.c.namespace == bindparam("namespace"), model.c.name == bindparam("name"))),
    ).order_by(version.c.number.desc())
)
_BY_COMMIT: Final = _limited(
    _versions_of_name.where(
        version.c.commit_id >= bindparam("prefix"), version.c.commit_id < bindparam("end")
    ).order_by(version.c.number.desc())
)
_OF_MODEL: Final = _limited(
    _versions.where(version.c.model_id == bindparam("model_id"), version.c.number < bindparam("before")).order_by(
        version.c.number.desc()
    )
)
_ALL: Final = _limited(_versions.where(version.c.id > bindparam("after_id")).order_by(version.c.id))
_IN_ROOM: Final = _limited(
    _versions.where(
        version.c.namespace_id
        == select(namespaces.c.id).where(namespaces.c.name == bindparam("room")).scalar_subquery(),
        version.c.id > bindparam("after_id"),
    ).order_by(version.c.id)
)
_OF_STRUCTURE: Final = _limited(
    _versions.where(
        version.c.namespace_id == bindparam("room"), version.c.structure == bindparam("structure")
    ).order_by(version.c.id.desc())
)
_PARENTS: Final = Statement(
    _versions.join(edge, edge.c.parent == version.c.id)
    .where(edge.c.child == bindparam("version_id"))
    .order_by(version.c.id)
)
_CHILDREN: Final = Statement(
    _versions.join(edge, edge.c.child == version.c.id)
    .where(edge.c.parent == bindparam("version_id"))
    .order_by(version.c.id)
)
_PARENT_PAIRS: Final = Statement(
    select(edge.c.child, edge.c.parent)
    .join_from(version, edge, version.c.id == edge.c.child)
    .where(version.c.model_id == bindparam("model_id"), edge.c.parent > 0)
    .order_by(edge.c.child, edge.c.parent)
)
_IN_FORCE: Final = select(*_MOVE_COLUMNS).join_from(pointer, move, move.c.id == pointer.c.move_id)
_POINTERS: Final = Statement(
    _IN_FORCE.where(pointer.c.model_id == bindparam("model_id"), pointer.c.version_id.is_not(None)).order_by(
        pointer.c.pointer
    )
)
_POINTER: Final = Statement(
    _IN_FORCE.where(pointer.c.model_id == bindparam("model_id"), pointer.c.pointer == bindparam("pointer"))
)
_MOVES: Final = _limited(
    select(*_MOVE_COLUMNS).where(move.c.model_id == bindparam("model_id")).order_by(move.c.id.desc())
)
_MOVES_OF: Final = _limited(
    select(*_MOVE_COLUMNS)
    .where(move.c.model_id == bindparam("model_id"), move.c.pointer == bindparam("pointer"))
    .order_by(move.c.id.desc())
)
_MOVE: Final = Statement(select(*_MOVE_COLUMNS).where(move.c.id == bindparam("move_id")))
_MOVE_AT: Final = _limited(
    select(*_MOVE_COLUMNS)
    .where(
        move.c.model_id == bindparam("model_id"),
        move.c.pointer == bindparam("pointer"),
        move.c.at_ms <= bindparam("at_ms"),
    )
    .order_by(move.c.id.desc())
)
_STAGES: Final = Statement(
    select(stage_change.c.at_ms, stage_change.c.stage)
    .where(stage_change.c.version_id == bindparam("version_id"))
    .order_by(stage_change.c.id)
)
_TAGS: Final = Statement(
    select(tag.c.key, tag.c.value, tag.c.author, tag.c.at_ms)
    .where(tag.c.version_id == bindparam("version_id"))
    .order_by(tag.c.key)
)
_ledger: Final = select(
    ledger.c.sequence,
    ledger.c.at_ms,
    ledger.c.actor,
    ledger.c.action,
    ledger.c.subject,
    ledger.c.body,
    ledger.c.namespace,
).where(ledger.c.sequence > bindparam("after"))
_LEDGER: Final = _limited(_ledger.order_by(ledger.c.sequence))
_LEDGER_OF: Final = _limited(_ledger.where(ledger.c.subject == bindparam("subject")).order_by(ledger.c.sequence))
_LEDGER_IN: Final = _limited(_ledger.where(ledger.c.namespace == bindparam("room")).order_by(ledger.c.sequence))
_COUNT_MODELS: Final = Statement(select(func.count()).select_from(model))
_COUNT_OF_MODEL: Final = Statement(select(func.count()).where(version.c.model_id == bindparam("model_id")))
_COUNT_VERSIONS: Final = Statement(select(func.count()).select_from(version))

_REVISION: Final = Statement(text("SELECT version_num FROM alembic_version"))


class SqlView(
    ListingReads,
    ArtifactReads,
    DeliveryReads,
    DerivedReads,
    EvaluationReads,
    LineageReads,
    McpReads,
    RetentionReads,
    StandardReads,
    StorageTierReads,
    TraceReads,
    TrackingReads,
):
    """``catalog.api.View`` over one session."""

    __slots__ = ()

    def model(self, namespace: str, name: str) -> ModelRecord | None:
        row = self._session.one(_MODEL, namespace=namespace, name=name)
        return model_from(row) if row else None

    def models(self, *, after: str = "", limit: int = 100, reach: Reach = None) -> Sequence[ModelRecord]:
        namespace, _, name = after.partition("/")
        if reach is None:
            rows = self._session.all(_MODELS, namespace=namespace, name=name, limit=page(limit))
            return [model_from(row) for row in rows]
        found: list[ModelRecord] = []
        for room in sorted(each for each in reach if each >= namespace):
            left = page(limit) - len(found)
            behind = name if room == namespace else ""
            rows = self._session.all(_MODELS_IN, namespace=room, name=behind, limit=left) if left else []
            found += [model_from(row) for row in rows]
        return found

    def version_by_id(self, version_id: int) -> VersionRecord | None:
        return _first(self._session.one(_BY_ID, version_id=version_id))

    def version_by_number(self, namespace: str, name: str, number: int) -> VersionRecord | None:
        return _first(self._session.one(_BY_NUMBER, namespace=namespace, name=name, number=number))

    def version_by_label(self, namespace: str, name: str, label: str) -> VersionRecord | None:
        return _first(self._session.one(_BY_LABEL, namespace=namespace, name=name, label_key=label_key(label)))

    def removed_label(self, namespace: str, name: str, label: str) -> RemovedLabel | None:
        row = self._session.one(_REMOVED_LABEL, namespace=namespace, name=name, label_key=label_key(label))
        return RemovedLabel(*row) if row else None

    def version_by_pointer(self, namespace: str, name: str, pointer: str) -> VersionRecord | None:
        return _first(self._session.one(_BY_POINTER, namespace=namespace, name=name, pointer=pointer))

    def versions_by_digest(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        return self._by_prefix(_BY_DIGEST, namespace, name, prefix)

    def versions_by_commit(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        return self._by_prefix(_BY_COMMIT, namespace, name, prefix)

    def newest_version(self, namespace: str, name: str) -> VersionRecord | None:
        return _first(self._session.one(_NEWEST, namespace=namespace, name=name, limit=1))

    def versions(self, model_id: int, *, before: int = 0, limit: int = 100) -> Sequence[VersionRecord]:
        ceiling = before or (1 << 62)
        rows = self._session.all(_OF_MODEL, model_id=model_id, before=ceiling, limit=page(limit))
        return [version_from(row) for row in rows]

    def version_count(self, model_id: int) -> int:
        return cast(int, self._session.all(_COUNT_OF_MODEL, model_id=model_id)[0][0])

    def all_versions(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[VersionRecord]:
        return [version_from(row) for row in self._session.all(_ALL, after_id=after_id, limit=page(limit))]

    def versions_in(self, namespace: str, *, after_id: int = 0, limit: int = 1000) -> Sequence[VersionRecord]:
        rows = self._session.all(_IN_ROOM, room=namespace, after_id=after_id, limit=page(limit))
        return [version_from(row) for row in rows]

    def versions_of_structure(self, structure: str, *, limit: int, reach: Reach = None) -> Sequence[VersionRecord]:
        found = [
            version_from(row)
            for room in search.ids_within(self._session, reach)
            for row in self._session.all(_OF_STRUCTURE, room=room, structure=structure, limit=page(limit))
        ]
        return sorted(found, key=lambda version: -version.id)[: page(limit)]

    def parents(self, version_id: int) -> Sequence[VersionRecord]:
        return [version_from(row) for row in self._session.all(_PARENTS, version_id=version_id)]

    def children(self, version_id: int) -> Sequence[VersionRecord]:
        return [version_from(row) for row in self._session.all(_CHILDREN, version_id=version_id)]

    def parent_pairs(self, model_id: int) -> Sequence[tuple[int, int]]:
        return [(child, parent) for child, parent in self._session.all(_PARENT_PAIRS, model_id=model_id)]

    def pointers(self, model_id: int) -> Sequence[Move]:
        return [move_from(row) for row in self._session.all(_POINTERS, model_id=model_id)]

    def pointer(self, model_id: int, pointer: str) -> Move | None:
        row = self._session.one(_POINTER, model_id=model_id, pointer=pointer)
        return move_from(row) if row else None

    def moves(self, model_id: int, *, pointer: str = "", limit: int = 1000) -> Sequence[Move]:
        if pointer:
            rows = self._session.all(_MOVES_OF, model_id=model_id, pointer=pointer, limit=page(limit))
        else:
            rows = self._session.all(_MOVES, model_id=model_id, limit=page(limit))
        return [move_from(row) for row in rows]

    def move_by_id(self, move_id: int) -> Move | None:
        row = self._session.one(_MOVE, move_id=move_id)
        return move_from(row) if row else None

    def move_at(self, model_id: int, pointer: str, at_ms: int) -> Move | None:
        row = self._session.one(_MOVE_AT, model_id=model_id, pointer=pointer, at_ms=at_ms, limit=1)
        return move_from(row) if row else None

    def stage_history(self, version_id: int) -> Sequence[tuple[int, Stage]]:
        return [(at_ms, known(Stage, stage)) for at_ms, stage in self._session.all(_STAGES, version_id=version_id)]

    def tags(self, version_id: int) -> Sequence[Tag]:
        return [Tag(*row) for row in self._session.all(_TAGS, version_id=version_id)]

    def search(self, query: Query, *, cursor: str = "", limit: int = 100, reach: Reach = None) -> VersionPage:
        found = search.find_ids(self._session, query, cursor=cursor, limit=page(limit), reach=reach)
        return VersionPage(tuple(self._versions_of(found.ids)), found.cursor)

    def ledger(
        self, *, after: int = 0, limit: int = 100, subject: str = "", reach: Reach = None
    ) -> Sequence[LedgerEntry]:
        if subject:
            rows = self._session.all(_LEDGER_OF, after=after, subject=subject, limit=page(limit))
        elif reach is None:
            rows = self._session.all(_LEDGER, after=after, limit=page(limit))
        else:
            several = (self._session.all(_LEDGER_IN, after=after, room=room, limit=page(limit)) for room in reach)
            rows = sorted(chain.from_iterable(several))[: page(limit)]
        return [_entry_from(row) for row in rows if reach is None or row[6] in reach]

    def revision(self) -> str:
        row = self._session.one(_REVISION)
        return str(row[0]) if row else ""

    def shapes(self) -> Sequence[TableShape]:
        return dump.shapes()

    def dump(self, table: str) -> Iterator[Sequence[Row]]:
        return dump.rows_of(self._session, table)

    def counters(self) -> dict[str, int]:
        return dump.counters(self._session)

    def counts(self) -> dict[str, int]:
        counted = {"models": _COUNT_MODELS, "versions": _COUNT_VERSIONS}
        return {name: self._session.all(of)[0][0] for name, of in counted.items()} | self._index_counts()

    def _by_prefix(self, statement: Statement, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        rows = self._session.all(
            statement, namespace=namespace, name=name, prefix=prefix, end=prefix + _LAST, limit=PREFIX_ROWS
        )
        return [version_from(row) for row in rows]

    def _versions_of(self, ids: Sequence[int]) -> Iterator[VersionRecord]:
        """The records of these ids, in this order. Raises CatalogDamaged for one that an index alone knows."""
        found: dict[int, Row] = {}
        for at in range(0, len(ids), IDS_AT_ONCE):
            some = ids[at : at + IDS_AT_ONCE]
            # Filled up with one id: to name it twice costs less than another statement.
            values = {f"id{n}": some[min(n, len(some) - 1)] for n in range(IDS_AT_ONCE)}
            found |= {row[0]: row for row in self._session.all(_BY_IDS, **values)}
        for version_id in ids:
            if version_id not in found:
                raise CatalogDamaged(f"A search found version {version_id}, which has no record.")
            yield version_from(found[version_id])


def page(limit: int) -> int:
    """A page never holds more than ``PAGE_ROWS``."""
    return max(0, min(limit, PAGE_ROWS))


def label_key(label: str) -> str | None:
    """What must be unique in a model: the label without build metadata; None for none."""
    return label.partition("+")[0] or None


def model_from(row: Row) -> ModelRecord:
    id_, namespace, name, kind, owner, created_ms, last_number = row
    return ModelRecord(id_, namespace, name, known(Kind, kind), owner, created_ms, last_number)


def version_from(row: Row) -> VersionRecord:
    id_, model_id, namespace, name, number, digest, label, kind, stage, author, created_ms, size, *rest = row
    manifest_size, manifest_blocks, structure, sketch, commit, message, retired_ms, retired_reason, body = rest
    let_go = gone_from(body) if body else None
    return VersionRecord(
        id_,
        model_id,
        namespace,
        name,
        number,
        digest,
        label,
        known(Kind, kind),
        known(Stage, stage),
        author,
        created_ms,
        size,
        manifest_size,
        split_ids(manifest_blocks),
        structure,
        sketch,
        commit,
        message,
        retired_ms,
        retired_reason,
        let_go.at_ms if let_go else 0,
        gone_text(let_go) if let_go else "",
    )


def move_from(row: Row) -> Move:
    id_, model_id, pointer_name, version_id, number, at_ms, author, reason, before = row
    return Move(id_, model_id, pointer_name, version_id, number, at_ms, author, known(MoveReason, reason), before)


def split_ids(joined: bytes) -> tuple[BlockId, ...]:
    """The block ids a version row keeps end to end."""
    return tuple(joined[at : at + BLOCK_ID_BYTES] for at in range(0, len(joined), BLOCK_ID_BYTES))


def _first(row: Row | None) -> VersionRecord | None:
    return version_from(row) if row else None


def _entry_from(row: Row) -> LedgerEntry:
    sequence, at_ms, actor, action, subject, body, namespace = row
    try:
        written = cast(dict[str, Json], canon.loads(body))
    except ValueError as error:
        raise CatalogDamaged(f"Entry {sequence} of the ledger cannot be read.") from error
    return LedgerEntry(sequence, at_ms, actor, action, subject, written, namespace)
