"""Single versions. ``{selector}`` is what stands behind the @ in a reference, or ``~`` for the newest."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks import ChangeTags, ReadImpact, ReadTrace, Retire, SetStage, Tags
from budwood.domain.records import VersionRecord
from budwood.domain.results import Moved, VersionDetail
from budwood.domain.routes.route import Route
from budwood.domain.trace import Impact, Trace
from budwood.errors import NotFound, PreconditionFailed, Retired, StandardUnmet, StillInUse

NEWEST: Final = "~"
_VERSION: Final = "/v1/models/{namespace}/{model}/versions/{selector}"

GET: Final = Route(
    name="versions.get",
    method="GET",
    path=_VERSION,
    permission=Permission.READ,
    summary="The version that a selector names.",
    response=VersionRecord,
    errors=(NotFound,),
)
SHOW: Final = Route(
    name="versions.show",
    method="GET",
    path=_VERSION + "/detail",
    permission=Permission.READ,
    summary="A version with its aliases, tags, parents and children.",
    response=VersionDetail,
    errors=(NotFound,),
)
TRACE: Final = Route(
    name="versions.trace",
    method="GET",
    path=_VERSION + "/trace",
    permission=Permission.READ,
    summary="Where a version came from, or what came of it, among what you may read.",
    query=ReadTrace,
    response=Trace,
    errors=(NotFound,),
)
IMPACT: Final = Route(
    name="versions.impact",
    method="GET",
    path=_VERSION + "/impact",
    permission=Permission.READ,
    summary="What was made from a version among what you may read: what serves somebody now, then the rest.",
    query=ReadImpact,
    response=Impact,
    errors=(NotFound,),
)
TAGS: Final = Route(
    name="tags.get",
    method="GET",
    path=_VERSION + "/tags",
    permission=Permission.READ,
    summary="The tags of a version; their ETag guards the next change.",
    response=Tags,
    errors=(NotFound,),
    edits=True,
)
CHANGE_TAGS: Final = Route(
    name="tags.change",
    method="PATCH",
    path=_VERSION + "/tags",
    permission=Permission.PUSH,
    summary="Put tags beside a version, or take them away.",
    request=ChangeTags,
    response=Tags,
    errors=(NotFound, PreconditionFailed),
    edits=True,
)
STAGE: Final = Route(
    name="versions.stage",
    method="PUT",
    path=_VERSION + "/stage",
    permission=Permission.RELEASE,
    summary="Say where a version stands.",
    request=SetStage,
    response=Moved,
    errors=(NotFound, PreconditionFailed, Retired, StandardUnmet),
    edits=True,
)
RETIRE: Final = Route(
    name="versions.retire",
    method="POST",
    path=_VERSION + "/retire",
    permission=Permission.RELEASE,
    summary="Say that a version must not be used any more.",
    request=Retire,
    response=VersionRecord,
    errors=(NotFound, StillInUse),
)
DELETE: Final = Route(
    name="versions.delete",
    method="DELETE",
    path=_VERSION,
    permission=Permission.REMOVE,
    summary="Remove a version for ever.",
    response=VersionRecord,
    errors=(NotFound, StillInUse),
)

ROUTES: Final = (GET, SHOW, TRACE, IMPACT, TAGS, CHANGE_TAGS, STAGE, RETIRE, DELETE)
