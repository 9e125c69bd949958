"""Changing traces, for every SQL database. ``transaction.py`` joins it with the rest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import bindparam, delete, null, select, tuple_, update

from budwood.catalog.sql.changes import insert_numbered, upsert
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.trace_tables import assessment, span, trace, trace_link, trace_word
from budwood.catalog.sql.trace_view import TraceReads
from budwood.catalog.sql.tracking_tables import HEAD_CHARS
from budwood.catalog.traces_api import Linked
from budwood.domain.canon import Json
from budwood.domain.traces import conventions
from budwood.domain.traces.records import (
    COSTS,
    NAME_TAG,
    SESSION_KEY,
    TOKENS,
    TOKENS_KEY,
    Assessment,
    Span,
    Trace,
)
from budwood.domain.traces.stored import amount_of, content_of

_ADD: Final = insert_numbered(trace)
_CHANGED: Final = tuple(column.name for column in trace.c if column.name not in ("id", "namespace_id", "trace"))
_CHANGE: Final = Statement(
    update(trace).where(trace.c.id == bindparam("of_id")).values({name: bindparam(f"to_{name}") for name in _CHANGED})
)
_MOVE: Final = tuple(
    Statement(
        update(table)
        .where(table.c.trace_id == bindparam("of_trace"), table.c.experiment_id != bindparam("to_experiment"))
        .values(experiment_id=bindparam("to_experiment"))
    )
    for table in (trace_word, span, assessment)
)
_PUT_WORD: Final = upsert(trace_word, "trace_id", "is_tag", "key")
_REMOVE_WORD: Final = Statement(
    delete(trace_word).where(
        trace_word.c.trace_id == bindparam("of_trace"),
        trace_word.c.is_tag == bindparam("of_is_tag"),
        trace_word.c.key == bindparam("of_key"),
    )
)
_UNNAME: Final = Statement(update(trace).where(trace.c.id == bindparam("of_id")).values(name=null()))
_PUT_SPAN: Final = upsert(span, "trace_id", "span")
_ADD_ASSESSMENT: Final = insert_numbered(assessment)
_ASSESSMENT_ID: Final = Statement(
    select(assessment.c.id).where(
        assessment.c.trace_id == bindparam("trace_id"), assessment.c.assessment == bindparam("assessment")
    )
)
_ASSESSED: Final = tuple(column.name for column in assessment.c if column.name not in ("id", "trace_id", "assessment"))
_CHANGE_ASSESSMENT: Final = Statement(
    update(assessment)
    .where(assessment.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in _ASSESSED})
)
_REMOVE_ASSESSMENT: Final = Statement(
    delete(assessment).where(
        assessment.c.trace_id == bindparam("of_trace"), assessment.c.assessment == bindparam("of_assessment")
    )
)
_LINK: Final = upsert(trace_link, "namespace_id", "trace", "kind", "target")
_own: Final = select(trace.c.namespace_id, trace.c.trace).where(trace.c.id == bindparam("of_id"))
_UNLINK: Final = Statement(delete(trace_link).where(tuple_(trace_link.c.namespace_id, trace_link.c.trace).in_(_own)))
_REMOVE: Final = Statement(delete(trace).where(trace.c.id == bindparam("of_id")))


class TraceWrites(TraceReads):
    """``catalog.traces_api.TracesTransaction`` over one session."""

    __slots__ = ()

    def put_trace(self, namespace: str, trace: Trace) -> Trace:
        row = _row(trace)
        if trace.id:
            self._session.change(_CHANGE, of_id=trace.id, **{f"to_{name}": row[name] for name in _CHANGED})
            for statement in _MOVE:
                self._session.change(statement, of_trace=trace.id, to_experiment=trace.experiment_id)
        else:
            room = known_room(self._session, namespace)
            trace = replace(trace, id=self._session.add(_ADD, namespace_id=room, trace=trace.trace, **row))
        words = [(1, *each) for each in trace.tags.items()] + [(0, *each) for each in trace.metadata.items()]
        self._session.change_many(
            _PUT_WORD,
            (
                {
                    "trace_id": trace.id,
                    "is_tag": is_tag,
                    "key": key,
                    "experiment_id": trace.experiment_id,
                    "head": value[:HEAD_CHARS],
                    "value": value,
                }
                for is_tag, key, value in sorted(words)
            ),
        )
        return trace

    def remove_trace_tag(self, trace: Trace, key: str) -> bool:
        if key == NAME_TAG:
            self._session.change(_UNNAME, of_id=trace.id)
        return bool(self._session.change(_REMOVE_WORD, of_trace=trace.id, of_is_tag=1, of_key=key))

    def put_spans(self, trace: Trace, spans: Sequence[Span]) -> None:
        self._session.change_many(_PUT_SPAN, (_span_row(trace, each) for each in spans))

    def put_assessment(self, trace: Trace, assessment: Assessment) -> None:
        row = _assessment_row(trace, assessment)
        there = self._session.one(_ASSESSMENT_ID, trace_id=trace.id, assessment=assessment.assessment)
        if there is None:
            self._session.add(_ADD_ASSESSMENT, trace_id=trace.id, assessment=assessment.assessment, **row)
            return
        self._session.change(_CHANGE_ASSESSMENT, of_id=there[0], **{f"to_{name}": row[name] for name in _ASSESSED})

    def remove_assessment(self, trace_id: int, assessment: str) -> None:
        self._session.change(_REMOVE_ASSESSMENT, of_trace=trace_id, of_assessment=assessment)

    def link_traces(self, namespace: str, traces: Sequence[str], kind: Linked, target: str) -> None:
        room = known_room(self._session, namespace)
        same = {"namespace_id": room, "kind": str(kind), "target": target}
        self._session.change_many(_LINK, ({**same, "trace": each} for each in sorted(set(traces))))

    def remove_traces(self, trace_ids: Sequence[int]) -> None:
        self._session.change_many(_UNLINK, ({"of_id": id_} for id_ in trace_ids))
        self._session.change_many(_REMOVE, ({"of_id": id_} for id_ in trace_ids))


def _row(trace: Trace) -> dict[str, Any]:
    usage = conventions.usage_of({conventions.USAGE: trace.metadata.get(TOKENS_KEY)}) or {}
    return {
        "experiment_id": trace.experiment_id,
        "at_ms": trace.at_ms,
        "duration_ms": trace.duration_ms,
        "state": str(trace.state),
        "client_request": trace.client_request,
        "request": trace.request,
        "response": trace.response,
        "told": int(trace.told),
        "name": trace.tags.get(NAME_TAG),
        "session": trace.metadata.get(SESSION_KEY),
        **{key: usage.get(key) for key in TOKENS},
    }


def _span_row(trace: Trace, each: Span) -> Mapping[str, Any]:
    cost = conventions.cost_of(each.attributes) or {}
    return {
        "trace_id": trace.id,
        "span": each.span,
        "experiment_id": trace.experiment_id,
        "parent": each.parent,
        "name": each.name,
        "type": conventions.type_of(each),
        "status": each.status,
        "start_ns": each.start_ns,
        "end_ns": each.end_ns,
        "model": conventions.word_of(each, conventions.MODEL),
        "provider": conventions.word_of(each, conventions.PROVIDER),
        **{key: cost.get(key) for key in COSTS},
        "content": content_of(each),
    }


def _assessment_row(trace: Trace, each: Assessment) -> dict[str, Any]:
    amount = amount_of(each.value)
    return {
        "experiment_id": trace.experiment_id,
        "kind": str(each.kind),
        "name": each.name,
        "value": _json(each.value),
        "amount": amount,
        "is_number": int(amount is not None and not isinstance(each.value, bool | str)),
        "error": None if each.error is None else _json(each.error),
        "source_type": each.source_type,
        "source": each.source,
        "span": each.span,
        "run": each.run,
        "rationale": each.rationale,
        "metadata": _json(each.metadata),
        "overrides": each.overrides,
        "valid": int(each.valid),
        "of_session": int(each.is_of_session),
        "created_ms": each.created_ms,
        "updated_ms": each.updated_ms,
    }


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
