"""Finding a trace, or saying in MLflow's words that it is not there; and what its words may be."""

from collections.abc import Iterable, Mapping

from budwood.catalog.api import Transaction, View
from budwood.domain.limits import TRACE_ID_CHARS, TRACE_KEY_CHARS, TRACE_METADATA_CHARS, TRACE_TAG_CHARS, TRACE_WORDS
from budwood.domain.traces.conventions import ID
from budwood.domain.traces.records import FIXED_TAGS, LOCATION_TAG, Trace, TraceWithAll
from budwood.domain.tracking import checks
from budwood.domain.tracking.records import Experiment
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.tracking import found


def trace(view: View, namespace: str, id_: str) -> Trace:
    """Raises RecordNotFound."""
    there = maybe(view, namespace, id_)
    if there is None:
        raise no_trace(id_)
    return there


def maybe(view: View, namespace: str, id_: str) -> Trace | None:
    """None when it is not there."""
    return next(iter(view.traces(namespace, plausible([id_]))), None)


def plausible(ids: Iterable[str]) -> list[str]:
    """Those that could be the id of a trace: of others a database need not be asked."""
    return [id_ for id_ in ids if ID.fullmatch(id_)]


def with_all(view: View, traces: Iterable[Trace]) -> tuple[TraceWithAll, ...]:
    """Each with its assessments."""
    listed = list(traces)
    said = view.assessments_of([each.id for each in listed])
    return tuple(TraceWithAll(each, said.get(each.id, ())) for each in listed)


def no_trace(id_: str) -> RecordNotFound:
    """For an id that is none."""
    return RecordNotFound(f"Trace with ID '{id_[:200]}' not found.", trace=id_[:200])


def home(house: House, transaction: Transaction, namespace: str, experiment: str) -> Experiment:
    """The experiment a trace is to be kept in. Raises BadValue, RecordNotFound."""
    return found.active_or_default(house, transaction, namespace, experiment)


def located(experiment: Experiment, id_: str) -> dict[str, str]:
    """The tag that says where files of a trace lie."""
    return {LOCATION_TAG: f"{experiment.location.rstrip('/')}/traces/{id_}/artifacts"}


def check_id(id_: str) -> None:
    """That it could be the id of a trace, and part of a path. Raises BadValue."""
    if not ID.fullmatch(id_):
        raise BadValue(
            f"Invalid trace ID: '{id_[:200]}'. It has letters, digits, '-' and '_', {TRACE_ID_CHARS} at most."
        )


def tags(said: Mapping[str, str]) -> dict[str, str]:
    """Tags as they are kept. Raises BadValue, LimitExceeded."""
    _check_count(said)
    return dict(tag(key, value) for key, value in said.items())


def tag(key: str, value: str) -> tuple[str, str]:
    """Raises BadValue, LimitExceeded."""
    checks.check_key("key", key)
    check_text("value", value)
    return key, value[:TRACE_TAG_CHARS]


def metadata(said: Mapping[str, str]) -> dict[str, str]:
    """Metadata as it is kept. Raises BadValue, LimitExceeded."""
    _check_count(said)
    for key, value in said.items():
        check_text("key", key)
        check_text("value", value)
        if not key or len(key) > TRACE_KEY_CHARS:
            raise LimitExceeded(
                f"'key' exceeds the maximum length of {TRACE_KEY_CHARS} characters.", limit="TRACE_KEY_CHARS"
            )
    return {key: value[:TRACE_METADATA_CHARS] for key, value in said.items()}


def check_text(what: str, text: str | None) -> None:
    """Raises BadValue for what no database keeps."""
    if text and "\0" in text:
        raise BadValue(f"Invalid value for parameter '{what}' supplied: it holds a NUL.")


def check_free_tag(key: str, done: str) -> None:
    """That a tag is not one of those that say where spans are. Raises BadValue."""
    if key in FIXED_TAGS:
        raise BadValue(f"Tag '{key}' is immutable and cannot be {done} on a trace.")


def _check_count(said: Mapping[str, str]) -> None:
    if len(said) > TRACE_WORDS:
        message = f"A trace can be given at most {TRACE_WORDS} tags, or metadata, at once; got {len(said)}."
        raise LimitExceeded(message, limit="TRACE_WORDS")
