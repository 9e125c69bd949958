"""Who needs which blocks, counted in columns, against plain sets."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.client.registry import Registry
from budwood.domain.manifest import BlockId
from budwood.store.api import BlockRow
from budwood.verbs import columns
from budwood.verbs.house import House
from budwood.verbs.needed import every_manifest, named_blocks, with_bases
from budwood.verbs.stats import stats
from budwood.verbs.uses import Users, Uses

MakeModel = Callable[..., Path]
IDS = [bytes([number * 7 % 256, number]) * 16 for number in range(40)]
some_blocks = st.sets(st.sampled_from(IDS), max_size=9)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that parts are merged many times."""
    monkeypatch.setattr(columns, "WAITING", 5)


@given(added=st.lists(st.tuples(some_blocks, st.integers(0, 3)), max_size=30), asked=some_blocks)
@settings(max_examples=100, deadline=None)
def test_who_needs_a_block_is_found(added: Sequence[tuple[set[BlockId], int]], asked: set[BlockId]) -> None:
    uses, expected = Uses(), set[tuple[BlockId, int]]()
    for blocks, group in added:
        uses.add(blocks, group)
        expected |= {(block, group) for block in blocks}
    uses.settle()
    listed = sorted(asked)
    found = uses.of(listed)
    pairs = [(listed[at], group) for at, group in zip(found.at.tolist(), found.values.tolist(), strict=True)]
    assert sorted(pairs) == sorted(pair for pair in expected if pair[0] in asked)


@given(added=st.lists(some_blocks, max_size=30), asked=some_blocks)
@settings(max_examples=100, deadline=None)
def test_how_many_need_a_block_is_counted(added: Sequence[set[BlockId]], asked: set[BlockId]) -> None:
    users = Users()
    for blocks in added:
        users.add(blocks)
    users.settle()
    counted = Counter(block for blocks in added for block in blocks)
    assert users.of(asked).tolist() == [counted[block] for block in asked]


def test_who_needs_a_block_needs_all_it_leans_on() -> None:
    uses = Uses()
    uses.add([IDS[1]], 1)
    uses.add([IDS[1], IDS[2]], 2)
    uses.settle()
    # The first leans on two, the second on one of these, the third is nobody's.
    uses.add_bases([(IDS[1], IDS[5] + IDS[6]), (IDS[2], IDS[5]), (IDS[3], IDS[7])])
    uses.settle()
    asked = [IDS[5], IDS[6], IDS[7]]
    found = uses.of(asked)
    pairs = sorted(zip(found.at.tolist(), found.values.tolist(), strict=True))
    assert pairs == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_stats_count_what_plain_sets_would(near: Registry, model: MakeModel) -> None:
    source = model()
    near.push(source, "a")
    near.push(model(moved=0.01), "a")
    near.push(source, "b")
    near.push(model(moved=0.02), "b", kind="dataset")
    near.push(model(seed=5), "c")
    near.push(source, "c")
    # Its weights leave, its manifest stays.
    near.delete("a@v2")
    usage, plain = stats(near.house), _by_hand(near.house)
    assert any(row.base for row in plain.rows.values())
    assert usage.blocks == len(plain.rows)
    assert usage.unique_bytes == plain.raw(set(plain.rows))
    assert usage.stored_bytes == plain.stored(set(plain.rows))
    for each in usage.by_model:
        mine, others = plain.models[each.model], [held for name, held in plain.models.items() if name != each.model]
        assert (each.unique_bytes, each.stored_bytes) == (plain.raw(mine), plain.stored(mine))
        assert each.own_bytes == plain.stored(mine.difference(*others))
    for kind in usage.by_kind:
        mine, others = plain.kinds[kind.name], [held for name, held in plain.kinds.items() if name != kind.name]
        assert (kind.stored_bytes, kind.own_bytes) == (plain.stored(mine), plain.stored(mine.difference(*others)))
    shared = {(each.model, each.other): each.shared_bytes for each in usage.shared}
    assert len(shared) == 3
    assert shared == {pair: plain.raw(plain.models[pair[0]] & plain.models[pair[1]]) for pair in shared}
    assert set(shared) == set(combinations(sorted(plain.models), 2))


class _Plain:
    def __init__(self, rows: Mapping[BlockId, BlockRow]) -> None:
        self.rows = rows
        self.models: dict[str, set[BlockId]] = {}
        self.kinds: dict[str, set[BlockId]] = {}

    def raw(self, blocks: set[BlockId]) -> int:
        return sum(self.rows[block].raw_length for block in blocks)

    def stored(self, blocks: set[BlockId]) -> int:
        return sum(self.rows[block].length for block in blocks)


def _by_hand(house: House) -> _Plain:
    needed = [
        (version, set(with_bases(house.index, named_blocks(version, manifest))))
        for version, manifest in every_manifest(house)
    ]
    plain = _Plain(with_bases(house.index, set().union(*(blocks for _, blocks in needed))))
    for version, blocks in needed:
        plain.models.setdefault(version.model, set()).update(blocks)
        plain.kinds.setdefault(str(version.kind), set()).update(blocks)
    return plain
