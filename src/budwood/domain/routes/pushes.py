"""A push over HTTP: look, open, send packs, publish. ``domain/transfers.py`` says what travels."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.limits import AT_ONCE_PACK_BYTES, KIB
from budwood.domain.records import VersionRecord
from budwood.domain.routes.route import Body, Route
from budwood.domain.transfers import (
    Before,
    BeginPack,
    Candidates,
    CandidatesFor,
    CompletePack,
    FindBlocks,
    FoundBlocks,
    LookFor,
    OpenedPush,
    OpenPush,
    PublishPush,
    PushAtOnce,
    ReuseVersion,
    SendTo,
    TakenPack,
)
from budwood.errors import (
    BadParcel,
    EdgeRefused,
    LabelTaken,
    LeaseLost,
    NotFound,
    QuotaExceeded,
    Retired,
    StandardUnmet,
)

_PUSHES: Final = "/v1/namespaces/{namespace}/pushes"
_PUSH: Final = _PUSHES + "/{push}"

LOOK: Final = Route(
    name="pushes.look",
    method="POST",
    path=_PUSHES + "/look",
    permission=Permission.READ,
    summary="What a push to a model should know before it reads a file: the newest version, and the parents.",
    request=LookFor,
    response=Before,
    errors=(EdgeRefused, NotFound),
    reads=True,
)
CANDIDATES: Final = Route(
    name="pushes.candidates",
    method="POST",
    path=_PUSHES + "/candidates",
    permission=Permission.READ,
    summary="Versions that new blocks may be stored as differences from, nearest first.",
    request=CandidatesFor,
    response=Candidates,
    errors=(NotFound,),
    reads=True,
)
OPEN: Final = Route(
    name="pushes.open",
    method="POST",
    path=_PUSHES,
    permission=Permission.PUSH,
    summary="Begin a push: what is sent under it is kept until it is published, abandoned or forgotten.",
    request=OpenPush,
    response=OpenedPush,
    errors=(QuotaExceeded,),
)
RENEW: Final = Route(
    name="pushes.renew",
    method="POST",
    path=_PUSH + "/renew",
    permission=Permission.PUSH,
    summary="Keep a push from being forgotten.",
    response=OpenedPush,
    errors=(LeaseLost,),
)
ABANDON: Final = Route(
    name="pushes.abandon",
    method="DELETE",
    path=_PUSH,
    permission=Permission.PUSH,
    summary="End a push that publishes nothing. What was sent may be found by the next one, until it is swept.",
    gives=Body.NOTHING,
    status=204,
)
FIND: Final = Route(
    name="pushes.find",
    method="POST",
    path=_PUSH + "/find",
    permission=Permission.PUSH,
    summary="Which blocks need not be sent, and where those that may serve as bases can be read.",
    request=FindBlocks,
    response=FoundBlocks,
    errors=(LeaseLost,),
    reads=True,
)
FIND_AHEAD: Final = Route(
    name="pushes.find_ahead",
    method="POST",
    path=_PUSHES + "/find",
    permission=Permission.PUSH,
    summary="The same before a push was opened: a small one may never be. What is found may be swept until then.",
    request=FindBlocks,
    response=FoundBlocks,
    reads=True,
)
BEGIN: Final = Route(
    name="pushes.begin",
    method="POST",
    path=_PUSH + "/packs",
    permission=Permission.PUSH,
    summary="Where to PUT the bytes of one pack.",
    request=BeginPack,
    response=SendTo,
    errors=(BadParcel, LeaseLost, QuotaExceeded),
    reads=True,
)
COMPLETE: Final = Route(
    name="pushes.complete",
    method="POST",
    path=_PUSH + "/packs/{pack}/complete",
    permission=Permission.PUSH,
    summary="Check a pack that was sent, every byte of it, and keep its blocks.",
    request=CompletePack,
    response=TakenPack,
    errors=(BadParcel, LeaseLost, QuotaExceeded),
)
PUBLISH: Final = Route(
    name="pushes.publish",
    method="POST",
    path=_PUSH + "/publish",
    permission=Permission.PUSH,
    summary="Make a version of what was sent.",
    request=PublishPush,
    response=VersionRecord,
    errors=(BadParcel, EdgeRefused, LabelTaken, LeaseLost, QuotaExceeded, StandardUnmet),
)
REUSE: Final = Route(
    name="pushes.reuse",
    method="POST",
    path=_PUSHES + "/reuse",
    permission=Permission.PUSH,
    summary="Give aliases and tags to a version that holds the pushed files already.",
    request=ReuseVersion,
    response=VersionRecord,
    errors=(LeaseLost, Retired),
)

AT_ONCE: Final = Route(
    name="pushes.at_once",
    method="POST",
    path=_PUSHES + "/at-once",
    permission=Permission.PUSH,
    summary="A small push as a whole: check and keep the blocks it brings, and make a version of them and others.",
    request=PushAtOnce,
    response=VersionRecord,
    errors=(BadParcel, EdgeRefused, LabelTaken, LeaseLost, QuotaExceeded, StandardUnmet),
    # The pack in base64, and as much again for all that is said beside it.
    body_bytes=AT_ONCE_PACK_BYTES * 4 // 3 + 512 * KIB,
)

ROUTES: Final = (LOOK, CANDIDATES, OPEN, RENEW, ABANDON, FIND, FIND_AHEAD, BEGIN, COMPLETE, PUBLISH, REUSE, AT_ONCE)
