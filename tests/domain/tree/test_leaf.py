"""Leaves: exact bytes, personal fields that can be forgotten, and nothing that reads two ways."""

import itertools
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.limits import LEAF_BYTES, LEAF_FIELD_BYTES
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.leaf import ERASED, Leaf, Opening, personal_fields, read_leaf, reveal, seal

SET = LedgerEntry(
    7, 1_790_000_000_000, "mara", "alias.set", "encoder@v3", {"alias": "champion", "version": 3}, "vision"
)
PLAIN_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def counted() -> Callable[[], bytes]:
    numbers = itertools.count(1)
    return lambda: next(numbers).to_bytes(32, "big")


def test_the_bytes_of_a_leaf_never_change() -> None:
    # These bytes are in every ledger that was ever written: if this fails, old proofs fail.
    assert seal(SET, counted()).leaf == (
        b'{"action":"alias.set","at_ms":1790000000000,"body":{"alias":"champion","version":3},'
        b'"hidden":{"actor":"fc5aa65fb129a37b1a2c1ed012e6c0d2de22bba0bdeedd2ba72cf151fa6b21b9"},'
        b'"namespace":"vision","sequence":7,"subject":"encoder@v3"}'
    )


def test_a_leaf_names_nobody() -> None:
    entry = LedgerEntry(1, 1, "mara", "person.added", "joe", {"email": "joe@example.com", "is_admin": False})
    sealed = seal(entry, counted())
    assert not any(word in sealed.leaf for word in (b"mara", b"joe", b"example.com"))
    assert reveal(read_leaf(sealed.leaf), sealed.openings) == entry


def test_what_was_erased_reads_as_erased_and_the_rest_stays() -> None:
    entry = LedgerEntry(1, 1, "mara", "version.retired", "encoder@v3", {"reason": "Joe found a leak", "digest": "ab"})
    sealed = seal(entry, counted())
    kept = [opening for opening in sealed.openings if opening.field != "actor"]
    shown = reveal(read_leaf(sealed.leaf), kept)
    assert (shown.actor, shown.body["reason"], shown.body["digest"]) == (ERASED, "Joe found a leak", "ab")
    assert reveal(read_leaf(sealed.leaf), []).body["reason"] == ERASED


def test_equal_values_have_unlike_hashes() -> None:
    salts = counted()
    first, second = (read_leaf(seal(SET, salts).leaf) for _ in range(2))
    assert first.hidden["actor"] != second.hidden["actor"]


@pytest.mark.parametrize("opening", [
    Opening("actor", bytes(31) + b"\x01", "joe"),
    Opening("actor", bytes(31) + b"\x02", "mara"),
    Opening("actor", b"\x01", "mara"),
    Opening("subject", bytes(31) + b"\x01", "mara"),
    Opening("body.alias", bytes(31) + b"\x01", "champion"),
])  # fmt: skip
def test_an_opening_of_something_else_is_refused(opening: Opening) -> None:
    with pytest.raises(ValueError, match="not what was hashed"):
        reveal(read_leaf(seal(SET, counted()).leaf), [opening])


@pytest.mark.parametrize("action", ["person.added", "token.made", "grant.given", "registry.bootstrapped"])
def test_a_subject_that_is_a_name_is_personal(action: str) -> None:
    assert "subject" in personal_fields(LedgerEntry(1, 1, "mara", action, "joe"))
    assert "subject" not in personal_fields(SET)


def test_a_large_field_is_kept_beside_the_leaf() -> None:
    entry = LedgerEntry(1, 1, "mara", "version.tagged", "encoder@v3", {"put": {"note": "x" * LEAF_FIELD_BYTES}, "n": 1})
    sealed = seal(entry, counted())
    assert len(sealed.leaf) < 500
    assert set(read_leaf(sealed.leaf).hidden) == {"actor", "body.put"}
    assert reveal(read_leaf(sealed.leaf), sealed.openings) == entry


def test_a_body_of_many_fields_is_kept_beside_the_leaf_whole() -> None:
    entry = LedgerEntry(1, 1, "mara", "version.tagged", "encoder@v3", {f"key{n}": "x" * 90 for n in range(1000)})
    sealed = seal(entry, counted())
    assert set(read_leaf(sealed.leaf).hidden) == {"actor", "body"}
    assert reveal(read_leaf(sealed.leaf), sealed.openings) == entry


def test_an_entry_too_large_without_its_body_is_refused() -> None:
    with pytest.raises(ValueError, match="LEAF_BYTES"):
        seal(LedgerEntry(1, 1, "mara", "alias.set", "x" * LEAF_BYTES), counted())


@given(
    st.integers(1, 2**53), st.integers(0, 2**53), st.text(), st.text(min_size=1), st.text(), st.text(max_size=20),
    st.dictionaries(st.text(max_size=8), PLAIN_JSON, max_size=4),
)  # fmt: skip
def test_every_entry_comes_back_as_it_was(
    sequence: int, at_ms: int, actor: str, action: str, subject: str, namespace: str, body: dict[str, Json]
) -> None:
    entry = LedgerEntry(sequence, at_ms, actor, action, subject, body, namespace)
    sealed = seal(entry, counted())
    leaf = read_leaf(sealed.leaf)
    assert canon.dumps(canon.pack(leaf)) == sealed.leaf
    assert b"\n" not in sealed.leaf
    assert reveal(leaf, sealed.openings) == entry


GOOD: dict[str, Json] = {
    "sequence": 1,
    "at_ms": 1,
    "action": "alias.set",
    "body": {"a": 1},
    "hidden": {"actor": "0" * 64},
}
BROKEN: list[dict[str, Json]] = [
    {"sequence": 0}, {"sequence": True}, {"sequence": 1.0}, {"sequence": "1"}, {"sequence": 2**53 + 1}, {"at_ms": -1},
    {"action": ""}, {"actor": "mara"}, {"actor": ""}, {"extra": 1}, {"body": []}, {"body": {}},
    {"hidden": {"actor": "0"}}, {"hidden": {"actor": "A" * 64}}, {"hidden": {"action": "0" * 64}},
    {"hidden": {"body.a": "0" * 64}},
    {"hidden": {"body": "0" * 64}}, {"hidden": {"": "0" * 64}}, {"hidden": {"actor": None}}, {"namespace": None},
]  # fmt: skip


@pytest.mark.parametrize("change", BROKEN, ids=str)
def test_a_leaf_of_another_form_is_refused(change: dict[str, Json]) -> None:
    read_leaf(canon.dumps(GOOD))
    with pytest.raises(ValueError):
        read_leaf(canon.dumps(GOOD | change))


@pytest.mark.parametrize("line", [
    b"", b"null", b"[]", b"{}", b"\xff", b'{"a":', json.dumps(GOOD).encode(), canon.dumps(GOOD) + b"\n",
    canon.dumps(GOOD)[:-1] + b',"sequence":1}', b"[" * 60_000, b" " * (LEAF_BYTES + 1), b'{"body":{"a":1e999}}',
    b'{"body":{"a":NaN}}', canon.dumps(GOOD).replace(b"alias", b"\\u0061lias"),
])  # fmt: skip
def test_bytes_that_are_no_leaf_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        read_leaf(line)


@given(st.binary(max_size=200) | st.builds(canon.dumps, PLAIN_JSON))
def test_whatever_is_read_is_read_exactly(line: bytes) -> None:
    try:
        leaf = read_leaf(line)
    except ValueError:
        return
    assert isinstance(leaf, Leaf)
    assert canon.dumps(canon.pack(leaf)) == line
