"""Whom a kept value speaks of: their name by itself, never as a part of another."""

import pytest

from budwood.domain.canon import Json
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.forget import speaks_of
from budwood.domain.tree.leaf import SALT_BYTES, is_told, seal


@pytest.mark.parametrize(
    "value",
    ["mara", "asked by mara.", "(mara)", "mara, bo", ["bo", "mara"], {"who": "mara"}, {"mara": 1}, "risk/mara"],
)
def test_a_name_by_itself_is_found(value: Json) -> None:
    assert speaks_of(value, ["mara"])


@pytest.mark.parametrize("value", ["mara.lind", "lind.mara", "mara@example.com", "samara", "mara-bot", 7, None, ["bo"]])
def test_a_part_of_another_name_is_not(value: Json) -> None:
    assert not speaks_of(value, ["mara"])
    assert not speaks_of(value, [""])


def test_words_are_no_patterns() -> None:
    assert not speaks_of("mara", ["m.ra", ".*"])


def test_an_entry_gives_its_leaf_again_and_no_other_does() -> None:
    entry = LedgerEntry(7, 5, "mara", "alias.set", "encoder@v1", {"alias": "a", "reason": "x", "big": "y" * 9000}, "ns")
    one = seal(entry, lambda: b"s" * SALT_BYTES)
    assert is_told(one.leaf, entry, one.openings)
    others = [
        LedgerEntry(8, 5, "mara", "alias.set", "encoder@v1", entry.body, "ns"),
        LedgerEntry(7, 5, "bo", "alias.set", "encoder@v1", entry.body, "ns"),
        LedgerEntry(7, 5, "mara", "alias.set", "encoder@v1", {**entry.body, "reason": "z"}, "ns"),
        LedgerEntry(7, 5, "mara", "alias.set", "encoder@v1", {**entry.body, "more": 1}, "ns"),
    ]
    assert not any(is_told(one.leaf, other, one.openings) for other in others)
    assert not is_told(one.leaf, entry, one.openings[1:])
