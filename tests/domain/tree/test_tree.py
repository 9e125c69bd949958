"""Roots, tiles and proofs: what RFC 6962 prescribes, for every small tree, and for random larger ones."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import LEDGER_ENTRIES
from budwood.domain.tree.hashes import EMPTY_ROOT, Frontier, leaf_hash, tree_root
from budwood.domain.tree.proofs import (
    Proof,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from budwood.domain.tree.tiles import Tile, TilePlace, parse_tile_path, place_at, places_of
from tests.domain.tree.growing import Shelf, hashes, naive_root, shelf_of

# The leaves and roots that implementations of Certificate Transparency share as test vectors.
VECTOR_LEAVES = [bytes.fromhex(leaf) for leaf in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LARGE = [255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 70_000]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_shared_vectors(size: int) -> None:
    leaves = [leaf_hash(leaf) for leaf in VECTOR_LEAVES[:size]]
    assert tree_root(leaves).hex() == VECTOR_ROOTS[size - 1]
    assert Frontier().extend(leaves).root().hex() == VECTOR_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == tree_root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_every_small_tree_is_the_same_however_it_grew() -> None:
    for size in range(70):
        leaves = hashes(size)
        root = naive_root(leaves)
        shelf = Shelf()
        for leaf in leaves:
            shelf.append([leaf])
        assert root == tree_root(leaves) == Frontier().extend(leaves).root() == frontier_at(size, shelf.read).root()


def test_every_proof_of_every_small_tree_holds() -> None:
    leaves = hashes(40)
    roots = [naive_root(leaves[:size]) for size in range(41)]
    for size in range(41):
        read = shelf_of(leaves[:size]).read
        for index in range(size):
            proof = inclusion_proof(index, size, read)
            assert verify_inclusion(leaves[index], index, size, proof, roots[size])
        for before in range(size + 1):
            proof = consistency_proof(before, size, read)
            assert verify_consistency(before, size, proof, roots[before], roots[size])


@pytest.mark.parametrize("size", LARGE)
def test_proofs_hold_where_tiles_begin_and_end(size: int) -> None:
    leaves, chance = hashes(size), random.Random(size)
    read, root = shelf_of(leaves).read, tree_root(leaves)
    for index in {0, size - 1, size // 2, 255, *(chance.randrange(size) for _ in range(20))} & set(range(size)):
        assert verify_inclusion(leaves[index], index, size, inclusion_proof(index, size, read), root)
    for before in {1, 255, 256, size - 1, *(chance.randrange(1, size) for _ in range(5))} & set(range(size)):
        proof = consistency_proof(before, size, read)
        assert verify_consistency(before, size, proof, tree_root(leaves[:before]), root)


def test_random_trees_have_the_roots_of_another_implementation() -> None:
    pymerkle = pytest.importorskip("pymerkle")
    chance = random.Random(6962)
    for _ in range(1000):
        leaves = [chance.randbytes(chance.randrange(1, 40)) for _ in range(chance.randrange(1, 120))]
        theirs = pymerkle.InmemoryTree(algorithm="sha256")
        for leaf in leaves:
            theirs.append_entry(leaf)
        assert theirs.get_root() == tree_root([leaf_hash(leaf) for leaf in leaves])


def test_random_trees_have_the_roots_of_the_definition() -> None:
    chance = random.Random(9162)
    for _ in range(1000):
        leaves = [chance.randbytes(32) for _ in range(chance.randrange(400))]
        assert tree_root(leaves) == naive_root(leaves) == Frontier().extend(leaves).root()


@given(st.lists(st.integers(1, 600), max_size=8))
def test_tiles_are_the_same_however_leaves_came(batches: list[int]) -> None:
    leaves, shelf = hashes(sum(batches)), Shelf()
    for count in batches:
        shelf.append(leaves[shelf.size : shelf.size + count])
    assert shelf.in_force() == (shelf_of(leaves).in_force() if leaves else [])


def test_tiles_are_those_of_the_specification() -> None:
    # tlog-tiles gives this example: a tree of 70,000 leaves.
    places = list(places_of(70_000))
    assert [place.width for place in places if place.width < 256] == [112, 17, 1]
    assert len([place for place in places if place.level == 0]) == 274
    assert list(places_of(256)) == [TilePlace(0, 0), TilePlace(1, 0, 1)]
    assert TilePlace(1, 1_234_067, 5).path == "tile/1/x001/x234/067.p/5"
    assert place_at(0, 273, 70_000) == TilePlace(0, 273, 112)


@given(st.integers(0, 7), st.integers(0, LEDGER_ENTRIES - 1), st.integers(1, 256))
def test_a_tile_is_found_by_its_path(level: int, index: int, width: int) -> None:
    place = TilePlace(level, index, width)
    assert parse_tile_path(place.path) == place


@pytest.mark.parametrize("path", [
    "", "tile/0/0", "tile/0/000/", "tile/00/000", "tile/8/000", "tile/63/000", "tile/0/x000/001", "tile/0/001/002",
    "tile/0/x001/x002", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/-1/000",
    "tile/0/٠٠٠", "tile/0/000\n", " tile/0/000", "tile/0/../000", "tile/entries/000",
    "tile/0/x999/x999/x999/x999/x999/999",
])  # fmt: skip
def test_no_other_path_is_that_of_a_tile(path: str) -> None:
    with pytest.raises(ValueError):
        parse_tile_path(path)


@given(st.one_of(st.text(max_size=40), st.from_regex(r"tile/[0-9]{1,2}/(x[0-9]{3}/){0,6}[0-9]{3}(\.p/[0-9]{1,3})?")))
def test_a_path_is_read_exactly_or_not_at_all(path: str) -> None:
    try:
        place = parse_tile_path(path)
    except ValueError:
        return
    assert place.path == path


def test_a_tile_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bytes, not 96"):
        Tile(TilePlace(0, 0, 3), bytes(64))
    with pytest.raises(ValueError, match=r"tile/0/000\.p/3"):
        inclusion_proof(0, 3, lambda place: bytes(31))


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (0, LEDGER_ENTRIES + 1)])
def test_no_proof_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError):
        inclusion_proof(index, size, lambda place: bytes(place.width * 32))
    assert not verify_inclusion(bytes(32), index, size, (), bytes(32))


def test_a_proof_of_any_length_costs_little() -> None:
    assert not verify_inclusion(bytes(32), 0, LEDGER_ENTRIES, (bytes(32),) * 1_000_000, bytes(32))
    assert not verify_consistency(1, LEDGER_ENTRIES, (bytes(32),) * 1_000_000, bytes(32), bytes(32))


def test_a_forged_beginning_is_refused() -> None:
    root = tree_root(hashes(5))
    assert verify_consistency(0, 5, (), EMPTY_ROOT, root)
    assert not verify_consistency(0, 5, (), bytes(32), root)
    assert not verify_consistency(5, 5, (), bytes(32), root)
    assert not verify_consistency(0, 0, (), EMPTY_ROOT, root)
    assert not verify_consistency(5, 3, (), root, root)
    assert not verify_consistency(3, 5, (), root, root)


def test_no_mutated_proof_is_accepted(mutations: int) -> None:
    chance = random.Random(2026)
    accepted = 0
    for _ in range(mutations // 100):
        size = chance.choice([chance.randrange(2, 40), chance.randrange(2, 1_000)])
        leaves = hashes(size, salt=str(chance.random()))
        read, root = shelf_of(leaves).read, tree_root(leaves)
        index, before = chance.randrange(size), chance.randrange(1, size)
        old, included, grown = tree_root(leaves[:before]), *(
            inclusion_proof(index, size, read), consistency_proof(before, size, read),
        )  # fmt: skip
        for _ in range(50):
            accepted += verify_inclusion(*mutated_inclusion(leaves, index, included, root, chance))
            accepted += verify_consistency(*mutated_consistency(before, size, grown, old, root, chance))
    assert accepted == 0


def mutated_inclusion(
    leaves: list[bytes], index: int, proof: Proof, root: bytes, chance: random.Random
) -> tuple[bytes, int, int, Proof, bytes]:
    match chance.randrange(4):
        case 0:
            return flipped(leaves[index], chance), index, len(leaves), proof, root
        case 1:
            return leaves[index], (index + chance.randrange(1, len(leaves))) % len(leaves), len(leaves), proof, root
        case 2:
            return leaves[index], index, len(leaves), proof, flipped(root, chance)
        case _:
            return leaves[index], index, len(leaves), another(proof, chance), root


def mutated_consistency(
    before: int, after: int, proof: Proof, old: bytes, root: bytes, chance: random.Random
) -> tuple[int, int, Proof, bytes, bytes]:
    match chance.randrange(3):
        case 0:
            return before, after, proof, flipped(old, chance), root
        case 1:
            return before, after, proof, old, flipped(root, chance)
        case _:
            return before, after, another(proof, chance), old, root


def another(proof: Proof, chance: random.Random) -> Proof:
    """Never the same proof again."""
    steps = list(proof)
    at = chance.randrange(len(steps))
    match chance.randrange(5):
        case 0:
            steps[at] = flipped(steps[at], chance)
        case 1:
            del steps[at]
        case 2:
            steps.insert(at, chance.choice([*steps, chance.randbytes(32)]))
        case 3 if len(set(steps)) > 1:
            steps.reverse()
        case _:
            steps[at] = steps[at][: chance.randrange(32)]
    return tuple(steps)


def flipped(digest: bytes, chance: random.Random) -> bytes:
    return (int.from_bytes(digest, "big") ^ 1 << chance.randrange(256)).to_bytes(32, "big")
