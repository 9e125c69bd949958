"""Binary tensors, as Open Inference's extension has them: values behind the JSON, in the order of the tensors.

The JSON says how long each one is, a header how long the JSON is, and nothing lies between or behind. Numbers are
little-endian; a text has its length before it, in four bytes. Texts that are no UTF-8 keep their bytes as Python's
surrogates (``surrogateescape``), so that what a model hands back is what came in.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

HEAD: Final = "inference-header-content-length"
"""The header that says how many bytes of a body are JSON."""

_CODES: Final = {
    "BOOL": "?",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
BF16: Final = "BF16"
"""The upper half of an FP32; numpy has no such type, and JSON no way to write it."""
_LENGTH: Final = 4


def parted(body: bytes, said: Sequence[str]) -> tuple[bytes, memoryview]:
    """A body's JSON, and what is behind it; ``said`` is what its header says, if it has one. Raises ValueError."""
    whole = memoryview(body)
    if not said:
        return body, whole[len(body) :]
    digits = said[0].strip() if len(said) == 1 else ""
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(len(body))) or int(digits) > len(body):
        raise ValueError(f"{HEAD} is the number of bytes of the body that are JSON, and at most {len(body)}.")
    return body[: int(digits)], whole[int(digits) :]


def unpacked(datatype: str, count: int, content: memoryview) -> Any:
    """So many values, flat: an array of numpy, a list where that is not installed. Raises ValueError; its words follow
    the tensor's name in a sentence."""
    if datatype == "BYTES":
        return _array(_texts(count, content))
    size = 2 if datatype == BF16 else struct.calcsize("<" + _CODES[datatype])
    if len(content) != count * size:
        raise ValueError(f"has {len(content)} bytes, and its shape asks for {count * size}")
    if datatype == "BOOL" and bytes(content).translate(None, b"\x00\x01"):
        raise ValueError("has values that are not BOOL")
    if datatype == BF16:
        return _numbers("FP32", count, _widened(content))
    return _numbers(datatype, count, content)


def packed(datatype: str, values: Any) -> bytes:
    """The same way back: ``values`` are flat. Raises ValueError for texts that have no bytes."""
    if datatype == "BYTES":
        texts = [each if isinstance(each, bytes) else each.encode("utf-8", "surrogateescape") for each in values]
        return b"".join(len(each).to_bytes(_LENGTH, "little") + each for each in texts)
    if hasattr(values, "tobytes"):
        little: bytes = values.astype(values.dtype.newbyteorder("<")).tobytes()
        return little
    return struct.pack(f"<{len(values)}{_CODES[datatype]}", *values)


def _numbers(datatype: str, count: int, content: "memoryview | bytearray") -> Any:
    try:
        import numpy as np
    except ImportError:
        return list(struct.unpack(f"<{count}{_CODES[datatype]}", content))
    little = np.frombuffer(content, np.dtype(datatype.lower().replace("fp", "float")).newbyteorder("<"))
    # Copied: a model may write into what it gets, and most libraries want it aligned.
    return little.astype(little.dtype.newbyteorder("="))


def _widened(content: memoryview) -> bytearray:
    """As FP32."""
    wide = bytearray(2 * len(content))
    wide[2::4], wide[3::4] = content[0::2], content[1::2]
    return wide


def _texts(count: int, content: memoryview) -> list[str]:
    texts, at = [], 0
    for _ in range(count):
        behind = at + _LENGTH + int.from_bytes(content[at : at + _LENGTH], "little")
        if at + _LENGTH > len(content) or behind > len(content):
            raise ValueError("has texts that end behind its bytes")
        texts.append(str(content[at + _LENGTH : behind], "utf-8", "surrogateescape"))
        at = behind
    if at != len(content):
        raise ValueError("has more bytes than its texts")
    return texts


def _array(values: list[str]) -> Any:
    try:
        import numpy as np
    except ImportError:
        return values
    return np.array(values, dtype="object")
