"""Hashing files as their blocks come in, in whatever order."""

import hashlib
import random

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from budwood.verbs.whole_files import PUSHES_KEPT, Growing, WholeFiles

BLOCKS = [bytes([value]) * (value + 1) for value in range(40)]
IDS = [blake3(block).digest() for block in BLOCKS]


def taste(growing: Growing, number: int) -> None:
    growing.taste(IDS[number], memoryview(BLOCKS[number]))


@given(st.lists(st.integers(0, 39), max_size=40), st.integers(0, 2**32))
def test_what_is_hashed_is_always_a_beginning_of_the_file(file: list[int], seed: int) -> None:
    growing = Growing()
    growing.outline("file", 0, [IDS[number] for number in file])
    order = list(range(40))
    random.Random(seed).shuffle(order)
    for number in order:
        taste(growing, number)
    sha, hashed = growing.begun([IDS[number] for number in file])
    assert sha.hexdigest() == hashlib.sha256(b"".join(BLOCKS[number] for number in file[:hashed])).hexdigest()


def test_blocks_that_come_a_little_early_wait_for_their_turn() -> None:
    growing = Growing()
    growing.outline("file", 0, IDS[:8])
    for number in (1, 0, 3, 2, 4, 7, 6, 5):
        taste(growing, number)
    assert growing.begun(IDS[:8])[1] == 8


def test_another_file_gets_nothing_of_it() -> None:
    growing = Growing()
    growing.outline("file", 0, IDS[:3])
    for number in range(3):
        taste(growing, number)
    assert growing.begun([IDS[0], IDS[2], IDS[1]])[1] == 0
    assert growing.begun(IDS[:2])[1] == 0


def test_an_outline_that_is_told_twice_or_with_a_gap_does_no_harm() -> None:
    growing = Growing()
    growing.outline("file", 0, IDS[:4])
    growing.outline("file", 2, IDS[2:6])
    for number in range(6):
        taste(growing, number)
    assert growing.begun(IDS[:6])[1] == 6
    growing.outline("file", 9, IDS[9:])
    assert growing.begun(IDS[:6])[1] == 0
    growing.outline("late", 3, IDS[3:])
    assert growing.next_of("late") is None


def test_pushes_are_forgotten_when_there_are_many() -> None:
    files = WholeFiles()
    first = files.of("first")
    for number in range(PUSHES_KEPT):
        files.of(str(number))
    assert files.of("first") is not first
