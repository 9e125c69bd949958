"""Bases: which block a block may lean on, and how deep."""

from collections.abc import Mapping, Sequence

from budwood.domain.facts import Facts
from budwood.domain.limits import BLOCK_BYTES, CHAIN_DEPTH
from budwood.domain.manifest import BlockId, FileEntry, Manifest, Span
from budwood.store.api import BlockRow
from budwood.store.bases import Bases, anchored, tensor_key


def block(number: int) -> BlockId:
    return number.to_bytes(32, "big")


def manifest(*spans: Span) -> Manifest:
    return Manifest((FileEntry("a", sum(span.length for span in spans), "", spans),), Facts())


def test_wrappers_around_a_name_do_not_keep_tensors_apart() -> None:
    assert tensor_key("module._orig_mod.model.layer.0.weight", "f32") == tensor_key("layer.0.weight", "f32")
    assert tensor_key("layer.0.weight", "f32") != tensor_key("layer.0.weight", "bf16")
    assert tensor_key("layer.model.weight", "f32") == ("layer.model.weight", "f32")


def test_a_base_is_the_block_at_the_same_place_when_its_length_fits() -> None:
    span = Span(0, BLOCK_BYTES + 8, (block(1), block(2)), "w", "f32", (1,))
    bases = Bases.of([manifest(span)])
    assert bases.block("module.w", "f32", 0, BLOCK_BYTES) == block(1)
    assert bases.block("w", "f32", 1, 8) == block(2)
    assert bases.block("w", "f32", 1, 12) is None
    assert bases.block("w", "f32", 2, 8) is None
    assert bases.block("w", "bf16", 0, BLOCK_BYTES) is None
    assert bases.block("", "", 0, BLOCK_BYTES) is None


def test_earlier_manifests_win() -> None:
    one, two = Span(0, 4, (block(1),), "w", "f32", (1,)), Span(0, 4, (block(2),), "w", "f32", (1,))
    assert Bases.of([manifest(one), manifest(two)]).block("w", "f32", 0, 4) == block(1)


class Rows:
    def __init__(self, *rows: BlockRow) -> None:
        self._rows = {row.id: row for row in rows}

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return {id_: self._rows[id_] for id_ in ids if id_ in self._rows}


def row(number: int, depth: int) -> BlockRow:
    return BlockRow(block(number), "p", 0, 4, 4, 0, 0, block(number - 1) if depth else b"", depth)


def test_a_base_at_full_depth_gives_way_to_its_own_base() -> None:
    chain = [row(number, number) for number in range(CHAIN_DEPTH + 1)]
    assert anchored(chain[-1], Rows(*chain)) == chain[CHAIN_DEPTH - 1]
    assert anchored(chain[0], Rows()) == chain[0]


def test_a_base_whose_own_base_was_swept_is_no_base() -> None:
    assert anchored(row(CHAIN_DEPTH, CHAIN_DEPTH), Rows()) is None
