"""Frames without matches, which hold nothing but entropy coded bytes: all that exponents can gain.

The native library writes and reads them several times as fast as libzstd, which does it where there is no such
library, and where a frame has more in it. Each reads what the other wrote (native/huffman.h).
"""

import numpy as np

from budwood.store import native
from budwood.store.api import Buffer
from budwood.store.encodings import _zstd
from budwood.store.encodings._scratch import Bytes8, scratch


def write_literals(plane: Bytes8, name: str) -> Buffer:
    """One frame. It may lie in this thread's scratch under that name."""
    if native.library is not None:
        room = scratch(name, plane.size + plane.size // 2 + 1024)
        work = scratch("literals", native.library.literals_room)
        if length := native.library.write_literals(plane, room, work):
            return room[:length].data
    return _zstd.huffman(plane.data)


def read_literals(frame: memoryview, plane: Bytes8) -> Bytes8:
    """The content of one frame of any kind, in ``plane`` or elsewhere. Raises BlockDamaged."""
    if native.library is not None:
        work = scratch("code", native.library.code_room)
        if native.library.read_literals(frame, plane, work):
            return plane
    return np.frombuffer(_zstd.decompress(frame, plane.size), np.uint8)
