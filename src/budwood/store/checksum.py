"""The CRC-32 of encoded blocks: by the native library where it is faster, else by zlib, whose sums they are."""

import zlib
from typing import Final

from budwood.domain.limits import KIB
from budwood.store import native
from budwood.store.api import Buffer

WORTHWHILE_BYTES: Final = 32 * KIB
"""What is shorter, zlib has summed by the time another library is called."""


def crc32(summed: Buffer, before: int = 0) -> int:
    """The sum of these bytes, behind others whose sum is ``before``."""
    library = native.library
    if library is None or library.sums is native.Sums.PLAIN or len(summed) < WORTHWHILE_BYTES:
        return zlib.crc32(summed, before)
    return library.crc32(summed, before)
