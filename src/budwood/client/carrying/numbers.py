"""Numbers that a server gives versions by itself, in order: an export counts up to the one that it wants."""

from typing import Final

from budwood.errors import BadValue

COUNTED_UP: Final = 1_000
"""Numbers that may be missing before one: for each a version is made there and deleted again."""


def numbers_before(wanted: int, last: int) -> range:
    """Those that the server gives before the one that is wanted. Raises BadValue where it does not give that."""
    if wanted <= last:
        raise BadValue(f"The server gave the number {wanted} already, and gives each number once.")
    if wanted - last > COUNTED_UP:
        raise BadValue(f"More than {COUNTED_UP} numbers are missing before {wanted}; so many are not counted up.")
    return range(last + 1, wanted)
