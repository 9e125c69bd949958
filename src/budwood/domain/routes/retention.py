"""How long bytes are kept, and legal holds."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_retention import (
    ApplyRetention,
    HoldPage,
    LiftHold,
    ListHolds,
    PlaceHold,
    PutRules,
    ReadDue,
    RetentionShown,
    SetClass,
)
from budwood.domain.retention import ClassSaid, DueNow, Hold, Keeping, LetGo
from budwood.domain.routes.route import Route
from budwood.errors import (
    BadPolicy,
    BadValue,
    Conflict,
    Forbidden,
    Held,
    Kept,
    LimitExceeded,
    NotFound,
    PreconditionFailed,
    StillInUse,
)

_ROOM: Final = "/v1/namespaces/{namespace}"
_RETENTION: Final = _ROOM + "/retention"
_HOLDS: Final = _ROOM + "/holds"
_MODEL: Final = "/v1/models/{namespace}/{model}"
_VERSION: Final = _MODEL + "/versions/{selector}"

RULES: Final = Route(
    name="retention.rules",
    method="GET",
    path=_RETENTION,
    permission=Permission.READ,
    summary="A namespace's retention rules, and the classes that can be named.",
    response=RetentionShown,
    errors=(NotFound,),
)
PUT_RULES: Final = Route(
    name="retention.put",
    method="PUT",
    path=_RETENTION,
    permission=Permission.MANAGE,
    summary="Put retention rules in force; what shortens anything takes an admin, or a reason.",
    request=PutRules,
    response=RetentionShown,
    errors=(BadPolicy, Forbidden, NotFound, PreconditionFailed),
    edits=True,
)
SET_MODEL: Final = Route(
    name="retention.set_model",
    method="PUT",
    path=_MODEL + "/retention",
    permission=Permission.PUSH,
    also=(Permission.MANAGE,),
    summary="Give a model a class of retention; what shortens it takes an admin, or an owner's reason.",
    request=SetClass,
    response=ClassSaid,
    errors=(BadValue, Forbidden, NotFound),
)
SET_VERSION: Final = Route(
    name="retention.set_version",
    method="PUT",
    path=_VERSION + "/retention",
    permission=Permission.PUSH,
    also=(Permission.MANAGE,),
    summary="Give one version a class of retention, as for a model.",
    request=SetClass,
    response=ClassSaid,
    errors=(BadValue, Forbidden, NotFound),
)
SHOW: Final = Route(
    name="retention.show",
    method="GET",
    path=_VERSION + "/retention",
    permission=Permission.READ,
    summary="How long a version's bytes are kept, and why.",
    response=Keeping,
    errors=(NotFound,),
)
DUE: Final = Route(
    name="retention.due",
    method="GET",
    path=_RETENTION + "/due",
    permission=Permission.READ,
    summary="The versions whose bytes may go, and why; on request the others, too.",
    query=ReadDue,
    response=DueNow,
    errors=(NotFound,),
)
APPLY: Final = Route(
    name="retention.apply",
    method="POST",
    path=_RETENTION + "/apply",
    permission=Permission.REMOVE,
    summary="Let the bytes of versions that are due go, all or none; their records stay.",
    request=ApplyRetention,
    response=LetGo,
    errors=(Forbidden, Held, Kept, LimitExceeded, NotFound, StillInUse),
)
LIST_HOLDS: Final = Route(
    name="holds.list",
    method="GET",
    path=_HOLDS,
    permission=Permission.READ,
    summary="Legal holds in force, newest first; on request lifted ones, too.",
    query=ListHolds,
    response=HoldPage,
    errors=(LimitExceeded, NotFound),
)
PLACE_HOLD: Final = Route(
    name="holds.place",
    method="POST",
    path=_HOLDS,
    permission=Permission.HOLD,
    summary="Place a legal hold on a namespace, a model, a version, or everything a search finds now.",
    request=PlaceHold,
    response=Hold,
    errors=(BadValue, Forbidden, LimitExceeded, NotFound),
)
SHOW_HOLD: Final = Route(
    name="holds.show",
    method="GET",
    path=_HOLDS + "/{hold}",
    permission=Permission.READ,
    summary="One hold.",
    response=Hold,
    errors=(NotFound,),
)
LIFT_HOLD: Final = Route(
    name="holds.lift",
    method="POST",
    path=_HOLDS + "/{hold}/lift",
    permission=Permission.LIFT,
    summary="Lift a hold that somebody else placed.",
    request=LiftHold,
    response=Hold,
    errors=(BadValue, Conflict, Forbidden, NotFound),
)
ROUTES: Final = (
    *(RULES, PUT_RULES, SET_MODEL, SET_VERSION, SHOW, DUE, APPLY),
    *(LIST_HOLDS, PLACE_HOLD, SHOW_HOLD, LIFT_HOLD),
)
