"""Which tensor of one version is which of another: by name, wherever the file, shard or container.

One name may stand in several files (a .bin beside a .safetensors, two precisions). Copies with equal content
count once; what remains is paired by likeness: content, then dtype and shape, then path.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from budwood.domain.change import TensorHeld, TensorRenamed
from budwood.domain.limits import BLOCK_BYTES
from budwood.domain.manifest import Manifest, Span

_NAMESAKES: Final = 64
"""More different tensors of one name than this are no model; they are left out, so that time stays linear."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor and the file it stands in."""

    path: str
    span: Span


@dataclass(frozen=True, slots=True)
class TensorPair:
    """The same tensor before and after. ``key`` is its name; ``path:name`` where one name stands for several."""

    key: str
    before: Span
    after: Span

    @property
    def is_equal(self) -> bool:
        return _is_equal(self.before, self.after)

    @property
    def is_measurable(self) -> bool:
        """Same dtype and shape, both known, other content: relative L2 and the changed share have a meaning."""
        old, new = self.before, self.after
        alike = old.dtype == new.dtype and old.shape == new.shape and old.length == new.length
        return alike and bool(old.dtype) and old.shape is not None and old.blocks != new.blocks

    @property
    def more_rows(self) -> int:
        """How many rows more it has, where nothing else about its shape or dtype differs; else 0."""
        old, new = self.before, self.after
        if not old.shape or not new.shape or old.dtype != new.dtype or old.shape[1:] != new.shape[1:]:
            return 0
        return max(0, new.shape[0] - old.shape[0])

    @property
    def shared_blocks(self) -> int | None:
        """How many whole blocks the longer one begins with as before; None when any of them differs.

        The last block before is only part of one after, so its bytes cannot be compared by name.
        """
        old, new = self.before, self.after
        whole = old.length // BLOCK_BYTES
        return whole if old.blocks[:whole] == new.blocks[:whole] else None


@dataclass(frozen=True, slots=True)
class TensorPairs:
    """``to_measure`` are the pairs whose values someone must read to say how much they differ."""

    before: int
    after: int
    pairs: tuple[TensorPair, ...]
    added: tuple[TensorHeld, ...]
    removed: tuple[TensorHeld, ...]
    renamed: tuple[TensorRenamed, ...]

    @property
    def to_measure(self) -> tuple[TensorPair, ...]:
        return tuple(pair for pair in self.pairs if pair.is_measurable)


def pair_tensors(old: Manifest, new: Manifest) -> TensorPairs:
    """Every tensor of both versions, exactly once: in a pair, added, removed or renamed."""
    before, after = _by_name(old), _by_name(new)
    pairs: list[TensorPair] = []
    removed: list[Placed] = []
    added: list[Placed] = []
    for name in sorted({*before, *after}):
        lasting, gone, came = _matched(name, before.get(name, []), after.get(name, []))
        pairs += lasting
        removed += gone
        added += came
    renamed = _renamed(removed, added)
    held_before, held_after = {r.before for r in renamed}, {r.after for r in renamed}
    return TensorPairs(
        before=sum(map(len, before.values())),
        after=sum(map(len, after.values())),
        pairs=tuple(pairs),
        added=tuple(_held(place) for place in added if place.span.name not in held_after),
        removed=tuple(_held(place) for place in removed if place.span.name not in held_before),
        renamed=tuple(renamed),
    )


def _by_name(manifest: Manifest) -> Mapping[str, list[Placed]]:
    """The tensors of each name, those of equal content once."""
    found: dict[str, list[Placed]] = defaultdict(list)
    for entry in manifest.files:
        for span in entry.tensors:
            places = found[span.name]
            if len(places) < _NAMESAKES and not any(_is_equal(place.span, span) for place in places):
                places.append(Placed(entry.path, span))
    return found


def _matched(
    name: str, before: list[Placed], after: list[Placed]
) -> tuple[list[TensorPair], list[Placed], list[Placed]]:
    if len(before) == len(after) == 1:
        return [TensorPair(name, before[0].span, after[0].span)], [], []
    several = len(before) > 1 or len(after) > 1
    pairs: list[TensorPair] = []
    gone, came = list(before), list(after)
    for likeness in _LIKENESSES:
        for old in tuple(gone):
            new = next((place for place in came if likeness(old, place)), None)
            if new is not None:
                pairs.append(TensorPair(f"{new.path}:{name}" if several else name, old.span, new.span))
                gone.remove(old)
                came.remove(new)
    return pairs, gone, came


def _is_equal(old: Span, new: Span) -> bool:
    """Equal bytes; a dtype or shape that one container does not state is no difference."""
    return (
        old.blocks == new.blocks
        and old.length == new.length
        and (old.dtype == new.dtype or not old.dtype or not new.dtype)
        and (old.shape == new.shape or old.shape is None or new.shape is None)
    )


def _is_alike(old: Placed, new: Placed) -> bool:
    return old.span.dtype == new.span.dtype and old.span.shape == new.span.shape


_LIKENESSES: Final = (
    lambda old, new: _is_equal(old.span, new.span),
    lambda old, new: old.path == new.path and _is_alike(old, new),
    _is_alike,
    lambda old, new: old.path == new.path,
    lambda old, new: True,
)


def _renamed(removed: list[Placed], added: list[Placed]) -> list[TensorRenamed]:
    """By equal content. Where several have it (zeros, ones), only when as many went as came, in name order."""
    gone, came = _by_content(removed), _by_content(added)
    renamed: list[TensorRenamed] = []
    for content, names in gone.items():
        others = came.get(content, [])
        if len(names) == len(others):
            renamed += [TensorRenamed(old, new) for old, new in zip(names, others, strict=True)]
    return sorted(renamed, key=lambda change: change.before)


def _by_content(places: list[Placed]) -> Mapping[tuple[object, ...], list[str]]:
    found: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name, place in _alone(places):
        found[(place.span.blocks, place.span.length, place.span.dtype, place.span.shape)].append(name)
    return found


def _alone(places: list[Placed]) -> Iterator[tuple[str, Placed]]:
    """Those whose name stands for one tensor only; the others could not be named by it."""
    counts: dict[str, int] = defaultdict(int)
    for place in places:
        counts[place.span.name] += 1
    return ((place.span.name, place) for place in places if counts[place.span.name] == 1)


def _held(place: Placed) -> TensorHeld:
    return TensorHeld(place.span.name, place.span.dtype, place.span.shape)
