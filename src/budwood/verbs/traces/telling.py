"""What a client tells of a request: that it ran, when and how it ended, and what it calls it.

The spans may have come before, and then there is a trace already: what is told completes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.traces.records import FIXED_TAGS, Assessment, Trace, TraceState, TraceWithAll
from budwood.domain.traces.totals import shortened
from budwood.errors import BadValue, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.traces import assessing, found


@dataclass(frozen=True, slots=True)
class Told:
    """A trace as its client tells of it, with what is thought of it already."""

    trace: str
    experiment: str
    at_ms: int
    duration_ms: int | None = None
    state: str = ""
    client_request: str | None = None
    request: str | None = None
    response: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    assessments: Sequence[Assessment] = ()


def tell_trace(house: House, namespace: str, told: Told) -> Callable[[Transaction], TraceWithAll]:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, too."""
    found.check_id(told.trace)
    check_times(told.at_ms, told.duration_ms)
    for text in (told.client_request, told.request, told.response):
        found.check_text("trace", text)
    tags = found.tags({key: value for key, value in told.tags.items() if key not in FIXED_TAGS})
    metadata = found.metadata(told.metadata)
    state = trace_state(told.state)
    said = [assessing.checked(each) for each in told.assessments]

    def work(transaction: Transaction) -> TraceWithAll:
        experiment = found.home(house, transaction, namespace, told.experiment)
        there = found.maybe(transaction, namespace, told.trace)
        before = there or Trace(0, told.trace, experiment.id, experiment.number, told.at_ms)
        kept = replace(
            before,
            experiment_id=experiment.id,
            experiment=experiment.number,
            at_ms=told.at_ms,
            duration_ms=told.duration_ms,
            state=state,
            client_request=told.client_request,
            request=shortened(told.request) or before.request,
            response=shortened(told.response) or before.response,
            told=True,
            tags={**before.tags, **tags, **found.located(experiment, told.trace)},
            metadata={**before.metadata, **metadata},
        )
        kept = transaction.put_trace(namespace, kept)
        for each in said:
            transaction.put_assessment(kept, each)
        return found.with_all(transaction, [kept])[0]

    return work


def begin_trace(
    house: House, namespace: str, experiment: str, at_ms: int, metadata: Mapping[str, str], tags: Mapping[str, str]
) -> Callable[[Transaction], Trace]:
    """As clients before 3.0 do, who are told the id. Raises BadValue; the work RecordNotFound, too."""
    check_times(at_ms, None)
    kept, words = found.tags(tags), found.metadata(metadata)
    id_ = "tr-" + house.ids().replace("-", "")

    def work(transaction: Transaction) -> Trace:
        home = found.home(house, transaction, namespace, experiment)
        all_tags = {**kept, **found.located(home, id_)}
        new = Trace(0, id_, home.id, home.number, at_ms, state=TraceState.IN_PROGRESS, tags=all_tags, metadata=words)
        return transaction.put_trace(namespace, new)

    return work


def end_trace(
    house: House, namespace: str, id_: str, at_ms: int, state: str, metadata: Mapping[str, str], tags: Mapping[str, str]
) -> Callable[[Transaction], Trace]:
    """The same. Raises BadValue; the work RecordNotFound, too."""
    kept, words, ended = found.tags(tags), found.metadata(metadata), trace_state(state)

    def work(transaction: Transaction) -> Trace:
        before = found.trace(transaction, namespace, id_)
        check_times(before.at_ms, at_ms - before.at_ms)
        after = replace(
            before,
            duration_ms=at_ms - before.at_ms,
            state=ended,
            tags={**before.tags, **kept},
            metadata={**before.metadata, **words},
        )
        return transaction.put_trace(namespace, after)

    return work


def tag_trace(house: House, namespace: str, id_: str, key: str, value: str) -> Callable[[Transaction], None]:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, too."""
    found.check_free_tag(key, "set")
    kept = found.tag(key, value)

    def work(transaction: Transaction) -> None:
        before = found.trace(transaction, namespace, id_)
        transaction.put_trace(namespace, replace(before, tags={**before.tags, **dict([kept])}))

    return work


def untag_trace(house: House, namespace: str, id_: str, key: str) -> Callable[[Transaction], None]:
    """The work raises RecordNotFound."""
    found.check_free_tag(key, "deleted")
    found.check_text("key", key)

    def work(transaction: Transaction) -> None:
        before = found.trace(transaction, namespace, id_)
        if not transaction.remove_trace_tag(before, key):
            raise RecordNotFound(f"No trace tag with key '{key[:300]}' for trace with ID '{id_}'", tag=key[:300])

    return work


def trace_state(word: str) -> TraceState:
    """Raises BadValue."""
    try:
        return TraceState(word.removeprefix("TRACE_STATUS_") or TraceState.UNSPECIFIED)
    except ValueError as error:
        if word in ("TRACE_STATUS_UNSPECIFIED", "UNSPECIFIED"):
            return TraceState.UNSPECIFIED
        valid = ", ".join(TraceState)
        raise BadValue(
            f"Invalid value \"{word[:100]}\" for parameter 'state' supplied: it is one of {valid}."
        ) from error


_LEAST_MS: Final = -62_135_596_800_000
_MOST_MS: Final = 253_402_300_799_999
"""The years 1 to 9999, which are all that a time of an answer can say."""


def check_times(at_ms: int, duration_ms: int | None) -> None:
    """Raises BadValue."""
    for number in (at_ms, duration_ms or 0):
        if not _LEAST_MS <= number <= _MOST_MS:
            raise BadValue(f"Invalid value {number} for parameter 'request_time' supplied: it is out of range.")
