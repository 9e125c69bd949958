"""Of old checkpoints few stay, and always those that something may need."""

from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.tree.thinning import DAY_MS, HOUR_MS, Dated, spare

NOW = 1_790_000_000_000


def made(*ages_ms: int) -> list[Dated]:
    return [Dated(number, NOW - age) for number, age in enumerate(ages_ms, start=1)]


def test_of_the_last_hour_all_stay() -> None:
    assert spare(made(*range(HOUR_MS, 0, -60_000)), NOW) == []


def test_of_each_hour_the_newest_stays() -> None:
    start = NOW - NOW % HOUR_MS - 5 * HOUR_MS
    three = [Dated(number, start + number * 60_000) for number in range(1, 4)]
    assert spare([*three, Dated(4, NOW)], NOW) == [1, 2]


def test_of_each_old_day_the_newest_stays() -> None:
    start = NOW - NOW % DAY_MS - 50 * DAY_MS
    hourly = [Dated(number + 1, start + number * HOUR_MS) for number in range(48)]
    gone = spare([*hourly, Dated(100, NOW)], NOW)
    assert sorted({each.size for each in hourly} - set(gone)) == [24, 48]


def test_what_a_witness_signed_stays_beside_the_newest() -> None:
    start = NOW - NOW % HOUR_MS - 5 * HOUR_MS
    found = [Dated(number, start + number, witnessed=number == 2) for number in range(1, 6)]
    assert spare([*found, Dated(9, NOW)], NOW) == [1, 3, 4]


def test_the_newest_of_all_stays_however_old() -> None:
    assert spare(made(90 * DAY_MS, 90 * DAY_MS - 1), NOW) == [1]
    assert spare([], NOW) == []


@given(st.lists(st.tuples(st.integers(0, 100 * DAY_MS), st.booleans()), max_size=60))
def test_thinning_again_takes_nothing_more(given_: list[tuple[int, bool]]) -> None:
    ages = sorted((age for age, _ in given_), reverse=True)
    found = [Dated(n, NOW - age, given_[n - 1][1]) for n, age in enumerate(ages, start=1)]
    gone = set(spare(found, NOW))
    rest = [each for each in found if each.size not in gone]
    assert spare(rest, NOW) == []
    assert not found or rest[-1] == found[-1]
