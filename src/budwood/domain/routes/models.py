"""Models, and what moves on them: aliases and roll-backs."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks import Compare, ListModels, ModelPage, ReadLog, RollBack, Search, SetAlias
from budwood.domain.change import Change
from budwood.domain.records import ModelRecord, Move
from budwood.domain.results import Family, Moved, VersionPage
from budwood.domain.routes.route import Route
from budwood.errors import NotFound, NothingBefore, PreconditionFailed, Retired, StillInUse

_MODEL: Final = "/v1/models/{namespace}/{model}"
_ALIAS: Final = _MODEL + "/aliases/{alias}"

LIST: Final = Route(
    name="models.list",
    method="GET",
    path="/v1/models",
    permission=Permission.KNOWN,
    summary="The models you may read, by name.",
    query=ListModels,
    response=ModelPage,
)
DELETE: Final = Route(
    name="models.delete",
    method="DELETE",
    path=_MODEL,
    permission=Permission.REMOVE,
    summary="Remove a model that has no versions left.",
    response=ModelRecord,
    errors=(NotFound, StillInUse),
)
LOG: Final = Route(
    name="models.log",
    method="GET",
    path=_MODEL + "/log",
    permission=Permission.READ,
    summary="A model's versions, newest first, with edges, pointers and moves.",
    query=ReadLog,
    response=Family,
    errors=(NotFound,),
)
GET_ALIAS: Final = Route(
    name="aliases.get",
    method="GET",
    path=_ALIAS,
    permission=Permission.READ,
    summary="The move that put an alias, or stage:NAME, where it points; its ETag guards the next move.",
    response=Move,
    errors=(NotFound,),
    edits=True,
)
SET_ALIAS: Final = Route(
    name="aliases.set",
    method="PUT",
    path=_ALIAS,
    permission=Permission.PUSH,
    also=(Permission.RELEASE,),
    summary="Point an alias at a version.",
    request=SetAlias,
    response=Moved,
    errors=(NotFound, PreconditionFailed, Retired),
    edits=True,
)
REMOVE_ALIAS: Final = Route(
    name="aliases.remove",
    method="DELETE",
    path=_ALIAS,
    permission=Permission.PUSH,
    also=(Permission.RELEASE,),
    summary="Take an alias away; its history stays.",
    response=Moved,
    errors=(NotFound, PreconditionFailed),
    edits=True,
)
ROLL_BACK: Final = Route(
    name="models.roll_back",
    method="POST",
    path=_MODEL + "/roll-back",
    permission=Permission.RELEASE,
    summary="An alias or stage returns to what it pointed at before.",
    request=RollBack,
    response=Moved,
    errors=(NotFound, NothingBefore, PreconditionFailed),
    edits=True,
)
SEARCH: Final = Route(
    name="search",
    method="GET",
    path="/v1/search",
    permission=Permission.KNOWN,
    summary="Versions that match a filter, among those you may read.",
    query=Search,
    response=VersionPage,
)
DIFF: Final = Route(
    name="diff",
    method="GET",
    path="/v1/diff",
    permission=Permission.KNOWN,
    summary="What changed between two versions, and what the label should therefore be.",
    query=Compare,
    response=Change,
    errors=(NotFound,),
)

ROUTES: Final = (LIST, DELETE, LOG, GET_ALIAS, SET_ALIAS, REMOVE_ALIAS, ROLL_BACK, SEARCH, DIFF)
