"""Models, aliases and roll-backs; searching and comparing."""

from typing import Final

from budwood.domain.asks import ModelPage
from budwood.domain.change import Change
from budwood.domain.records import ModelRecord, Move
from budwood.domain.results import Family, Moved, VersionPage
from budwood.domain.routes import models
from budwood.server.ask import Ask, Call, Mode
from budwood.verbs import browse
from budwood.verbs.alias import alias, remove_alias
from budwood.verbs.delete import delete_model
from budwood.verbs.diff import diff
from budwood.verbs.roll_back import roll_back


def list_models(ask: Ask) -> ModelPage:
    found = browse.list_models(ask.house, after=ask.query.after, limit=ask.query.limit)
    last = found[-1].model if len(found) == ask.query.limit else None
    return ModelPage(found, f"{last.namespace}/{last.name}" if last else "")


def delete(ask: Ask) -> ModelRecord:
    return delete_model(ask.house, ask.model)


def log(ask: Ask) -> Family:
    return browse.log(ask.house, ask.model, before=ask.query.before, limit=ask.query.limit)


def get_alias(ask: Ask) -> Move:
    return browse.pointer(ask.house, ask.model, ask.holes["alias"])


def set_alias(ask: Ask) -> Moved:
    return alias(ask.house, ask.version(ask.body.version), ask.holes["alias"], expected=ask.expected)


def take_alias(ask: Ask) -> Moved:
    return remove_alias(ask.house, ask.model, ask.holes["alias"], expected=ask.expected)


def go_back(ask: Ask) -> Moved:
    return roll_back(ask.house, ask.model, ask.body.pointer, expected=ask.expected)


def search(ask: Ask) -> VersionPage:
    return browse.search(ask.house, ask.query.q, cursor=ask.query.cursor, limit=ask.query.limit)


def compare(ask: Ask) -> Change:
    return diff(ask.house, ask.query.before, ask.query.after, measured=ask.query.measure)


def moved_mark(moved: Moved) -> str:
    """The ETag of a pointer is the move in force."""
    return str(moved.move.id)


def move_mark(move: Move) -> str:
    return str(move.id)


HANDLERS: Final = {
    models.LIST.name: Call(list_models),
    models.DELETE.name: Call(delete, Mode.WRITE),
    models.LOG.name: Call(log),
    models.GET_ALIAS.name: Call(get_alias, Mode.POINT, mark=move_mark),
    models.SET_ALIAS.name: Call(set_alias, Mode.WRITE, mark=moved_mark),
    models.REMOVE_ALIAS.name: Call(take_alias, Mode.WRITE, mark=moved_mark),
    models.ROLL_BACK.name: Call(go_back, Mode.WRITE, mark=moved_mark),
    models.SEARCH.name: Call(search),
    models.DIFF.name: Call(compare, Mode.LONG),
}
