"""A body of Open Inference with tensors in binary, as the JSON that says the same: so it is compared and redacted.

The JSON comes first, a header says how long it is, and behind it lie the values of each tensor that has a
``binary_data_size``, in order. Numbers are little-endian; a text has its length before it, in four bytes.
"""

import json
import math
import struct
from typing import Any, Final

from budwood.domain.compared.answers import parsed

SIZE: Final = "binary_data_size"
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
_LENGTH: Final = 4


def in_json(body: bytes, head: str) -> str:
    """``head`` is what the header says. Raises ValueError where the two do not fit, or the JSON is none."""
    if not (head.isascii() and head.isdigit()) or len(head) > len(str(len(body))) or int(head) > len(body):
        raise ValueError("its header is no length of its JSON")
    whole, values = parsed(str(body[: int(head)], "utf-8")), body[int(head) :]
    for tensor in _tensors(whole):
        parameters = tensor.get("parameters")
        size = parameters.pop(SIZE, None) if isinstance(parameters, dict) else None
        if size is None:
            continue
        if not isinstance(size, int) or not 0 <= size <= len(values):
            raise ValueError("a tensor ends behind the body")
        tensor["data"], values = _values(tensor.get("datatype"), values[:size]), values[size:]
        if not parameters:
            del tensor["parameters"]
    if values:
        raise ValueError("the body has more bytes than its tensors")
    return json.dumps(whole, separators=(",", ":"))


def _tensors(whole: Any) -> list[dict[str, Any]]:
    """Of a request or of an answer."""
    lists = [whole.get(name) for name in ("inputs", "outputs")] if isinstance(whole, dict) else []
    return [each for one in lists if isinstance(one, list) for each in one if isinstance(each, dict)]


def _values(datatype: object, content: bytes) -> list[Any]:
    if datatype == "BYTES":
        return _texts(content)
    if datatype == "BF16":  # The upper half of an FP32.
        halves = zip(content[0::2], content[1::2], strict=True)
        datatype, content = "FP32", b"".join(b"\0\0" + bytes(half) for half in halves)
    code = _CODES.get(datatype) if isinstance(datatype, str) else None
    if code is None or len(content) % struct.calcsize(f"<{code}"):
        raise ValueError("a tensor does not fit its type")
    return [_said(value) for (value,) in struct.iter_unpack(f"<{code}", content)]


def _said(value: Any) -> Any:
    """JSON has no word for what is no number; a text is compared as it is, and is no number either."""
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _texts(content: bytes) -> list[str]:
    texts, at = [], 0
    while at < len(content):
        behind = at + _LENGTH + int.from_bytes(content[at : at + _LENGTH], "little")
        if at + _LENGTH > len(content) or behind > len(content):
            raise ValueError("a text ends behind its tensor")
        texts.append(str(content[at + _LENGTH : behind], "utf-8", "backslashreplace"))
        at = behind
    return texts
