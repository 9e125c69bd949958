"""What a business saw of an endpoint, what a shadow answered differently, and what an A/B test came to."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_delivery import AtMoment
from budwood.domain.asks_observations import AbReport, AskReport, DisagreementPage, ListDisagreements, Observe, TakenIn
from budwood.domain.asks_serving import Serving
from budwood.domain.routes.route import Route
from budwood.errors import BadEndpoint, LimitExceeded, RecordNotFound

_ENDPOINT: Final = "/v1/namespaces/{namespace}/endpoints/{endpoint}"

OBSERVE: Final = Route(
    name="endpoint.observe",
    method="POST",
    path=f"{_ENDPOINT}/observations",
    permission=Permission.RELEASE,
    summary="Tell what was seen of users or requests later: conversions and business events.",
    request=Observe,
    response=TakenIn,
    errors=(RecordNotFound, LimitExceeded),
)
DISAGREEMENTS: Final = Route(
    name="rollout.disagreements",
    method="GET",
    path=f"{_ENDPOINT}/rollouts/{{rollout}}/disagreements",
    permission=Permission.RELEASE,
    summary="What a shadow answered differently, with the inputs, redacted; oldest first.",
    query=ListDisagreements,
    response=DisagreementPage,
    errors=(RecordNotFound,),
)
REPORT: Final = Route(
    name="rollout.report",
    method="GET",
    path=f"{_ENDPOINT}/rollouts/{{rollout}}/report",
    permission=Permission.READ,
    summary="What an A/B test came to, or has come to so far.",
    query=AskReport,
    response=AbReport,
    errors=(RecordNotFound,),
)
SERVING: Final = Route(
    name="endpoint.serving",
    method="GET",
    path=f"{_ENDPOINT}/serving",
    permission=Permission.READ,
    summary="What an endpoint served at a moment, with the bytes, lineage and approvals behind each version.",
    query=AtMoment,
    response=Serving,
    errors=(RecordNotFound, BadEndpoint),
)

ROUTES: Final = (OBSERVE, DISAGREEMENTS, REPORT, SERVING)
