"""The block index, packs and leases: where blocks lie, what is condemned, which pushes are under way.

Pack names are interned: a block row carries a small number. Many ids are asked for in statements of fixed
widths, so that a question about a million blocks compiles four statements and not one per width.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import BindParameter, Select, and_, bindparam, case, func, literal_column, select
from sqlalchemy.sql import ClauseElement

from budwood.catalog.api import Lease, PackUse
from budwood.catalog.people_api import Reach
from budwood.catalog.sql.derived_tables import leaning
from budwood.catalog.sql.people_tables import holding, namespace
from budwood.catalog.sql.session import Row, Session, Statement
from budwood.catalog.sql.tables import block, lease, pack
from budwood.domain.limits import DERIVED_DEPTH, INDEX_ROWS
from budwood.domain.manifest import BlockId
from budwood.store.api import BlockRow

_WIDTHS: Final = (500, 60, 8, 1)
_FILLED: Final = 4

_rows: Final = select(
    block.c.id,
    pack.c.name,
    block.c.position,
    block.c.length,
    block.c.raw_length,
    block.c.encoding,
    block.c.crc,
    block.c.base,
    block.c.depth,
    block.c.is_manifest,
).join_from(block, pack, pack.c.id == block.c.pack_id)
_in_force: Final = _rows.where(block.c.condemned_ms == 0)


def _paged(statement: Select[tuple[object, ...]]) -> Statement:
    return Statement(statement.where(block.c.id > bindparam("after")).order_by(block.c.id).limit(bindparam("limit")))


def _finding(width: int) -> Statement:
    """Built at its first use: half a thousand placeholders are not free."""
    # Of a pack of one's own machine nobody knows whose it is.
    owner = select(namespace.c.name).where(namespace.c.id == pack.c.namespace_id).correlate(pack).scalar_subquery()
    owned = _in_force.add_columns(owner)
    return Statement(lambda _: owned.where(block.c.id.in_([bindparam(f"id{n}") for n in range(width)])))


def _asking(build: Callable[[Sequence[BindParameter[bytes]]], ClauseElement]) -> dict[int, Statement]:
    """One question about many ids, a statement a width."""

    def of(width: int) -> Statement:
        return Statement(lambda _: build([bindparam(f"id{n}") for n in range(width)]))

    return {width: of(width) for width in _WIDTHS}


_FIND: Final = {width: _finding(width) for width in _WIDTHS}
OWNERS: Final = _asking(
    lambda ids: (
        select(block.c.id, pack.c.namespace_id, block.c.length, block.c.condemned_ms)
        .join_from(block, pack, pack.c.id == block.c.pack_id)
        .where(block.c.id.in_(ids))
    )
)
HOLDERS: Final = _asking(
    lambda ids: select(holding.c.block_id, holding.c.namespace_id, holding.c.length).where(holding.c.block_id.in_(ids))
)
_HOLDING: Final = _asking(
    lambda ids: (
        select(holding.c.block_id, namespace.c.name)
        .join_from(holding, namespace, namespace.c.id == holding.c.namespace_id)
        .where(holding.c.block_id.in_(ids))
    )
)
# Written out, not bound: only then is it seen to match the partial index.
_is_difference: Final = and_(block.c.depth > literal_column("0"), block.c.depth != literal_column(str(DERIVED_DEPTH)))
_DIFFERENT: Final = _asking(lambda ids: _in_force.where(_is_difference, block.c.base.in_(ids)))
_DERIVED: Final = _asking(
    lambda ids: _in_force.join(leaning, leaning.c.block_id == block.c.id).where(leaning.c.base_id.in_(ids))
)
_BLOCKS: Final = _paged(_in_force)
_BLOCKS_OF: Final = _paged(_in_force.where(pack.c.name == bindparam("pack")))
# Written out, not bound: only then is it seen to match the partial index.
_is_condemned: Final = block.c.condemned_ms > literal_column("0")
_IDS: Final = _paged(select(block.c.id).where(block.c.condemned_ms == 0))
_DEEP: Final = _paged(
    select(block.c.id, block.c.base).where(block.c.condemned_ms == 0, block.c.depth == bindparam("depth"))
)
_CONDEMNED: Final = Statement(
    _rows.where(_is_condemned, block.c.condemned_ms < bindparam("before_ms"))
    .order_by(block.c.condemned_ms, block.c.id)
    .limit(bindparam("limit"))
)
_CONDEMNED_TOTAL: Final = Statement(
    select(func.count(), func.coalesce(func.sum(block.c.length), 0)).where(
        _is_condemned, block.c.condemned_ms < bindparam("before_ms")
    )
)
_is_live: Final = block.c.condemned_ms == 0
_PACKS: Final = Statement(
    select(
        func.min(pack.c.name),
        func.sum(case((_is_live, 1), else_=0)),
        func.sum(case((_is_live, block.c.length), else_=0)),
        func.sum(case((_is_live, 0), else_=1)),
        func.sum(case((_is_live, 0), else_=block.c.length)),
    )
    .join_from(block, pack, pack.c.id == block.c.pack_id)
    .group_by(block.c.pack_id)
)
_leases: Final = select(
    lease.c.id, lease.c.holder, lease.c.taken_ms, lease.c.expires_ms, lease.c.namespace, lease.c.author
).where(lease.c.expires_ms > bindparam("now_ms"))
_LEASES: Final = Statement(_leases.order_by(lease.c.taken_ms, lease.c.id))
_LEASE: Final = Statement(_leases.where(lease.c.id == bindparam("lease_id")))
_COUNT_BLOCKS: Final = Statement(
    select(
        select(func.count()).select_from(block).scalar_subquery()
        - select(func.count()).where(_is_condemned).scalar_subquery()
    )
)
_holds_something: Final = select(block.c.id).where(block.c.pack_id == pack.c.id).exists()
_COUNT_PACKS: Final = Statement(select(func.count()).select_from(pack).where(_holds_something))
_NAMED_PACKS: Final = Statement(select(pack.c.name).where(_holds_something))


class IndexView:
    """The part of ``catalog.api.View`` that speaks of blocks."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def find_blocks(self, ids: Sequence[BlockId], *, reach: Reach = None) -> dict[BlockId, BlockRow]:
        rows = self._ask(_FIND, ids)
        if reach is None:
            return {row[0]: _block_from(row[:-1]) for row in rows}
        return {row[0]: _block_from(row[:-1]) for row in self._within(list(rows), reach)}

    def _within(self, rows: Sequence[Row], reach: frozenset[str]) -> list[Row]:
        """Those of the blocks that lie in a pack of these namespaces, or that one of them holds."""
        others = [row[0] for row in rows if row[-1] not in reach]
        held = {row[0] for row in self._ask(_HOLDING, others) if row[1] in reach}
        return [row for row in rows if row[-1] in reach or row[0] in held]

    def _ask(self, statements: Mapping[int, Statement], ids: Sequence[BlockId]) -> Iterator[Row]:
        # Sorted, neighbours share the pages of the index.
        for chunk in _chunks(sorted(set(ids))):
            values = {f"id{n}": block_id for n, block_id in enumerate(chunk)}
            yield from self._session.all(statements[len(chunk)], **values)

    def leaning_on(self, ids: Sequence[BlockId]) -> list[BlockRow]:
        found = {row[0]: _block_from(row) for row in self._ask(_DIFFERENT, ids)}
        derived = (_block_from(row) for row in self._ask(_DERIVED, ids))
        # One that was written anew as a whole leans on nothing any more.
        found |= {row.id: row for row in derived if not set(ids).isdisjoint(row.bases)}
        return list(found.values())

    def blocks(self, *, pack: str = "", after: BlockId = b"", limit: int = 10_000) -> Sequence[BlockRow]:
        if pack:
            rows = self._session.all(_BLOCKS_OF, pack=pack, after=after, limit=_page(limit))
        else:
            rows = self._session.all(_BLOCKS, after=after, limit=_page(limit))
        return [_block_from(row) for row in rows]

    def block_ids(self, *, after: BlockId = b"", limit: int = INDEX_ROWS) -> Sequence[BlockId]:
        return [row[0] for row in self._session.all(_IDS, after=after, limit=_page(limit))]

    def leaning(self, depth: int, *, after: BlockId = b"", limit: int = INDEX_ROWS) -> Sequence[tuple[BlockId, bytes]]:
        rows = self._session.all(_DEEP, depth=depth, after=after, limit=_page(limit))
        return [(row[0], row[1]) for row in rows]

    def condemned(self, *, before_ms: int, limit: int = 10_000) -> Sequence[BlockRow]:
        return [_block_from(row) for row in self._session.all(_CONDEMNED, before_ms=before_ms, limit=_page(limit))]

    def condemned_total(self, *, before_ms: int) -> tuple[int, int]:
        blocks, length = self._session.all(_CONDEMNED_TOTAL, before_ms=before_ms)[0]
        return int(blocks), int(length)

    def packs(self) -> Sequence[PackUse]:
        return sorted((PackUse(*row) for row in self._session.all(_PACKS)), key=lambda use: use.pack)

    def named_packs(self) -> Sequence[str]:
        return sorted(row[0] for row in self._session.all(_NAMED_PACKS))

    def lease(self, lease_id: str, *, now_ms: int) -> Lease | None:
        row = self._session.one(_LEASE, lease_id=lease_id, now_ms=now_ms)
        return Lease(*row) if row else None

    def leases(self, *, now_ms: int) -> Sequence[Lease]:
        return [Lease(*row) for row in self._session.all(_LEASES, now_ms=now_ms)]

    def _index_counts(self) -> dict[str, int]:
        counted = {"blocks": _COUNT_BLOCKS, "packs": _COUNT_PACKS}
        return {name: self._session.all(of)[0][0] for name, of in counted.items()}


def _chunks(ids: Sequence[BlockId]) -> Iterator[Sequence[BlockId]]:
    """The ids in runs of the widths there are statements for. A short one is filled up with its last id: to name a
    block twice costs less than to ask again."""
    at = 0
    while left := len(ids) - at:
        narrow = max(width for width in _WIDTHS if width <= left)
        width = min((each for each in _WIDTHS if left <= each <= _FILLED * left), default=narrow)
        run = tuple(ids[at : at + width])
        at += len(run)
        yield run + run[-1:] * (width - len(run))


def _page(limit: int) -> int:
    return max(0, min(limit, INDEX_ROWS))


def _block_from(row: Row) -> BlockRow:
    id_, pack_name, offset, length, raw_length, encoding, check, base, depth, is_manifest = row
    return BlockRow(id_, pack_name, offset, length, raw_length, encoding, check, base, depth, bool(is_manifest))
