"""A split as a table of buckets, so that changing it moves as few users as can be.

The table lists arms with widths, from bucket 0 upwards; an arm may be listed more than once. When a split changes, an
arm that shrinks gives away buckets, an arm that grows takes them, and nobody else moves: the users moved are exactly
the slice that was added, with two arms or with ten. A plain list of weights does not have this: growing the first of
three arms pushes users of the second into the third.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from budwood.domain.limits import SPLIT_ARMS
from budwood.domain.traffic.hashing import BUCKETS, bucket_of
from budwood.errors import BadSplit

Split = Mapping[str, int]
"""Basis points by arm."""


@dataclass(frozen=True, slots=True)
class Segment:
    """``width`` buckets in a row that go to ``arm``."""

    arm: str
    width: int


@dataclass(frozen=True, slots=True)
class Table:
    """All ``BUCKETS``, in order."""

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        assert sum(each.width for each in self.segments) == BUCKETS
        assert all(each.width > 0 for each in self.segments)

    def arm_at(self, bucket: int) -> str:
        """Whose bucket it is."""
        for segment in self.segments:
            if bucket < segment.width:
                return segment.arm
            bucket -= segment.width
        raise AssertionError("a bucket lies in the table")

    def arm_of(self, salt: str, user: str) -> str:
        """Where a user goes: the same answer as the gateway's."""
        return self.arm_at(bucket_of(salt, user))

    @property
    def split(self) -> dict[str, int]:
        """What it adds up to."""
        split: dict[str, int] = {}
        for segment in self.segments:
            split[segment.arm] = split.get(segment.arm, 0) + segment.width
        return split


def checked(split: Split) -> dict[str, int]:
    """The split without its empty arms. Raises BadSplit when it is none."""
    for arm, points in split.items():
        if not isinstance(points, int) or isinstance(points, bool) or not 0 <= points <= BUCKETS:
            raise BadSplit(
                f"The arm {arm!r} has a weight of {points!r}.",
                hint=f"A weight is a whole number of basis points, from 0 to {BUCKETS}: 500 is 5 %.",
            )
    if len(split) > SPLIT_ARMS:
        raise BadSplit(f"A split of {len(split)} arms is too wide.", hint=f"At most {SPLIT_ARMS} arms share one.")
    if (total := sum(split.values())) != BUCKETS:
        raise BadSplit(
            f"The weights add up to {total}, not {BUCKETS}.",
            hint=f"They are basis points, so {BUCKETS} are 100 % and these are {total / 100:g} %.",
        )
    return {arm: points for arm, points in split.items() if points}


def first_table(split: Split) -> Table:
    """Arms one after another. Raises BadSplit."""
    return Table(tuple(Segment(arm, points) for arm, points in checked(split).items()))


def moved_to(table: Table, split: Split) -> Table:
    """The table after a change: buckets change hands only from arms that shrink to arms that grow. Raises BadSplit."""
    wanted, had = checked(split), table.split
    spare = {arm: points - wanted.get(arm, 0) for arm, points in had.items() if points > wanted.get(arm, 0)}
    short = [(arm, points - had.get(arm, 0)) for arm, points in wanted.items() if points > had.get(arm, 0)]
    return Table(merged(_handed_over(table.segments, spare, short)))


def merged(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Neighbours of one arm become one segment."""
    together: list[Segment] = []
    for segment in segments:
        if together and together[-1].arm == segment.arm:
            together[-1] = Segment(segment.arm, together[-1].width + segment.width)
        else:
            together.append(segment)
    return tuple(together)


def moves(before: Table, after: Table) -> int:
    """How many buckets change hands."""
    return sum(before.arm_at(bucket) != after.arm_at(bucket) for bucket in range(BUCKETS))


def _handed_over(segments: Sequence[Segment], spare: dict[str, int], short: list[tuple[str, int]]) -> Iterable[Segment]:
    """The segments after the change, before neighbours are merged."""
    takers = iter(short)
    taker, wanting = next(takers, ("", 0))
    for segment in _freed(segments, spare, frozenset(arm for arm, _ in short)):
        width = segment.width
        if segment.arm:
            yield segment
            continue
        while width:
            taken = min(width, wanting)
            yield Segment(taker, taken)
            width, wanting = width - taken, wanting - taken
            if not wanting:
                taker, wanting = next(takers, ("", 0))


def _freed(segments: Sequence[Segment], spare: dict[str, int], growing: frozenset[str]) -> list[Segment]:
    """What is given away is marked as nobody's. An arm gives where it borders on one that grows, so a ramp taken back
    frees the buckets that came last, and the table does not fall into pieces."""
    forwards = {after.arm for before, after in pairwise(segments) if before.arm in growing}
    left = [part for segment in segments for part in _given(segment, spare, forwards)]
    right = [part for segment in reversed(left) for part in reversed(list(_given_behind(segment, spare)))]
    return right[::-1]


def _given(segment: Segment, spare: dict[str, int], forwards: set[str]) -> Iterable[Segment]:
    """From the front."""
    given = min(segment.width, spare.get(segment.arm, 0)) if segment.arm in forwards else 0
    if given:
        spare[segment.arm] -= given
        yield Segment("", given)
    if segment.width > given:
        yield Segment(segment.arm, segment.width - given)


def _given_behind(segment: Segment, spare: dict[str, int]) -> Iterable[Segment]:
    given = min(segment.width, spare.get(segment.arm, 0)) if segment.arm else 0
    if segment.width > given:
        yield Segment(segment.arm, segment.width - given)
    if given:
        spare[segment.arm] -= given
        yield Segment("", given)
