"""Single versions: what they are, where they stand, what stands beside them."""

from typing import Final

from budwood.domain.asks import Tags
from budwood.domain.records import Tag, VersionRecord
from budwood.domain.results import Moved, VersionDetail
from budwood.domain.routes import versions
from budwood.domain.trace import Impact, Trace
from budwood.server.ask import Ask, Call, Mode
from budwood.server.handlers.models import moved_mark
from budwood.verbs import browse
from budwood.verbs.delete import delete
from budwood.verbs.retire import retire
from budwood.verbs.stage import stage
from budwood.verbs.tag import tag, tags_mark
from budwood.verbs.trace import impact, parse_direction, trace


def get(ask: Ask) -> VersionRecord:
    return browse.get(ask.house, ask.reference)


def show(ask: Ask) -> VersionDetail:
    return browse.show(ask.house, ask.reference)


def trace_it(ask: Ask) -> Trace:
    return trace(ask.house, ask.reference, parse_direction(ask.query.direction), depth=ask.query.depth)


def impact_it(ask: Ask) -> Impact:
    return impact(ask.house, ask.reference, depth=ask.query.depth)


def get_tags(ask: Ask) -> tuple[Tag, ...]:
    return browse.show(ask.house, ask.reference).tags


def change_tags(ask: Ask) -> tuple[Tag, ...]:
    return tag(ask.house, ask.reference, ask.body.put, ask.body.remove, expected=ask.expected)


def put_in_stage(ask: Ask) -> Moved:
    return stage(ask.house, ask.reference, ask.body.stage, expected=ask.expected)


def retire_it(ask: Ask) -> VersionRecord:
    return retire(ask.house, ask.reference, ask.body.reason)


def delete_it(ask: Ask) -> VersionRecord:
    return delete(ask.house, ask.reference)


def mark(answer: Tags) -> str:
    return tags_mark(answer.tags)


HANDLERS: Final = {
    versions.GET.name: Call(get, Mode.POINT),
    versions.SHOW.name: Call(show),
    versions.TRACE.name: Call(trace_it),
    versions.IMPACT.name: Call(impact_it),
    versions.TAGS.name: Call(get_tags, made=Tags, mark=mark),
    versions.CHANGE_TAGS.name: Call(change_tags, Mode.WRITE, made=Tags, mark=mark),
    versions.STAGE.name: Call(put_in_stage, Mode.WRITE, mark=moved_mark),
    versions.RETIRE.name: Call(retire_it, Mode.WRITE),
    versions.DELETE.name: Call(delete_it, Mode.WRITE),
}
