"""Spans in a file beside a trace, as clients before 3.5 wrote them and folders still hold them."""

from collections.abc import Iterable, Sequence
from typing import Final

from budwood.client.carrying import shapes_traced
from budwood.client.carrying.places import Places
from budwood.domain.limits import CARRIED_TRACE_BYTES
from budwood.errors import LimitExceeded, Malformed

FILE: Final = "traces.json"


def spans_in(places: Places, location: str) -> Sequence[str]:
    """None where there is no such file. Raises SourceNotFound, UnsafeEntry, Malformed, BadValue, LimitExceeded."""
    if not any(each.path == FILE for each in places.files(location)):
        return ()
    with places.open(location, FILE) as pieces:
        return spans_from(pieces)


def spans_from(pieces: Iterable[bytes]) -> Sequence[str]:
    """Of such a file, as it comes. Raises Malformed, BadValue, LimitExceeded."""
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > CARRIED_TRACE_BYTES:
            raise LimitExceeded("The spans of a trace are more than is read.", limit="CARRIED_TRACE_BYTES")
    said = shapes_traced.parsed(whole.decode("utf-8", "replace"), "spans")
    spans = said.get("spans") if isinstance(said, dict) else None
    if not isinstance(spans, list):
        raise Malformed("A file of spans holds none.")
    return [shapes_traced.content(each) for each in spans]
