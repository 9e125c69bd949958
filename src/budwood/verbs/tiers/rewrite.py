"""Bringing the blocks of one version to a tier: read, written anew in new packs, pointed at in one transaction.

What was written before stays where it is until a sweep finds that nothing names it. Killed at any point, the old rows
or the new are in force, and both can be read. A block is left as it is when another version needs it nearer, when
something leans on it that lies no deeper than it would then, or when nothing would be gained.

Encodings are opaque here: a crew reads and encodes (``store/recode.py``), and gives back what is packed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.derivation import Derivation
from budwood.domain.limits import CHAIN_DEPTH, DERIVED_DEPTH, TIER_PACK_BYTES, TIER_ROWS
from budwood.domain.manifest import BlockId, Manifest
from budwood.domain.records import VersionRecord
from budwood.domain.storage_tiers.values import Brought, StorageTier, TierState
from budwood.errors import Damaged, LeaseLost, StorageFailed
from budwood.store.api import BlockRow
from budwood.store.bases import Bases, anchored
from budwood.store.deriving import DerivedBlock, Deriving
from budwood.store.encodings import needs_base
from budwood.store.encodings.registry import DERIVED
from budwood.store.marks import cold_name, is_cold
from budwood.store.packs import NewBlock, PackSet
from budwood.store.plan import Piece
from budwood.store.recode import Recoded, Recoding, Wanted, decodes, recode
from budwood.store.sketch import score
from budwood.verbs.anchor import with_room_above
from budwood.verbs.choose_base import OWN_CANDIDATES, WORTHWHILE, candidates
from budwood.verbs.derived import derivations, proofs, tell
from budwood.verbs.house import House
from budwood.verbs.lease import Held
from budwood.verbs.manifests import load_manifest
from budwood.verbs.needed import with_bases
from budwood.verbs.tiers.functions import Functions, functions_of
from budwood.verbs.tiers.pace import Pace
from budwood.verbs.tiers.printing import Printed, lacks_prints, written
from budwood.verbs.tiers.standing import LEVELS, Level, Levels

SHRINKS: Final = 0.97
"""What keeps more than this of what it took is left as it was."""
LOOKED_AT_ONCE: Final = 2_000
PIECE_BYTES: Final = 4 << 20
PIECE_BLOCKS: Final = 64
"""What one hand of a crew takes at a time."""


@dataclass(frozen=True, slots=True)
class Part:
    """A block as a version's files name it: of which tensor, where that lies, and the how-many-th block of it."""

    id: BlockId
    length: int
    name: str
    dtype: str
    index: int
    path: str = ""
    offset: int = 0


_Todo = tuple[Part, BlockRow]


@dataclass(slots=True)
class _Tally:
    """``elsewhere``: blocks that somebody else wrote anew meanwhile."""

    blocks: int = 0
    elsewhere: int = 0
    before: int = 0
    after: int = 0


class Rewriter:
    """Brings one version to one tier. ``lease`` is the worker's own: with it goes the right to point rows anywhere."""

    def __init__(self, house: House, lease: Held, levels: Levels, version: VersionRecord, tier: StorageTier) -> None:
        self._house, self._lease, self._levels = house, lease, levels
        self._version, self._tier = version, tier
        self._reader = house.reader()
        self._bases = Bases({})
        self._functions = Functions()
        self._tally = _Tally()

    def bring(self, was: StorageTier | None, pace: Pace) -> Brought | None:
        """None when it was told to stop before the end; what was done until then stays done.

        Raises Damaged for what cannot be read, LeaseLost, StorageFull, StorageFailed.
        """
        manifest = load_manifest(self._house, self._version)
        if self._tier is not StorageTier.HOT:
            self._bases = _bases(self._house, self._version, self._older())
            self._functions = functions_of(self._house, self._version, manifest)
        parts = parts_of(manifest)
        while few := list(islice(parts, LOOKED_AT_ONCE)):
            todo = self._derive(self._todo(few), pace)
            while todo:
                todo = self._write_some(todo, pace)
                if not pace.goes_on:
                    return None
        tally = self._tally
        if not tally.elsewhere:
            self._house.catalog.write(self._settle(was, manifest))
        return Brought(self._version.reference, was, self._tier, tally.blocks, tally.before, tally.after)

    # What is to be done

    def _older(self) -> Sequence[VersionRecord]:
        """Versions of the same namespace that came before it: so no two ever lean on each other."""
        version = self._version
        with self._house.catalog.read() as view:
            parents = view.parents(version.id)
            own = view.versions(version.model_id, before=version.number, limit=OWN_CANDIDATES)
            found = [*parents, *own, *candidates(view, (), 0, version.structure)]
        near = {each.id: each for each in found if each.namespace == version.namespace and each.id < version.id}
        return [each for each in near.values() if not each.gone_ms]

    def _todo(self, parts: Sequence[Part]) -> list[_Todo]:
        """The blocks of this tier that are not where and how they should be."""
        levels = self._levels.of([part.id for part in parts])
        mine = [part for part, level in zip(parts, levels, strict=True) if level is LEVELS[self._tier]]
        rows = self._house.index.find([part.id for part in mine])
        return [(part, rows[part.id]) for part in mine if part.id in rows and self._misplaced(rows[part.id])]

    def _misplaced(self, row: BlockRow) -> bool:
        if self._tier is StorageTier.HOT:
            return row.depth > 0 or is_cold(row.pack)
        if self._tier is StorageTier.WARM:
            return row.depth == 0 or is_cold(row.pack)
        return not is_cold(row.pack)

    # Writing

    def _derive(self, todo: list[_Todo], pace: Pace) -> list[_Todo]:
        """Write those blocks as functions that are some and that nothing leans on; the others are left."""
        if not self._functions.recipes or not todo:
            return todo
        deriving = Deriving(self._functions.recipes, self._reader, self._house.index)
        with self._house.catalog.read() as view:
            leaning = least_depths(view.leaning_on([part.id for part, _ in todo]))
        left, seen = list[_Todo](), dict[BlockId, BlockRow]()
        with ExitStack() as stack:
            writing = _Writing(self._house, stack, self._name)
            pace.begin()
            for number, (part, row) in enumerate(todo):
                made = None if part.id in leaning else self._made(deriving, part, row)
                if made is None:
                    left.append((part, row))
                else:
                    new = NewBlock(row.id, row.raw_length, DERIVED, b"".join(made.sources), DERIVED_DEPTH)
                    self._add(writing, row, new, made.body)
                    seen[row.id] = row
                self._lease.keep_alive()
                if not pace.rest():
                    left += todo[number + 1 :]
                    break
            fresh = writing.finish()
        if fresh:
            self._point(fresh, seen)
        return left

    def _made(self, deriving: Deriving, part: Part, row: BlockRow) -> DerivedBlock | None:
        """A block as a function of others that are near enough for where it goes."""
        piece = Piece(part.offset, part.length, 0, part.index)
        if row.encoding == DERIVED or not deriving.sources(part.path, part.offset, piece):
            return None
        raw = memoryview(bytearray(row.raw_length))
        self._reader.read(row.id, self._reader.rows([row.id]), raw)
        made = deriving.encoded(part.path, part.offset, piece, raw)
        if made is None or len(made.body) > SHRINKS * row.length or row.id in made.sources:
            return None
        near = all(not is_cold(each.pack) for each in self._house.index.find(made.sources).values())
        if self._tier is StorageTier.WARM and not (near and max(self._levels.of(made.sources)) <= Level.WARM):
            return None
        return made

    def _add(self, writing: "_Writing", row: BlockRow, new: NewBlock, content: bytes) -> None:
        with self._house.catalog.read() as view:
            owner = view.pack_owner(row.pack)
        writing.add(owner, new, content)

    def _write_some(self, todo: list[_Todo], pace: Pace) -> list[_Todo]:
        """Write a transaction's worth, or less when the pace says to stop; what is left to do."""
        few = todo[: _worth(todo)]
        done, seen = 0, dict[BlockId, BlockRow]()
        with ExitStack() as stack:
            writing = _Writing(self._house, stack, self._name)
            pace.begin()
            for asked, came in self._house.tier_crew.each(recode, self._pieces(few)):
                for wanted, recoded in zip(asked.wanted, came, strict=True):
                    if recoded is not None:
                        self._take(wanted, recoded, asked, writing, seen)
                done += len(asked.wanted)
                self._lease.keep_alive()
                if not pace.rest():
                    break
            fresh = writing.finish()
        if fresh:
            self._point(fresh, seen)
        return todo[done:]

    def _name(self) -> str:
        name = self._lease.new_pack_name()
        return cold_name(name) if self._goes_cold else name

    def _pieces(self, todo: Sequence[_Todo]) -> Iterator[Recoding]:
        """The work in pieces of a few megabytes, each with all it takes to do it elsewhere."""
        with self._house.catalog.read() as view:
            leaning = least_depths(view.leaning_on([part.id for part, _ in todo]))
        left = list(todo)
        while left:
            few = left[: _worth(left, PIECE_BYTES, PIECE_BLOCKS)]
            left = left[len(few) :]
            wanted = tuple(self._wanted(part, row, leaning.get(part.id, CHAIN_DEPTH + 1)) for part, row in few)
            ids = {row.id for each in wanted for row in (each.row, each.base) if row}
            yield Recoding(wanted, with_bases(self._house.index, ids), self._tier is StorageTier.COLD)

    def _wanted(self, part: Part, row: BlockRow, least_above: int) -> Wanted:
        """What is to become of a block: another at any price where it must, else only where that gains something."""
        cannot_stay = self._moves(row) and bool(row.base) and not self._may_stay_on(row)
        must = self._tier is StorageTier.HOT or cannot_stay
        at_most = row.raw_length if must else int(SHRINKS * row.length)
        return Wanted(row, part.dtype, self._base_row(part, row, least_above), at_most)

    def _take(
        self, wanted: Wanted, recoded: Recoded, asked: Recoding, writing: "_Writing", seen: dict[BlockId, BlockRow]
    ) -> None:
        """Pack what came back; or the block as it is, where it must move and would not shrink."""
        row, content = wanted.row, recoded.content
        if content:
            base = wanted.base if wanted.base and needs_base(recoded.tag) else None
            leans, depth = (base.id, base.depth + 1) if base else (b"", 0)
            new = NewBlock(row.id, row.raw_length, recoded.tag, leans, depth, row.is_manifest)
            if self._house.cluster and not self._is_that(new, content, asked):
                return
        elif self._moves(row):
            new = NewBlock(row.id, row.raw_length, row.encoding, row.base, row.depth, row.is_manifest)
            content = bytes(self._reader.encoded(row))
        else:
            return
        self._add(writing, row, new, content)
        seen[row.id] = row

    def _is_that(self, new: NewBlock, content: bytes, asked: Recoding) -> bool:
        """Whether what another machine made is the block; False when what it leans on went meanwhile.

        Raises StorageFailed when it is something else.
        """
        try:
            is_that = decodes(self._reader, new, content, asked.rows)
        except Damaged:
            return False
        if not is_that:
            raise StorageFailed("A worker of the cluster made something else of a block.", block=new.id.hex())
        return True

    @property
    def _goes_cold(self) -> bool:
        return self._tier is StorageTier.COLD and self._house.has_cold_store

    def _moves(self, row: BlockRow) -> bool:
        return is_cold(row.pack) != self._goes_cold

    def _may_stay_on(self, row: BlockRow) -> bool:
        """Whether what it leans on is near enough for where it goes."""
        return self._goes_cold or not any(is_cold(each.pack) for each in self._house.index.find(row.bases).values())

    def _base_row(self, part: Part, row: BlockRow, least_above: int) -> BlockRow | None:
        """What it may lean on: nearer to the ground than whatever leans on it, and never farther away than itself."""
        if self._tier is StorageTier.HOT:
            return None
        candidate = self._bases.block(part.name, part.dtype, part.index, part.length)
        found = self._house.index.find([candidate]).get(candidate) if candidate else None
        base = anchored(found, self._house.index) if found else None
        if base is None or base.id == row.id or not 0 <= base.depth < min(CHAIN_DEPTH, least_above - 1):
            return None
        if self._tier is StorageTier.WARM and (is_cold(base.pack) or self._levels.of([base.id])[0] > Level.WARM):
            return None
        return base

    # Pointing

    def _point(self, fresh: Mapping[str, Sequence[BlockRow]], seen: Mapping[BlockId, BlockRow]) -> None:
        house, version, now = self._house, self._version, self._house.clock()

        def work(transaction: Transaction) -> _Tally:
            self._lease.confirm(transaction, now)
            if transaction.holds_on(version.namespace, version.model_id, version.id):
                return _Tally()
            tally = _Tally()
            for owner, rows in fresh.items():
                moved = movable(transaction, rows, seen)
                transaction.add_blocks(moved, owner)
                held = transaction.find_blocks([row.id for row in rows if row not in moved])
                tally.elsewhere += sum(1 for row in held.values() if row != seen[row.id])
                tally.blocks += len(moved)
                tally.before += sum(seen[row.id].length for row in moved)
                tally.after += sum(row.length for row in moved)
            if tally.blocks:
                body = {"tier": str(self._tier), "blocks": tally.blocks, "bytes": tally.after, "was": tally.before}
                action, subject = "blocks.re-encoded", version.reference
                transaction.add_ledger(now, house.author, action, subject, body, version.namespace)
            return tally

        tally = house.catalog.write(work)
        self._tally.blocks += tally.blocks
        self._tally.elsewhere += tally.elsewhere
        self._tally.before += tally.before
        self._tally.after += tally.after

    def _settle(self, was: StorageTier | None, manifest: Manifest) -> Callable[[Transaction], None]:
        """Say that the version is there now, and what it was found to be computed from."""
        house, version, now = self._house, self._version, self._house.clock()
        found, printed = self._computed(manifest), self._printed()

        def work(transaction: Transaction) -> None:
            self._lease.confirm(transaction, now)
            if transaction.version_by_id(version.id) is None:
                raise LeaseLost(f"{version.reference} was deleted meanwhile.")
            if transaction.holds_on(version.namespace, version.model_id, version.id):
                return
            transaction.put_tier_state(TierState(version.id, self._tier, now))
            body = {"number": version.number, "from": str(was or "as pushed"), "to": str(self._tier)}
            action = "version.tier-changed"
            transaction.add_ledger(now, house.author, action, version.reference, body, version.namespace)
            if not proofs(transaction, version):
                tell(transaction, house, version, found, (), now)
            if printed is not None:
                printed.put(transaction, version)

        return work

    def _printed(self) -> Printed | None:
        """Its sketch with prints, durable, for a version pushed before there were any, or those of all kinds."""
        sketch = _sketch(self._house, self._version)
        return written(self._house, self._lease, sketch, self._functions.prints) if lacks_prints(sketch) else None

    def _computed(self, manifest: Manifest) -> tuple[Derivation, ...]:
        if not self._functions.sources:
            return ()
        rows = self._house.index.find(tuple(set(manifest.block_ids())))
        return derivations(
            manifest, rows, [(each, load_manifest(self._house, each)) for each in self._functions.sources]
        )


class _Writing:
    """New packs, for each namespace its own: a pack belongs to one."""

    def __init__(self, house: House, stack: ExitStack, name: Callable[[], str]) -> None:
        self._house, self._stack, self._name = house, stack, name
        self._sets: dict[str, PackSet] = {}

    def add(self, owner: str, new: NewBlock, content: bytes) -> None:
        if owner not in self._sets:
            packs = PackSet(self._house.objects, self._name, derives=True)
            self._sets[owner] = self._stack.enter_context(packs)
        self._sets[owner].add(new, [content], len(content))

    def finish(self) -> dict[str, Sequence[BlockRow]]:
        """All is durable then."""
        return {owner: tuple(packs.finish()) for owner, packs in self._sets.items()}


def _worth(todo: Sequence[_Todo], most_bytes: int = TIER_PACK_BYTES, most_blocks: int = TIER_ROWS) -> int:
    """How many of the blocks are written at once: those that begin within so many bytes."""
    begins = accumulate((row.raw_length for _, row in todo[:most_blocks]), initial=0)
    return sum(1 for start in islice(begins, len(todo[:most_blocks])) if start < most_bytes)


def _bases(house: House, version: VersionRecord, found: Sequence[VersionRecord]) -> Bases:
    """The version whose sketch promises most, unless chains are full, and behind it the nearest. Empty where nothing
    promises enough."""
    sketch = _sketch(house, version)
    scored = [(score(sketch, other), at) for at, each in enumerate(found) if sketch and (other := _sketch(house, each))]
    if not scored or min(scored)[0] > WORTHWHILE:
        return Bases({})
    ranked = [(promise, found[at]) for promise, at in sorted(scored)]
    first = with_room_above(house, ranked, lambda each: load_manifest(house, each))
    best = [first, *(each for each in found[:1] if each is not first)]
    return Bases.of([load_manifest(house, each) for each in best])


def _sketch(house: House, version: VersionRecord) -> bytes:
    """Empty when it has none, or it cannot be read."""
    reader = house.reader()
    try:
        block = version.sketch
        return reader.read_all((block,), reader.rows([block])[block].raw_length) if block else b""
    except Damaged:
        return b""


def parts_of(manifest: Manifest) -> Iterator[Part]:
    """Every block of the files once, in order."""
    met = set[BlockId]()
    for entry in manifest.files:
        for span in entry.spans:
            for index, (block, length) in enumerate(zip(span.blocks, span.block_lengths(), strict=True)):
                if block not in met:
                    met.add(block)
                    yield Part(block, length, span.name, span.dtype, index, entry.path, span.offset)


def least_depths(leaning: Sequence[BlockRow]) -> Mapping[BlockId, int]:
    """The least depth of what leans on each block."""
    least: defaultdict[BlockId, int] = defaultdict(lambda: CHAIN_DEPTH + 1)
    for row in leaning:
        for base in row.bases:
            least[base] = min(least[base], row.depth)
    return dict(least)


def movable(transaction: Transaction, rows: Sequence[BlockRow], seen: Mapping[BlockId, BlockRow]) -> list[BlockRow]:
    """Those of the rows that may take the place of the ones seen, as things stand in this transaction.

    The block must lie where it lay; what it leans on must be in force and nearer to the ground; and what leans on it
    must lie deeper. So chains never grow, never close, and never end in nothing, whatever was pushed or swept.
    """
    held = dict(transaction.find_blocks([*(row.id for row in rows), *{base for row in rows for base in row.bases}]))
    least = dict(least_depths(transaction.leaning_on([row.id for row in rows])))
    moved = []
    for row in rows:
        if held.get(row.id) != seen[row.id]:
            continue
        if any(base not in held or held[base].depth >= row.depth for base in row.bases):
            continue
        if least.get(row.id, row.depth + 1) <= row.depth:
            continue
        moved.append(row)
        held[row.id] = row
        for base in row.bases:
            least[base] = min(least.get(base, row.depth), row.depth)
    return moved
