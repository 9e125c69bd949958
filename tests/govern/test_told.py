"""The quick look at an entry says yes to what was sealed, and to nothing else."""

import random
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from budwood.catalog.ledger_api import WrittenEntry, WrittenOpening
from budwood.domain import canon
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.leaf import seal
from budwood.govern.told import gives_its_leaf

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
BODIES = st.dictionaries(st.sampled_from(["alias", "reason", "version", "email", "name", "é"]), VALUES, max_size=5)
ENTRIES = st.builds(
    LedgerEntry,
    sequence=st.integers(1, 1 << 50),
    at_ms=st.integers(0, 1 << 50),
    actor=TEXTS,
    action=st.sampled_from(["alias.set", "person.added", "version.pushed"]),
    subject=TEXTS,
    body=BODIES,
    namespace=st.sampled_from(["", "default"]),
)


def written(entry: LedgerEntry) -> tuple[WrittenEntry, list[WrittenOpening]]:
    numbers = count()
    one = seal(entry, lambda: next(numbers).to_bytes(32, "big"))
    row = WrittenEntry(
        entry.sequence,
        entry.at_ms,
        entry.actor,
        entry.action,
        entry.subject,
        entry.namespace,
        canon.dumps(canon.pack(entry.body)).decode(),
        one.leaf,
    )
    openings = [
        WrittenOpening(entry.sequence, each.field, each.salt, canon.dumps(each.value).decode()) for each in one.openings
    ]
    return row, openings


@given(ENTRIES)
def test_what_was_sealed_is_seen_at_a_glance(entry: LedgerEntry) -> None:
    assert gives_its_leaf(*written(entry))


@given(ENTRIES, st.randoms(use_true_random=False))
def test_no_change_is_taken_for_what_was_sealed(entry: LedgerEntry, chance: random.Random) -> None:
    row, openings = written(entry)
    field = chance.choice(["sequence", "at_ms", "actor", "action", "subject", "namespace", "body", "leaf"])
    before = getattr(row, field)
    match before:
        case int():
            changed = row._replace(**{field: before + 1})  # type: ignore[arg-type]
        case bytes():
            changed = row._replace(leaf=before[:-2] + b"x}")
        case _ if field == "body":
            changed = row._replace(body=chance.choice([before + " ", '{"alias":"other","x":1}', "[]", "", "{"]))
        case _:
            changed = row._replace(**{field: before + "x"})
    assert not gives_its_leaf(changed, openings)


@given(ENTRIES.filter(lambda entry: bool(entry.actor)), st.integers(0, 31))
def test_no_opening_is_taken_for_another(entry: LedgerEntry, at: int) -> None:
    row, openings = written(entry)
    first = openings[0]
    salt = bytearray(first.salt)
    salt[at] ^= 1
    for other in (
        first._replace(salt=bytes(salt)),
        first._replace(salt=first.salt + b"\x00"),
        first._replace(value='"eve"'),
        first._replace(field="subject"),
        first._replace(field="body.nothing"),
    ):
        assert not gives_its_leaf(row, [other, *openings[1:]]), other
    assert not gives_its_leaf(row, openings[1:])


def test_a_body_that_is_no_object_is_not_the_empty_one() -> None:
    row, openings = written(LedgerEntry(1, 0, "", "alias.set", "", {}, ""))
    assert gives_its_leaf(row, openings)
    for body in ("[]", '""', "null", "0", "false", "{ }"):
        assert not gives_its_leaf(row._replace(body=body), openings), body


def test_a_number_written_otherwise_is_left_to_the_thorough_look() -> None:
    row, openings = written(LedgerEntry(1, 2, "", "alias.set", "", {"share": 1e16}, ""))
    assert gives_its_leaf(row, openings) in (True, False)
    assert not gives_its_leaf(row._replace(body='{"share":1,"share":1e16}'), openings)
