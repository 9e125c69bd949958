"""Which users were counted already, in a fixed number of bits.

Two users may share a bit, and the later one is then not counted: that costs a little evidence and no honesty, because
the bit says nothing of the arm a user is in.
"""

from dataclasses import dataclass, field
from typing import Final

from budwood.domain.limits import SEEN_BITS
from budwood.domain.traffic.hashing import xxh64

_SALT: Final = b"seen:"


@dataclass(slots=True)
class Seen:
    """``bits`` holds ``SEEN_BITS`` of them."""

    bits: bytearray = field(default_factory=lambda: bytearray(SEEN_BITS // 8))

    def is_new(self, user: str) -> bool:
        """Whether the user was not seen before; from now on they were."""
        place = xxh64(_SALT + user.encode()) % SEEN_BITS
        byte, bit = divmod(place, 8)
        if self.bits[byte] >> bit & 1:
            return False
        self.bits[byte] |= 1 << bit
        return True

    def has(self, user: str) -> bool:
        """Whether the user was seen; nothing is learnt by asking."""
        byte, bit = divmod(xxh64(_SALT + user.encode()) % SEEN_BITS, 8)
        return bool(self.bits[byte] >> bit & 1)

    def clear(self) -> None:
        """Nobody was seen."""
        self.bits[:] = bytes(len(self.bits))
