"""Policies, evidence and promotions: what is asked for before a guarded stage or alias moves, and who said yes."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_gates import (
    AddEvidence,
    AskPromotion,
    AttachedFiles,
    BreakGlass,
    EvidenceList,
    GiveReview,
    ListPromotions,
    Policies,
    PromotionPage,
    PutPolicy,
    SetTier,
)
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionDetail, Tiered
from budwood.domain.routes.route import Route
from budwood.errors import (
    BadPolicy,
    Conflict,
    Damaged,
    Forbidden,
    GateClosed,
    NotFound,
    PreconditionFailed,
    Retired,
    TooManyRequests,
)

_ROOM: Final = "/v1/namespaces/{namespace}"
_POLICY: Final = _ROOM + "/policies/{policy}"
_MODEL: Final = "/v1/models/{namespace}/{model}"
_VERSION: Final = _MODEL + "/versions/{selector}"
_PROMOTION: Final = _ROOM + "/promotions/{promotion}"

LIST_POLICIES: Final = Route(
    name="policies.list",
    method="GET",
    path=_ROOM + "/policies",
    permission=Permission.READ,
    summary="The policies in force in a namespace, by name.",
    response=Policies,
    errors=(NotFound,),
)
PUT_POLICY: Final = Route(
    name="policies.put",
    method="PUT",
    path=_POLICY,
    permission=Permission.MANAGE,
    summary="Put a policy in force, as a new edition.",
    request=PutPolicy,
    response=PolicyRecord,
    errors=(BadPolicy, NotFound, PreconditionFailed),
    edits=True,
)
SHOW_POLICY: Final = Route(
    name="policies.show",
    method="GET",
    path=_POLICY,
    permission=Permission.READ,
    summary="Every edition of a policy, newest first.",
    response=Policies,
    errors=(NotFound,),
)
REMOVE_POLICY: Final = Route(
    name="policies.remove",
    method="DELETE",
    path=_POLICY,
    permission=Permission.MANAGE,
    summary="Let a policy guard nothing any more; its editions stay.",
    response=PolicyRecord,
    errors=(NotFound, PreconditionFailed),
    edits=True,
)
GET_TIER: Final = Route(
    name="tier.get",
    method="GET",
    path=_MODEL + "/tier",
    permission=Permission.READ,
    summary="How much harm a model could do, and who said so.",
    response=Tiered,
    errors=(NotFound,),
)
SET_TIER: Final = Route(
    name="tier.set",
    method="PUT",
    path=_MODEL + "/tier",
    permission=Permission.MANAGE,
    summary="Say how much harm a model could do: it chooses the policies.",
    request=SetTier,
    response=Tiered,
    errors=(NotFound,),
)
LIST_EVIDENCE: Final = Route(
    name="evidence.list",
    method="GET",
    path=_VERSION + "/evidence",
    permission=Permission.READ,
    summary="The recorded results about a version, oldest first.",
    response=EvidenceList,
    errors=(NotFound,),
)
ADD_EVIDENCE: Final = Route(
    name="evidence.add",
    method="POST",
    path=_VERSION + "/evidence",
    permission=Permission.PUSH,
    also=(Permission.REVIEW,),
    summary="Record a result about a version; it is never changed or removed.",
    request=AddEvidence,
    response=Evidence,
    errors=(NotFound,),
)
EVIDENCE_FILES: Final = Route(
    name="evidence.files",
    method="GET",
    path=_VERSION + "/evidence/{evidence}/files",
    permission=Permission.READ,
    summary="The files of a piece of evidence, by its digest or what begins it.",
    response=AttachedFiles,
    errors=(NotFound, Damaged),
)
SCAN: Final = Route(
    name="evidence.scan",
    method="POST",
    path=_VERSION + "/scan",
    permission=Permission.PUSH,
    also=(Permission.REVIEW, Permission.RELEASE),
    summary="Have the registry look for code that loading would run, and record what it says.",
    response=Evidence,
    errors=(NotFound, Damaged),
    slow=True,
)
LIST: Final = Route(
    name="promotions.list",
    method="GET",
    path=_ROOM + "/promotions",
    permission=Permission.READ,
    summary="Promotions, newest first.",
    query=ListPromotions,
    response=PromotionPage,
    errors=(NotFound,),
)
REQUEST: Final = Route(
    name="promotions.request",
    method="POST",
    path=_VERSION + "/promotions",
    permission=Permission.PUSH,
    also=(Permission.RELEASE,),
    summary="Ask that a guarded stage or alias may point at a version.",
    request=AskPromotion,
    response=Promotion,
    errors=(NotFound, Conflict, TooManyRequests),
    slow=True,
)
SHOW: Final = Route(
    name="promotions.show",
    method="GET",
    path=_PROMOTION,
    permission=Permission.READ,
    summary="A promotion, what each of its gates says, and everybody's reviews.",
    response=PromotionDetail,
    errors=(NotFound,),
)
REVIEW: Final = Route(
    name="promotions.review",
    method="POST",
    path=_PROMOTION + "/reviews",
    permission=Permission.REVIEW,
    summary="Say yes or no to a promotion; a no ends it.",
    request=GiveReview,
    response=Promotion,
    errors=(NotFound, Conflict, Forbidden, PreconditionFailed),
)
APPLY: Final = Route(
    name="promotions.apply",
    method="POST",
    path=_PROMOTION + "/apply",
    permission=Permission.RELEASE,
    summary="Point it there, if every gate is open.",
    response=PromotionDetail,
    errors=(NotFound, Conflict, GateClosed, PreconditionFailed, Retired),
    slow=True,
)
WITHDRAW: Final = Route(
    name="promotions.withdraw",
    method="POST",
    path=_PROMOTION + "/withdraw",
    permission=Permission.PUSH,
    also=(Permission.RELEASE,),
    summary="Take a request back.",
    response=Promotion,
    errors=(NotFound, Conflict, Forbidden),
)
BREAK_GLASS: Final = Route(
    name="promotions.break_glass",
    method="POST",
    path=_VERSION + "/break-glass",
    permission=Permission.BREAK,
    summary="In an emergency, point it there past every gate; flagged, and looked at within a day.",
    request=BreakGlass,
    response=Promotion,
    errors=(NotFound, Conflict, Forbidden, Retired),
)
LOOK: Final = Route(
    name="promotions.look",
    method="POST",
    path=_PROMOTION + "/look",
    permission=Permission.REVIEW,
    summary="Say that somebody else has looked at a promotion past the gates.",
    response=Promotion,
    errors=(NotFound, Conflict, Forbidden),
)

ROUTES: Final = (
    *(LIST_POLICIES, PUT_POLICY, SHOW_POLICY, REMOVE_POLICY, GET_TIER, SET_TIER, LIST_EVIDENCE, ADD_EVIDENCE),
    *(EVIDENCE_FILES, SCAN),
    *(LIST, REQUEST, SHOW, REVIEW, APPLY, WITHDRAW, BREAK_GLASS, LOOK),
)
