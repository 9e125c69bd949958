"""The encodings that hand words to pcodec: PCO alone, and DELTA_PCO for the difference from a base.

    width:u8 | length:u32 | pcodec standalone file | tail

Slower than planes, smaller where the noise is in the middle of a word, as in differences of 32-bit floats.
"""

import struct
from typing import Final

import numpy as np
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from budwood.errors import BlockDamaged
from budwood.store.api import Buffer
from budwood.store.encodings._parts import Written
from budwood.store.encodings._words import WORDS, Words, add_difference, as_words, difference, words

LEVEL: Final = 8
_HEAD = struct.Struct("<BI")
# Order is noise in weights: looking for sequences costs time and finds none.
_CONFIG: Final = ChunkConfig(compression_level=LEVEL, mode_spec=ModeSpec.classic(), delta_spec=DeltaSpec.no_op())


def encode_pco(raw: memoryview, width: int) -> tuple[Buffer, ...]:
    """The words themselves, of at least two bytes: pcodec has no smaller ones."""
    return _write(as_words(raw, width), raw[len(raw) - len(raw) % width :])


def decode_pco(encoded: Written, target: memoryview) -> None:
    """Raises BlockDamaged."""
    values, tail = _read(encoded, len(target))
    np.copyto(as_words(target, values.dtype.itemsize), values)
    target[len(target) - len(tail) :] = tail


def encode_delta_pco(raw: memoryview, base: memoryview, width: int) -> tuple[Buffer, ...]:
    """The zigzag difference from the base."""
    zigzag = difference(as_words(raw, width), as_words(base, width))
    return _write(zigzag, raw[len(raw) - len(raw) % width :])


def decode_delta_pco(encoded: Written, base: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    values, tail = _read(encoded, len(target))
    width = values.dtype.itemsize
    add_difference(values, as_words(base, width), as_words(target, width))
    target[len(target) - len(tail) :] = tail


def _write(values: Words, tail: Buffer) -> tuple[Buffer, ...]:
    # A block read together with its neighbours may begin at any byte; pcodec wants whole words.
    written = standalone.simple_compress(np.require(values, requirements=("C", "A")), _CONFIG)
    return _HEAD.pack(values.dtype.itemsize, len(written)), written, tail


def _read(encoded: Written, raw_length: int) -> tuple[Words, memoryview]:
    if len(encoded) < _HEAD.size:
        raise BlockDamaged("An encoded block ends inside its header.")
    width, length = _HEAD.unpack(encoded[: _HEAD.size])
    if width not in WORDS or width == 1:
        raise BlockDamaged(f"Words of {width} bytes are not known.")
    count, tail_length = divmod(raw_length, width)
    end = _HEAD.size + length
    if len(encoded) != end + tail_length:
        raise BlockDamaged(f"An encoded block has {len(encoded)} bytes where {end + tail_length} belong.")
    values = words("joined", count, width)
    _decompress_into(bytes(encoded[_HEAD.size : end]), values)
    return values, encoded[end:]


def _decompress_into(written: bytes, values: Words) -> None:
    try:
        progress = standalone.simple_decompress_into(written, values)
    except BaseException as error:
        # A panic in Rust code arrives as a BaseException of its own, which nobody else would expect.
        if isinstance(error, RuntimeError | TypeError | ValueError) or type(error).__name__ == "PanicException":
            raise BlockDamaged(f"A pcodec file cannot be read: {error}") from error
        raise
    if progress.n_processed != values.size or not progress.finished:
        raise BlockDamaged("A pcodec file does not hold as many numbers as it should.")
