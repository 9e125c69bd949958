"""What a gateway captured of sampled requests: one JSON object a line, read strictly, and joined two by two.

Whoever sends requests writes parts of a line, so one that is none is counted as garbled and says nothing. Bodies with
tensors in binary are read as the JSON that says the same.
"""

from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

from budwood.domain.compared.answers import redacted
from budwood.domain.compared.comparison import Compared, Comparison, Kind, Unlike, compare
from budwood.domain.compared.tensors import in_json
from budwood.domain.limits import CAPTURE_LINE_BYTES, DISAGREEMENT_BYTES
from budwood.domain.traffic.log_line import REQUEST_ID, line_of, number_in, text_in


class Side(StrEnum):
    """Whose answer it is."""

    BASELINE = "baseline"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Capture:
    """One side of a pair. ``endpoint`` is ``namespace.name``; ``cut``: the body was longer than what was kept."""

    side: Side
    at_ms: int
    request: str
    endpoint: str
    generation: int
    arm: str
    code: int
    latency_us: int
    asked: str = ""
    answered: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Captures:
    """What was read, in order, and how many lines were none."""

    captures: tuple[Capture, ...]
    garbled: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Both answers to one request."""

    baseline: Capture
    shadow: Capture


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A request that the candidate answered differently, in order of a rollout. Bodies are cut and redacted."""

    number: int
    at_ms: int
    request: str
    detail: str
    asked: str = ""
    baseline: str = ""
    candidate: str = ""
    baseline_us: int = 0
    candidate_us: int = 0


def read_captures(content: bytes) -> Captures:
    """Whole lines of a log of captures."""
    read = [_read(line) for line in content.split(b"\n") if line.strip()]
    return Captures(tuple(each for each in read if each is not None), sum(each is None for each in read))


def without(capture: Capture, names: Collection[str]) -> Capture:
    """As it may be kept. A body that was cut is no JSON, and is withheld where anything is to be redacted."""
    if not names:
        return capture
    return replace(capture, asked=redacted(capture.asked, names), answered=redacted(capture.answered, names))


def judged(comparison: Comparison, pair: Pair) -> Compared | None:
    """Whether the two agree; None where the baseline's answer is none to be compared with."""
    held, said = pair.baseline, pair.shadow
    if not 200 <= held.code < 500:
        return None
    if held.code // 100 != said.code // 100:
        return Compared(False, f"{held.code} became {said.code or 'no answer'}")
    if comparison.kind is Kind.STATUS or held.code >= 300:
        return Compared(True)
    if held.cut:
        return None
    if said.cut:
        return Compared(False, "the candidate's answer is longer than what is kept")
    try:
        return compare(comparison, held.answered, said.answered)
    except Unlike:
        return None


def disagreement(number: int, pair: Pair, detail: str) -> Disagreement:
    """What is kept of one."""
    held, said = pair.baseline, pair.shadow
    bodies = (_short(held.asked), _short(held.answered), _short(said.answered))
    return Disagreement(number, held.at_ms, held.request, detail, *bodies, held.latency_us, said.latency_us)


def _short(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= DISAGREEMENT_BYTES:
        return encoded.decode()
    return encoded[:DISAGREEMENT_BYTES].decode("utf-8", "ignore") + "…"


def _read(text: bytes) -> Capture | None:
    said = line_of(text, CAPTURE_LINE_BYTES)
    if said is None or said.get("side") not in frozenset(Side):
        return None
    at, generation, code, latency = (number_in(said, name) for name in ("at", "generation", "code", "us"))
    request, endpoint = text_in(said, "request"), text_in(said, "endpoint")
    if at is None or generation is None or code is None or not endpoint or not REQUEST_ID.fullmatch(request):
        return None
    asked, answered = _body(said, "asked"), _body(said, "answered")
    return Capture(
        Side(said["side"]),
        int(at * 1_000),
        request,
        endpoint,
        int(generation),
        text_in(said, "cluster").rpartition(".")[2],
        int(code),
        int(latency) if latency is not None else -1,
        asked.text,
        answered.text,
        (number_in(said, "answered_bytes") or 0) > answered.size_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Body:
    """``size_bytes`` is how much of it was kept."""

    text: str
    size_bytes: int


def _body(said: dict[str, Any], name: str) -> _Body:
    text, head = text_in(said, name), text_in(said, f"{name}_head")
    if not head:
        return _Body(text, len(text.encode("utf-8", "surrogatepass")))
    content = b""
    try:
        content = b64decode(text, validate=True)
        return _Body(in_json(content, head), len(content))
    except ValueError:
        # It was cut, or is not what it says: no JSON, and like another only where all bytes are.
        return _Body(f"[binary: sha256 {sha256(content).hexdigest()}]", len(content))
