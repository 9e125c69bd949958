"""Keep freed memory in the process, so that the next block does not fault it in again page by page."""

import ctypes
import functools
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
KEPT_BYTES: Final = 64 << 20


@functools.cache
def keep_freed_memory() -> bool:
    """Ask glibc not to return blocks below 32 MiB at each free; whether it agreed. Elsewhere nothing happens.

    By default every temporary above 128 KiB can be a fresh mapping, and its first touch costs more than the
    coding: encoding and decoding a difference of 1.2 MB measured 30 % faster with this. It keeps at most
    64 MiB a heap, holds for the whole process, and is asked for once, where a push or a pull begins.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 32 << 20)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
