"""The differences of docs/internals/differences.md in NumPy: the reader for machines without the native library.

The writer makes the same bytes as the native one, and is the measure of it in tests; both are slow (RESULTS.md).
All lanes take a step at once, so a row of words costs a handful of calls.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from budwood.errors import BlockDamaged
from budwood.store.encodings._words import Words
from budwood.store.native import Differences

CONTEXTS: Final = 16
SYMBOLS: Final = 256
SCALE_BITS: Final = 12
SCALE: Final = 1 << SCALE_BITS
LOWEST_STATE: Final = 1 << 15
LITERALS: Final = 128
FIRST_POWER: Final = 7
AFTER_CLASSES: Final = LITERALS + 4 * (32 - FIRST_POWER)
SIGNED_ZERO: Final = 254
ZERO: Final = 255
ABSENT, TABLE, AS_BEFORE = 0, 1, 2
LEAST_LANES_LOG2: Final = 3

# What the writer chooses; a reader need not know.
LOOKED_AT: Final = 8192
ABOVE_SHARE: Final = 512
TABLE_WORDS: Final = 1024
LANE_WORDS: Final = 2048
LANE_CHANGES: Final = 256
MOST_LANE_WORDS: Final = 16384
MOST_WRITTEN_LANES_LOG2: Final = 8

Array = npt.NDArray[Any]


def read(parts: Differences, base: Words, out: Words) -> None:
    """Fill ``out``. Raises BlockDamaged."""
    frequencies = _read_tables(bytes(parts.tables))
    base = _fitted(base, out.size)
    symbols = _read_symbols(parts, frequencies, _contexts(base, parts.shift, parts.top))
    np.copyto(out, _words_of(symbols, base, np.frombuffer(parts.raw, np.uint8)))


def write(words: Words, base: Words, shift: int) -> Differences:
    """The differences of the words from a base."""
    common = base[: words.size]
    step = common.size // LOOKED_AT + 1
    top, signs_stay = _top(common[::step], shift), _signs_stay(words[: common.size : step], common[::step])
    base = _fitted(base, words.size)
    symbols, raw = _symbols_of(words, base, signs_stay=signs_stay)
    contexts = _contexts(base, shift, top)
    counts = np.bincount(contexts * SYMBOLS + symbols, minlength=CONTEXTS * SYMBOLS).reshape(CONTEXTS, SYMBOLS)
    tables, frequencies = _write_tables(counts)
    lanes_log2 = _lanes_log2(words.size, words.size - int(counts[:, 0].sum()))
    states, stream = _write_symbols(symbols, contexts, frequencies, 1 << lanes_log2)
    return Differences(shift, top, lanes_log2, tables, states, stream, raw)


# Contexts


def _fitted(base: Words, count: int) -> Words:
    """The base cut, or continued with zeros."""
    if base.size >= count:
        return base[:count]
    return np.concatenate([base, np.zeros(count - base.size, base.dtype)])


def _keys(base: Words, shift: int) -> Array:
    below_sign = (1 << (8 * base.itemsize - 1)) - 1
    keys: Array = (base.astype(np.int64) & below_sign) >> shift
    return keys


def _contexts(base: Words, shift: int, top: int) -> Array:
    contexts: Array = np.clip(top - _keys(base, shift), 0, CONTEXTS - 1)
    return contexts


def _top(base: Words, shift: int) -> int:
    counts = np.bincount(_keys(base, shift), minlength=256)
    seen, above, top = int(counts.sum()), 0, 255
    while top > 0 and (above + int(counts[top])) * ABOVE_SHARE <= seen:
        above += int(counts[top])
        top -= 1
    return top


# Tables


def _read_tables(tables: bytes) -> Array:
    frequencies = np.zeros((CONTEXTS, SYMBOLS), np.int64)
    at = 0
    try:
        for context in range(CONTEXTS):
            kind = tables[at]
            at += 1
            if kind == TABLE:
                at = _read_table(tables, at, frequencies[context])
            elif kind == AS_BEFORE and context:
                frequencies[context] = frequencies[context - 1]
            elif kind != ABSENT:
                raise BlockDamaged(f"A table of kind {kind} is not known.")
    except IndexError:
        raise BlockDamaged("The tables of a block of differences do not add up.") from None
    if at != len(tables):
        raise BlockDamaged("The tables of a block of differences end too late.")
    return frequencies


def _read_table(tables: bytes, at: int, frequencies: Array) -> int:
    """The place after it. Raises IndexError, BlockDamaged."""
    symbol, used = 0, 0
    while used < SCALE:
        frequency = tables[at]
        at += 1
        if frequency == 0:
            if tables[at] == 0:
                raise BlockDamaged("A table leaves out no symbols.")
            symbol += tables[at]
            at += 1
            continue
        if frequency & 128:
            frequency = (frequency & 127) << 8 | tables[at]
            at += 1
        if frequency == 0 or frequency > SCALE - used:
            raise BlockDamaged("A table's frequencies do not add up.")
        frequencies[symbol] = frequency
        used += frequency
        symbol += 1
    return at


def _write_tables(counts: Array) -> tuple[bytes, Array]:
    frequencies = np.zeros((CONTEXTS, SYMBOLS), np.int64)
    if not counts.sum():
        return bytes([ABSENT] * CONTEXTS), frequencies
    written = bytearray()
    groups = _groups(counts.sum(axis=1).tolist())
    for start, stop in zip(groups, [*groups[1:], CONTEXTS], strict=True):
        own = _scaled(counts[start:stop].sum(axis=0))
        frequencies[start:stop] = own
        written += bytes([TABLE, *_table(own.tolist()), *[AS_BEFORE] * (stop - start - 1)])
    return bytes(written), frequencies


def _groups(totals: list[int]) -> list[int]:
    """Where the groups of contexts begin: each has words enough to pay for a table."""
    starts: list[int] = []
    is_open, gathered = False, 0
    for context, total in enumerate(totals):
        if not is_open:
            starts.append(context)
            gathered = 0
        gathered += total
        is_open = gathered < TABLE_WORDS
    return starts[:-1] if is_open and len(starts) > 1 else starts


def _scaled(counts: Array) -> Array:
    total = int(counts.sum())
    shares = (counts * SCALE + total // 2) // total
    shares[(counts > 0) & (shares == 0)] = 1
    while shares.sum() != SCALE:
        most = int(np.argmax(shares))
        shares[most] -= min(int(shares.sum()) - SCALE, int(shares[most]) // 2)
    return shares


def _table(frequencies: list[int]) -> list[int]:
    written: list[int] = []
    left, zeros = SCALE, 0
    for frequency in frequencies:
        if not left:
            break
        if not frequency:
            zeros += 1
            continue
        written += [0, zeros] if zeros else []
        written += [frequency] if frequency < 128 else [128 | frequency >> 8, frequency & 255]
        left, zeros = left - frequency, 0
    return written


# Symbols in lanes


@dataclass(frozen=True, slots=True)
class _Slots:
    """Of each context's SCALE slots: the symbol, its frequency, and the slot's place in its interval."""

    symbols: Array
    frequencies: Array
    places: Array


def _slots(frequencies: Array) -> _Slots:
    # A context without a table changes no state; its symbol is none.
    symbols = np.full((CONTEXTS, SCALE), AFTER_CLASSES, np.uint8)
    own = np.full((CONTEXTS, SCALE), SCALE, np.uint32)
    places = np.tile(np.arange(SCALE, dtype=np.uint32), (CONTEXTS, 1))
    for context in np.flatnonzero(frequencies.sum(axis=1)):
        of = np.repeat(np.arange(SYMBOLS), frequencies[context])
        symbols[context], own[context] = of, frequencies[context][of]
        places[context] -= (np.cumsum(frequencies[context]) - frequencies[context])[of].astype(np.uint32)
    return _Slots(symbols.ravel(), own.ravel(), places.ravel())


def _read_symbols(parts: Differences, frequencies: Array, contexts: Array) -> Array:
    slots, starts = _slots(frequencies), (contexts << SCALE_BITS).astype(np.uint32)
    states = np.frombuffer(parts.states, "<u4").copy()
    if np.any((states < LOWEST_STATE) | (states >> 31 != 0)):
        raise BlockDamaged("A lane begins in a state that cannot be.")
    words, taken = np.frombuffer(parts.words, "<u2").astype(np.uint32), 0
    symbols = np.empty(contexts.size, np.uint8)
    scale_bits, in_scale, sixteen = np.uint32(SCALE_BITS), np.uint32(SCALE - 1), np.uint32(16)
    for at in range(0, contexts.size, states.size):
        context = starts[at : at + states.size]
        state = states[: context.size]
        slot = context | (state & in_scale)
        np.take(slots.symbols, slot, out=symbols[at : at + states.size], mode="wrap")
        state = slots.frequencies[slot] * (state >> scale_bits) + slots.places[slot]
        low = np.flatnonzero(state < LOWEST_STATE)
        if low.size:
            if taken + low.size > words.size:
                raise BlockDamaged("A block of differences ends inside its words.")
            state[low] = (state[low] << sixteen) | words[taken : taken + low.size]
            taken += low.size
        states[: context.size] = state
    if taken != words.size or np.any(states != LOWEST_STATE):
        raise BlockDamaged("A block of differences does not end where it began.")
    return symbols


def _write_symbols(symbols: Array, contexts: Array, frequencies: Array, lanes: int) -> tuple[bytes, bytes]:
    """The states and the words."""
    states = np.full(lanes, LOWEST_STATE, np.uint64)
    if not symbols.size:
        return states.astype("<u4").tobytes(), b""
    pairs = contexts * SYMBOLS + symbols
    own = frequencies.ravel()[pairs].astype(np.uint64)
    starts = (np.cumsum(frequencies, axis=1) - frequencies).ravel()[pairs].astype(np.uint64)
    written: list[bytes] = []
    for at in range((symbols.size - 1) // lanes * lanes, -1, -lanes):
        frequency = own[at : at + lanes]
        state = states[: frequency.size]
        full = state >> np.uint64(19) >= frequency
        written.append((state[full] & np.uint64(0xFFFF)).astype("<u2").tobytes())
        state = np.where(full, state >> np.uint64(16), state)
        quotient, rest = np.divmod(state, frequency)
        states[: frequency.size] = quotient * np.uint64(SCALE) + rest + starts[at : at + lanes]
    return states.astype("<u4").tobytes(), b"".join(reversed(written))


def _lanes_log2(count: int, changed: int) -> int:
    """A lane costs four bytes, which changes must pay for; but a reader with few lanes is slow."""
    wanted = max(min(count // LANE_WORDS, changed // LANE_CHANGES), count // MOST_LANE_WORDS)
    return min(max(wanted.bit_length() - 1, LEAST_LANES_LOG2), MOST_WRITTEN_LANES_LOG2)


# Words


def _words_of(symbols: Array, base: Words, raw: Array) -> Words:
    zigzag = symbols.astype(np.uint32)
    large = np.flatnonzero(symbols >= LITERALS)
    classed = large[symbols[large] < ZERO - 1]
    _add_raw_bits(zigzag, classed, symbols[classed].astype(np.int64) - LITERALS, raw, 8 * base.itemsize)
    words = base + ((zigzag >> np.uint32(1)) ^ -(zigzag & np.uint32(1)).astype(np.int32).view(np.uint32)).astype(
        base.dtype
    )
    words[symbols == ZERO] = 0
    sign = base.dtype.type(1 << (8 * base.itemsize - 1))
    signed = symbols == SIGNED_ZERO
    words[signed] = base[signed] & sign
    return words


def _add_raw_bits(zigzag: Array, classed: Array, classes: Array, raw: Array, bits: int) -> None:
    powers = FIRST_POWER + classes // 4
    if classed.size and (int(powers.max()) >= bits):
        raise BlockDamaged("A symbol stands for no difference of such words.")
    counts = powers - 2
    ends = np.cumsum(counts)
    if raw.size != (int(ends[-1]) + 7 if classed.size else 0) // 8:
        raise BlockDamaged("A block of differences has too many or too few raw bits.")
    starts = ends - counts
    padded = np.concatenate([raw, np.zeros(8, np.uint8)]).astype(np.uint64)
    first, held = starts >> 3, np.zeros(classed.size, np.uint64)
    for byte in range(5):
        held |= padded[first + byte] << np.uint64(8 * byte)
    held >>= (starts & 7).astype(np.uint64)
    low = held & ((np.uint64(1) << counts.astype(np.uint64)) - np.uint64(1))
    zigzag[classed] = ((4 | classes & 3) << counts).astype(np.uint32) | low.astype(np.uint32)


def _signs_stay(words: Words, base: Words) -> bool:
    """Whether weights that became zero kept their sign, as they do where a mask multiplies."""
    sign = base.dtype.type(1 << (8 * base.itemsize - 1))
    negative = words[base >= sign]
    return int(np.count_nonzero(negative == sign)) > int(np.count_nonzero(negative == 0))


def _symbols_of(words: Words, base: Words, *, signs_stay: bool) -> tuple[Array, bytes]:
    """The symbols and the raw bits."""
    bits = 8 * words.itemsize
    step = words - base
    zigzag = ((step << words.dtype.type(1)) ^ (np.zeros_like(step) - (step >> words.dtype.type(bits - 1)))).astype(
        np.int64
    )
    symbols = zigzag.copy()
    large = np.flatnonzero(zigzag >= LITERALS)
    sign = words.dtype.type(1 << (bits - 1))
    is_zero, is_signed = words[large] == 0, words[large] == (base[large] & sign)
    classed = large[~(is_zero | is_signed)]
    symbols[large[is_zero]] = ZERO
    symbols[large[is_signed & (~is_zero | signs_stay)]] = SIGNED_ZERO
    powers = np.frexp(zigzag[classed].astype(np.float64))[1].astype(np.int64) - 1
    counts = powers - 2
    symbols[classed] = LITERALS + 4 * (powers - FIRST_POWER) + (zigzag[classed] >> counts & 3)
    return symbols, _raw_bits(zigzag[classed], counts)


def _raw_bits(zigzag: Array, counts: Array) -> bytes:
    """The lowest bits of each, one after the other, lowest first."""
    which = np.repeat(np.arange(counts.size), counts)
    place = np.arange(which.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.packbits((zigzag[which] >> place & 1).astype(np.uint8), bitorder="little").tobytes()
