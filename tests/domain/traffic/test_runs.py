"""Who answered what, in runs: what went in is found again, few runs are left, and none is written again and again."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.traffic.records import Served
from budwood.domain.traffic.runs import (
    GATHERED,
    RUN_REQUESTS,
    RUN_SPAN_MS,
    SLOT_REQUESTS,
    Pressed,
    Run,
    found,
    gathered,
    hash_of,
    how_many_to_gather,
    pressed,
)


def answered(number: int, at_ms: int = 5, code: int = 200) -> Served:
    return Served(f"{number:08x}-0000-4000-8000-000000000000", at_ms, 1, 2, 3, code, 812, "ab")


def slot_of(run: Pressed, request: str) -> bytes:
    return run.slots[hash_of(request) % len(run.slots)]


def runs_of(sizes: list[int]) -> list[Run]:
    return [Run(number, 5, 5, size) for number, size in enumerate(sizes, start=1)]


@given(st.integers(1, 4 * SLOT_REQUESTS))
def test_what_went_in_is_found_in_the_slot_of_its_id(count: int) -> None:
    served = [answered(number, at_ms=count - number) for number in range(count)]
    run = pressed(served)
    assert (run.from_ms, run.until_ms, run.requests) == (1, count, count)
    assert [found(slot_of(run, each.request), each.request) for each in served] == served
    assert found(slot_of(run, "another"), "another") is None


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_gathered_runs_hold_what_they_held(sizes: list[int]) -> None:
    numbers = iter(range(sum(sizes)))
    parts = [[answered(next(numbers), at_ms=at) for _ in range(size)] for at, size in enumerate(sizes)]
    slots = [slot for part in parts for slot in pressed(part).slots]
    whole = gathered([Run(at, at, at, size) for at, size in enumerate(sizes)], slots)
    assert (whole.from_ms, whole.until_ms, whole.requests) == (0, len(sizes) - 1, sum(sizes))
    for each in (each for part in parts for each in part):
        assert found(slot_of(whole, each.request), each.request) == each


def test_of_two_records_with_one_id_the_first_holds() -> None:
    first, second = pressed([answered(1)]), pressed([answered(1, code=500), answered(1, code=404)])
    whole = gathered([Run(1, 5, 5, 1), Run(2, 5, 5, 2)], [*first.slots, *second.slots])
    assert found(slot_of(whole, answered(1).request), answered(1).request) == answered(1)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 3_000), min_size=200, max_size=400))
def test_few_runs_are_left_and_no_request_is_written_again_and_again(sizes: list[int]) -> None:
    runs: list[tuple[int, int]] = []  # Requests of a run, and how often the most travelled of them was written.
    for size in sizes:
        runs.append((size, 1))
        count = how_many_to_gather(runs_of([size for size, _ in runs])[::-1][:64])
        if count:
            part = runs[-count:]
            assert max(size for size, _ in part) * 2 <= sum(size for size, _ in part) <= RUN_REQUESTS
            runs[-count:] = [(sum(size for size, _ in part), 1 + max(times for _, times in part))]
    assert len(runs) <= 2 * sum(sizes) // RUN_REQUESTS + 3 * GATHERED
    assert max(times for _, times in runs) <= RUN_REQUESTS.bit_length()


def test_a_run_spans_a_day_at_most() -> None:
    hours = [Run(number, number * 3_600_000, number * 3_600_000, 1) for number in range(60)]
    count = how_many_to_gather(hours[::-1])
    assert count == RUN_SPAN_MS // 3_600_000 + 1


def test_bytes_that_are_no_slot_are_told() -> None:
    with pytest.raises(ValueError, match="no slot"):
        found(zlib.compress(b"x")[:-2], "x")
