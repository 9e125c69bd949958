"""The part of the catalog's conformance suite about what a namespace sent: whose a block is, holdings, counters."""

from random import Random
from typing import Final

from budwood.catalog.api import Catalog, Lease, NewVersion, Transaction
from budwood.catalog.testing_index import block_rows, repeatable
from budwood.domain.names import Kind
from budwood.domain.people import NamespaceUsage, Quota
from budwood.store.api import BlockRow

ROOMS: Final = ("fraud", "risk")
_LENGTHS: Final = (1, 100, 1 << 40)


class UsageSuite:
    """Needs the fixture ``catalog``."""

    def test_a_namespace_counts_what_it_sent_and_holds(self, catalog: Catalog) -> None:
        mine, theirs = block_rows(4), block_rows(3, "packs/cd/two.pack", seed=2)

        def work(transaction: Transaction) -> None:
            add_rooms(transaction)
            transaction.add_blocks(mine, "risk")
            transaction.add_blocks(theirs, "fraud")
            transaction.hold_blocks("risk", {theirs[0].id: 70, theirs[1].id: 30})
            transaction.hold_blocks("risk", {theirs[0].id: 70})

        catalog.write(work)
        assert counted(catalog, "risk") == NamespaceUsage("risk", 500, 0, 0, 0)
        assert counted(catalog, "fraud") == NamespaceUsage("fraud", 300, 0, 0, 0)

    def test_a_block_is_seen_where_it_was_sent_and_nowhere_else(self, catalog: Catalog) -> None:
        mine, theirs, nobodys = (block_rows(2, f"packs/{seed}.pack", seed) for seed in (1, 2, 3))
        ids = [row.id for row in (*mine, *theirs, *nobodys)]

        def work(transaction: Transaction) -> None:
            add_rooms(transaction)
            transaction.add_blocks(mine, "risk")
            transaction.add_blocks(theirs, "fraud")
            transaction.add_blocks(nobodys)
            transaction.hold_blocks("risk", {theirs[0].id: 100})

        catalog.write(work)
        with catalog.read() as view:
            assert set(view.find_blocks(ids)) == set(ids)
            assert set(view.find_blocks(ids, reach=frozenset({"risk"}))) == {mine[0].id, mine[1].id, theirs[0].id}
            assert set(view.find_blocks(ids, reach=frozenset({"fraud"}))) == {row.id for row in theirs}
            assert set(view.find_blocks(ids, reach=frozenset(ROOMS))) == {row.id for row in (*mine, *theirs)}
            assert view.find_blocks(ids, reach=frozenset({"nowhere"})) == {}
            assert view.find_blocks(ids, reach=frozenset()) == {}
            assert view.pack_owner("packs/1.pack") == "risk"
            assert view.pack_owner("packs/3.pack") == ""

    def test_a_condemned_block_is_seen_by_nobody_and_counts_until_it_is_forgotten(self, catalog: Catalog) -> None:
        (row,) = block_rows(1)

        def work(transaction: Transaction) -> None:
            add_rooms(transaction)
            transaction.add_blocks([row], "risk")
            transaction.hold_blocks("fraud", {row.id: 80})
            transaction.condemn([row.id], at_ms=5)

        catalog.write(work)
        with catalog.read() as view:
            assert view.find_blocks([row.id], reach=frozenset(ROOMS)) == {}
        assert (counted(catalog, "risk").bytes, counted(catalog, "fraud").bytes) == (100, 80)
        catalog.write(lambda transaction: transaction.forget_blocks([row.id]))
        assert (counted(catalog, "risk").bytes, counted(catalog, "fraud").bytes) == (0, 0)
        catalog.write(lambda transaction: transaction.add_blocks([row], "risk"))
        with catalog.read() as view:
            assert view.find_blocks([row.id], reach=frozenset({"fraud"})) == {}

    def test_what_pushes_under_way_have_staged_counts_while_their_lease_lives(self, catalog: Catalog) -> None:
        rows = block_rows(3)

        def work(transaction: Transaction) -> None:
            add_rooms(transaction)
            transaction.take_lease(Lease("one", "host", 1, 100, "risk", "mara"))
            transaction.take_lease(Lease("two", "host", 1, 50, "risk", "jo"))
            transaction.take_lease(Lease("other", "host", 1, 100, "fraud", "jo"))
            transaction.add_blocks(rows, "risk")
            transaction.stage_blocks("one", [row.id for row in rows[:2]])
            transaction.stage_blocks("one", [rows[0].id])
            transaction.stage_blocks("two", [rows[2].id])

        catalog.write(work)
        assert counted(catalog, "risk", now_ms=10) == NamespaceUsage("risk", 300, 0, 300, 2)
        assert counted(catalog, "risk", now_ms=60) == NamespaceUsage("risk", 300, 0, 200, 1)
        with catalog.read() as view:
            assert set(view.staged_blocks("one")) == {row.id for row in rows[:2]}
            assert set(view.staged_blocks(now_ms=60)) == {row.id for row in rows[:2]}
            assert set(view.staged_blocks(now_ms=10)) == {row.id for row in rows}
            alive = [(lease.id, lease.namespace, lease.author) for lease in view.leases(now_ms=60)]
            assert alive == [("one", "risk", "mara"), ("other", "fraud", "jo")]
        catalog.write(lambda transaction: transaction.drop_lease("one"))
        catalog.write(lambda transaction: transaction.drop_expired_leases(now_ms=60))
        with catalog.read() as view:
            assert list(view.staged_blocks(now_ms=0)) == []
            assert list(view.staged_blocks("two")) == []

    def test_a_quota_is_set_and_its_edit_counted(self, catalog: Catalog) -> None:
        made = catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=5, quota=Quota(bytes=9)))
        assert (made.name, made.created_ms, made.quota, made.edit) == ("risk", 5, Quota(bytes=9), 0)
        changed = catalog.write(lambda transaction: transaction.set_quota("risk", Quota(1, 2, 3, 4)))
        assert (changed.id, changed.quota, changed.edit) == (made.id, Quota(1, 2, 3, 4), 1)
        assert counted(catalog, "risk").quota == Quota(1, 2, 3, 4)

    def test_counters_equal_a_count_after_anything(self, catalog: Catalog) -> None:
        for seed in range(6):
            chance = repeatable(seed)
            rooms = tuple(f"{room}-{seed}" for room in ROOMS)
            catalog.write(lambda transaction: add_rooms(transaction, rooms))  # noqa: B023 used at once
            known: list[BlockRow] = []
            for step in range(40):
                catalog.write(lambda transaction: act(transaction, chance, rooms, known, f"{seed}-{step}"))  # noqa: B023
            for room in rooms:
                counted(catalog, room)


def add_rooms(transaction: Transaction, rooms: tuple[str, ...] = ROOMS) -> None:
    for room in rooms:
        transaction.add_namespace(room, at_ms=1)


def counted(catalog: Catalog, namespace: str, now_ms: int = 0) -> NamespaceUsage:
    """Its usage, which a count confirms."""
    with catalog.read() as view:
        usage = view.usage(namespace, now_ms=now_ms)
        assert usage is not None
        assert usage == view.recount(namespace, now_ms=now_ms)
    return usage


def act(transaction: Transaction, chance: Random, rooms: tuple[str, ...], known: list[BlockRow], step: str) -> None:
    """One thing that changes what a namespace has."""
    room = chance.choice(rooms)
    some = chance.sample(known, min(len(known), chance.randrange(4)))
    match chance.randrange(7):
        case 0 | 1:
            packs = [f"packs/{step}", *(row.pack for row in known[:3])]
            ids = [*(chance.randbytes(32) for _ in range(3)), *(row.id for row in some)]
            rows = [BlockRow(each, chance.choice(packs), 0, chance.choice(_LENGTHS), 9, 1, 7) for each in ids]
            transaction.add_blocks([*rows, rows[0]], chance.choice((room, room, "")))
            known += rows[:3]
        case 2:
            transaction.hold_blocks(room, {row.id: chance.choice(_LENGTHS) for row in some})
        case 3:
            transaction.condemn([row.id for row in some], at_ms=1)
        case 4:
            transaction.forget_blocks([row.id for row in (*some, *some[:1])])
        case 5:
            model = transaction.model(room, "encoder") or transaction.add_model(room, "encoder", Kind.MODEL, "mara", 1)
            transaction.add_version(NewVersion(model.id, step, "", Kind.MODEL, "mara", 1, 1, 1, (b"m" * 32,)))
        case _:
            newest = transaction.newest_version(room, "encoder")
            if newest is not None:
                transaction.remove_version(newest.id)
