"""Where the bytes of versions lie: hot, warm or cold."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks import Verify
from budwood.domain.asks_storage_tiers import NotedUse, PauseTiers, PutTiering, RunTiers, TiersPaused
from budwood.domain.results import Verified
from budwood.domain.routes.route import Route
from budwood.domain.storage_tiers.values import Costs, TieringRecord, TierPlan, TierRun
from budwood.errors import BadPolicy, LeaseLost, LimitExceeded, NotFound, PreconditionFailed, RegistryBusy, StorageFull

_TIERING: Final = "/v1/namespaces/{namespace}/tiering"
_WORK: Final = "/v1/registry/tiers"

POLICY: Final = Route(
    name="tiers.policy",
    method="GET",
    path=_TIERING,
    permission=Permission.READ,
    summary="A namespace's tiering policy, as it was written.",
    response=TieringRecord,
    errors=(NotFound,),
)
PUT_POLICY: Final = Route(
    name="tiers.put",
    method="PUT",
    path=_TIERING,
    permission=Permission.MANAGE,
    summary="Put a tiering policy in force; an empty text takes it away. Nothing moves before the next run.",
    request=PutTiering,
    response=TieringRecord,
    errors=(BadPolicy, LimitExceeded, NotFound, PreconditionFailed),
    edits=True,
)
PLAN: Final = Route(
    name="tiers.plan",
    method="GET",
    path=_TIERING + "/plan",
    permission=Permission.MANAGE,
    summary="Where each version is and belongs, and what a run would write anew.",
    response=TierPlan,
    errors=(LimitExceeded, NotFound),
)
COSTS: Final = Route(
    name="tiers.costs",
    method="GET",
    path=_TIERING + "/costs",
    permission=Permission.READ,
    summary="What each version costs a month, by the policy's prices.",
    response=Costs,
    errors=(NotFound,),
)
USED: Final = Route(
    name="tiers.used",
    method="POST",
    path="/v1/models/{namespace}/{model}/versions/{selector}/uses",
    permission=Permission.READ,
    summary="Say that a version was pulled: what nobody pulls may go cold.",
    response=NotedUse,
    errors=(NotFound,),
)
RUN: Final = Route(
    name="tiers.run",
    method="POST",
    path=_WORK + "/run",
    permission=Permission.ADMINISTER,
    summary="Bring versions to where they belong, for some time.",
    request=RunTiers,
    response=TierRun,
    errors=(LeaseLost, LimitExceeded, RegistryBusy, StorageFull),
    slow=True,
)
PAUSE: Final = Route(
    name="tiers.pause",
    method="POST",
    path=_WORK + "/pause",
    permission=Permission.ADMINISTER,
    summary="Let the work on tiers rest until it is resumed.",
    request=PauseTiers,
    response=TiersPaused,
)
RESUME: Final = Route(
    name="tiers.resume",
    method="POST",
    path=_WORK + "/resume",
    permission=Permission.ADMINISTER,
    summary="Let the work on tiers go on.",
    response=TiersPaused,
)
MEND: Final = Route(
    name="registry.mend",
    method="POST",
    path="/v1/registry/mend",
    permission=Permission.ADMINISTER,
    summary="Verify, and put damaged blocks right from other copies in the store; what is wrong afterwards.",
    request=Verify,
    response=Verified,
    errors=(StorageFull,),
    slow=True,
)
ROUTES: Final = (POLICY, PUT_POLICY, PLAN, COSTS, USED, RUN, PAUSE, RESUME, MEND)
