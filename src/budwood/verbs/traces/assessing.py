"""What people, judges and programs think of a trace: said, changed, overruled, taken back.

One that overrides another stands in for it: that one is no longer valid, and is again when the other is deleted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction, View
from budwood.domain.canon import Json
from budwood.domain.limits import ASSESSMENT_BYTES, ASSESSMENT_NAME_CHARS, ASSESSMENTS
from budwood.domain.traces.records import Assessment, AssessmentKind, Trace
from budwood.domain.traces.stored import text_of
from budwood.errors import BadValue, LimitExceeded, NameTaken, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.traces import found


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be otherwise; None: as it is. ``value`` is of feedback or an expectation, as ``kind`` says."""

    name: str | None = None
    kind: AssessmentKind | None = None
    value: Json = None
    error: Mapping[str, str] | None = None
    rationale: str | None = None
    metadata: Mapping[str, str] | None = None
    valid: bool | None = None


def assess(house: House, namespace: str, id_: str, said: Assessment) -> Callable[[Transaction], Assessment]:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, NameTaken, too."""
    kept = checked(said)

    def work(transaction: Transaction) -> Assessment:
        trace = found.trace(transaction, namespace, id_)
        there = {each.assessment: each for each in transaction.assessments_of([trace.id]).get(trace.id, ())}
        if kept.assessment in there:
            raise NameTaken(f"Assessment with ID '{kept.assessment}' already exists for trace '{id_}'")
        if len(there) >= ASSESSMENTS:
            raise LimitExceeded(f"A trace can have at most {ASSESSMENTS} assessments.", limit="ASSESSMENTS")
        if kept.overrides:
            if kept.overrides not in there:
                raise _missing(kept.overrides, id_)
            transaction.put_assessment(trace, replace(there[kept.overrides], valid=False))
        transaction.put_assessment(trace, kept)
        return kept

    return work


def get_assessment(house: House, namespace: str, id_: str, assessment: str) -> Assessment:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        return _found(view, namespace, id_, assessment)[1]


def change_assessment(
    house: House, namespace: str, id_: str, assessment: str, change: Change
) -> Callable[[Transaction], Assessment]:
    """The work raises BadValue, LimitExceeded, RecordNotFound."""

    def work(transaction: Transaction) -> Assessment:
        trace, before = _found(transaction, namespace, id_, assessment)
        if change.kind is not None and change.kind is not before.kind:
            raise BadValue(f"Cannot update {change.kind} value on {_named(before.kind)} assessment.")
        after = replace(
            before,
            name=before.name if change.name is None else change.name,
            value=before.value if change.kind is None else change.value,
            error=before.error if change.kind is None else change.error,
            rationale=before.rationale if change.rationale is None else change.rationale,
            metadata={**before.metadata, **(change.metadata or {})},
            valid=before.valid if change.valid is None else change.valid,
            updated_ms=house.clock(),
        )
        kept = checked(after)
        transaction.put_assessment(trace, kept)
        return kept

    return work


def remove_assessment(house: House, namespace: str, id_: str, assessment: str) -> Callable[[Transaction], None]:
    """Nothing, where there is none. The work raises RecordNotFound."""

    def work(transaction: Transaction) -> None:
        trace = found.trace(transaction, namespace, id_)
        there = {each.assessment: each for each in transaction.assessments_of([trace.id]).get(trace.id, ())}
        gone = there.get(assessment)
        if gone is None:
            return
        if gone.overrides and gone.overrides in there:
            transaction.put_assessment(trace, replace(there[gone.overrides], valid=True))
        transaction.remove_assessment(trace.id, assessment)

    return work


def checked(said: Assessment) -> Assessment:
    """As it is kept. Raises BadValue, LimitExceeded."""
    if not said.name:
        raise BadValue("Missing value for required parameter 'assessment.assessment_name'.")
    if len(said.name) > ASSESSMENT_NAME_CHARS:
        message = f"'assessment_name' exceeds the maximum length of {ASSESSMENT_NAME_CHARS} characters."
        raise LimitExceeded(message, limit="ASSESSMENT_NAME_CHARS")
    found.check_id(said.assessment)
    texts = (said.name, said.source, said.span, said.run, said.rationale, said.overrides)
    for text in texts:
        found.check_text("assessment", text)
    inside = [text_of(said.value), text_of(said.metadata), text_of(said.error)]
    if any("\\u0000" in text or "\0" in text for text in inside):
        raise BadValue("Invalid value for parameter 'assessment' supplied: it holds a NUL.")
    size = sum(len(text) for text in (*inside, *(text or "" for text in texts)))
    if size > ASSESSMENT_BYTES:
        raise LimitExceeded(f"An assessment can have at most {ASSESSMENT_BYTES} bytes.", limit="ASSESSMENT_BYTES")
    return said


def _found(view: View, namespace: str, id_: str, assessment: str) -> tuple[Trace, Assessment]:
    trace = found.maybe(view, namespace, id_)
    if trace is None:
        raise RecordNotFound(f"Trace with request_id '{id_[:200]}' not found", trace=id_[:200])
    for each in view.assessments_of([trace.id]).get(trace.id, ()):
        if each.assessment == assessment:
            return trace, each
    raise _missing(assessment, id_)


def _missing(assessment: str, id_: str) -> RecordNotFound:
    message = f"Assessment with ID '{assessment[:200]}' not found for trace '{id_}'"
    return RecordNotFound(message, assessment=assessment[:200])


def _named(kind: AssessmentKind) -> str:
    word = kind.value.capitalize()
    return f"an {word}" if word[0] in "EI" else f"a {word}"
