"""The part of the catalog's conformance suite about blocks, packs and leases."""

from dataclasses import replace
from random import Random
from typing import Final

from budwood.catalog.api import Catalog, Lease, PackUse
from budwood.store.api import BlockRow

_SEED: Final = 20_261_105


def block_rows(count: int, pack: str = "packs/ab/one.pack", seed: int = _SEED) -> list[BlockRow]:
    chance = repeatable(seed)
    return [
        BlockRow(chance.randbytes(32), pack, 100 * n, 100, 2_000, n % 5, chance.getrandbits(32)) for n in range(count)
    ]


class IndexSuite:
    """Needs the fixture ``catalog``."""

    def test_blocks_come_back_as_they_were_added(self, catalog: Catalog) -> None:
        base = BlockRow(b"a" * 32, "packs/one.pack", 0, 10, 20, 1, 0xFFFFFFFF)
        difference = BlockRow(b"\xff" * 32, "packs/two.pack", 1 << 40, 10, 20, 200, 0, b"a" * 32, 1, is_manifest=True)
        catalog.write(lambda transaction: transaction.add_blocks([base, difference]))
        with catalog.read() as view:
            assert view.find_blocks([difference.id, base.id, b"b" * 32, base.id]) == {
                base.id: base,
                difference.id: difference,
            }
            assert view.find_blocks([]) == {}
            assert list(view.blocks()) == [base, difference]

    def test_any_number_of_blocks_can_be_asked_for_at_once(self, catalog: Catalog) -> None:
        rows = block_rows(1_777)
        absent = block_rows(900, seed=1)
        catalog.write(lambda transaction: transaction.add_blocks(rows))
        with catalog.read() as view:
            for count in (1, 7, 8, 9, 59, 60, 61, 499, 500, 501, 1_777):
                asked = [row.id for row in rows[:count]] + [row.id for row in absent[:count]]
                assert view.find_blocks(asked) == {row.id: row for row in rows[:count]}, count

    def test_blocks_are_listed_by_id_of_all_packs_or_of_one(self, catalog: Catalog) -> None:
        one, two = block_rows(25), block_rows(25, "packs/cd/two.pack", seed=2)
        catalog.write(lambda transaction: transaction.add_blocks([*one, *two]))
        for pack, rows in (("", [*one, *two]), ("packs/cd/two.pack", two), ("packs/none.pack", [])):
            listed: list[BlockRow] = []
            with catalog.read() as view:
                while page := view.blocks(pack=pack, after=listed[-1].id if listed else b"", limit=10):
                    listed += page
            assert listed == sorted(rows, key=lambda row: row.id)

    def test_a_condemned_block_is_out_of_force_until_it_is_added_again(self, catalog: Catalog) -> None:
        rows = block_rows(3)
        first, second, third = rows
        catalog.write(lambda transaction: transaction.add_blocks(rows))
        catalog.write(lambda transaction: transaction.condemn([first.id, second.id], at_ms=10))
        with catalog.read() as view:
            assert view.find_blocks([row.id for row in rows]) == {third.id: third}
            assert list(view.blocks()) == [third]
            assert {row.id for row in view.condemned(before_ms=11)} == {first.id, second.id}
            assert list(view.condemned(before_ms=10)) == []
            assert view.condemned_total(before_ms=11) == (2, 200)
            assert view.condemned_total(before_ms=10) == (0, 0)
            assert view.counts()["blocks"] == 1
        moved = BlockRow(first.id, "packs/cd/new.pack", 5, 6, 2_000, 0, 7)
        catalog.write(lambda transaction: transaction.add_blocks([moved]))
        with catalog.read() as view:
            assert view.find_blocks([first.id]) == {first.id: moved}
            assert [row.id for row in view.condemned(before_ms=11)] == [second.id]

    def test_a_block_keeps_the_moment_it_was_first_condemned(self, catalog: Catalog) -> None:
        rows = block_rows(1)
        catalog.write(lambda transaction: transaction.add_blocks(rows))
        catalog.write(lambda transaction: transaction.condemn([rows[0].id], at_ms=10))
        catalog.write(lambda transaction: transaction.condemn([rows[0].id], at_ms=99))
        with catalog.read() as view:
            assert list(view.condemned(before_ms=11)) == rows

    def test_ids_and_what_leans_are_given_in_order_and_by_pages(self, catalog: Catalog) -> None:
        whole, more = sorted(block_rows(6), key=lambda row: row.id), block_rows(4, seed=2)
        leaning = sorted((replace(row, base=whole[0].id, depth=1) for row in more), key=lambda row: row.id)
        catalog.write(lambda transaction: transaction.add_blocks([*whole, *leaning]))
        catalog.write(lambda transaction: transaction.condemn([leaning[-1].id, whole[-1].id], at_ms=1))
        with catalog.read() as view:
            ids = sorted(row.id for row in (*whole[:-1], *leaning[:-1]))
            assert list(view.block_ids()) == ids
            assert list(view.block_ids(after=ids[2], limit=3)) == ids[3:6]
            assert list(view.leaning(1)) == [(row.id, row.base) for row in leaning[:-1]]
            assert list(view.leaning(1, after=leaning[0].id, limit=1)) == [(leaning[1].id, whole[0].id)]
            assert list(view.leaning(2)) == []

    def test_forgetting_removes_condemned_rows_and_leaves_those_in_force(self, catalog: Catalog) -> None:
        rows = block_rows(4)
        catalog.write(lambda transaction: transaction.add_blocks(rows))
        catalog.write(lambda transaction: transaction.condemn([row.id for row in rows[:2]], at_ms=10))
        catalog.write(lambda transaction: transaction.forget_blocks([row.id for row in rows[1:]]))
        with catalog.read() as view:
            assert [row.id for row in view.condemned(before_ms=99)] == [rows[0].id]
            assert set(view.find_blocks([row.id for row in rows])) == {row.id for row in rows[2:]}

    def test_packs_are_summed_by_what_is_in_force_and_what_is_condemned(self, catalog: Catalog) -> None:
        one, two = block_rows(5), block_rows(3, "packs/cd/two.pack", seed=2)
        catalog.write(lambda transaction: transaction.add_blocks([*one, *two]))
        catalog.write(lambda transaction: transaction.condemn([row.id for row in [*one[:2], *two]], at_ms=1))
        with catalog.read() as view:
            assert list(view.packs()) == [
                PackUse("packs/ab/one.pack", 3, 300, 2, 200),
                PackUse("packs/cd/two.pack", 0, 0, 3, 300),
            ]
            assert view.counts()["packs"] == 2
            assert list(view.named_packs()) == ["packs/ab/one.pack", "packs/cd/two.pack"]
        catalog.write(lambda transaction: transaction.forget_blocks([row.id for row in two]))
        with catalog.read() as view:
            assert [use.pack for use in view.packs()] == ["packs/ab/one.pack"]
            assert list(view.named_packs()) == ["packs/ab/one.pack"]
            assert view.counts()["packs"] == 1

    def test_leases_live_until_they_expire_or_are_dropped(self, catalog: Catalog) -> None:
        short, long = Lease("l1", "mara", 10, 100), Lease("l2", "jo", 20, 200)
        for lease in (long, short):
            catalog.write(lambda transaction: transaction.take_lease(lease))  # noqa: B023 used at once
        with catalog.read() as view:
            assert list(view.leases(now_ms=99)) == [short, long]
            assert list(view.leases(now_ms=100)) == [long]
        assert catalog.write(lambda transaction: transaction.renew_lease("l1", expires_ms=300)) is True
        assert catalog.write(lambda transaction: transaction.drop_expired_leases(now_ms=250)) == 1
        assert catalog.write(lambda transaction: transaction.renew_lease("l2", expires_ms=300)) is False
        with catalog.read() as view:
            assert [lease.id for lease in view.leases(now_ms=250)] == ["l1"]
        catalog.write(lambda transaction: transaction.drop_lease("l1"))
        with catalog.read() as view:
            assert list(view.leases(now_ms=0)) == []


def repeatable(seed: int) -> Random:
    """Chance that comes out the same on every run."""
    return Random(seed)  # noqa: S311 no secret
