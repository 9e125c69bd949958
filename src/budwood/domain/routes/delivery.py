"""Endpoints, rollouts, and which version answered a request."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_delivery import (
    AddClient,
    Answered,
    AtMoment,
    EndpointClients,
    EndpointList,
    EndpointShown,
    EndpointUsage,
    ListRollouts,
    MadeClient,
    PutEndpoint,
    RolloutPage,
    RolloutShown,
    SendBack,
    SetSplit,
    StartRollout,
    Steer,
)
from budwood.domain.routes.route import Route
from budwood.errors import (
    BadEndpoint,
    BadName,
    BadPlan,
    BadSplit,
    BadValue,
    GateClosed,
    NameTaken,
    NotFound,
    PreconditionFailed,
    RecordNotFound,
    Retired,
    RolloutRunning,
)

_ROOM: Final = "/v1/namespaces/{namespace}"
_ENDPOINT: Final = f"{_ROOM}/endpoints/{{endpoint}}"
_MOVES: Final = (NotFound, GateClosed, Retired, PreconditionFailed, RolloutRunning)

LIST: Final = Route(
    name="endpoint.list",
    method="GET",
    path=f"{_ROOM}/endpoints",
    permission=Permission.READ,
    summary="The endpoints of a namespace, by name, and where each stands.",
    response=EndpointList,
    errors=(NotFound,),
)
PUT: Final = Route(
    name="endpoint.put",
    method="PUT",
    path=_ENDPOINT,
    permission=Permission.RELEASE,
    summary="Make an endpoint, or change it.",
    request=PutEndpoint,
    response=EndpointShown,
    errors=(BadEndpoint, BadSplit, *_MOVES),
    edits=True,
)
SHOW: Final = Route(
    name="endpoint.show",
    method="GET",
    path=_ENDPOINT,
    permission=Permission.READ,
    summary="Where an endpoint stands, or stood at a moment.",
    query=AtMoment,
    response=EndpointShown,
    errors=(RecordNotFound, BadEndpoint),
    edits=True,
)
REMOVE: Final = Route(
    name="endpoint.remove",
    method="DELETE",
    path=_ENDPOINT,
    permission=Permission.RELEASE,
    summary="Take an endpoint away; its history stays.",
    response=EndpointShown,
    errors=(RecordNotFound, RolloutRunning),
)
SPLIT: Final = Route(
    name="endpoint.split",
    method="POST",
    path=f"{_ENDPOINT}/split",
    permission=Permission.RELEASE,
    summary="Move traffic between the arms of an endpoint.",
    request=SetSplit,
    response=EndpointShown,
    errors=(BadEndpoint, BadSplit, *_MOVES),
    edits=True,
)
BACK: Final = Route(
    name="endpoint.back",
    method="POST",
    path=f"{_ENDPOINT}/back",
    permission=Permission.RELEASE,
    summary="Send everything to the baseline at once, and end a rollout that runs.",
    request=SendBack,
    response=EndpointShown,
    errors=(RecordNotFound,),
)
USAGE: Final = Route(
    name="endpoint.usage",
    method="GET",
    path=f"{_ENDPOINT}/usage",
    permission=Permission.READ,
    summary="What each tenant used of its tokens in the period that runs, or ran at a moment.",
    query=AtMoment,
    response=EndpointUsage,
    errors=(RecordNotFound,),
)
CLIENTS: Final = Route(
    name="endpoint.clients",
    method="GET",
    path=f"{_ENDPOINT}/clients",
    permission=Permission.READ,
    summary="Who may ask an endpoint by a key, by name.",
    response=EndpointClients,
    errors=(RecordNotFound,),
)
ADD_CLIENT: Final = Route(
    name="endpoint.add_client",
    method="POST",
    path=f"{_ENDPOINT}/clients",
    permission=Permission.RELEASE,
    summary="Draw a key for a new client of an endpoint. It is shown this once.",
    request=AddClient,
    response=MadeClient,
    errors=(RecordNotFound, BadName, BadValue, NameTaken),
    status=201,
)
REMOVE_CLIENT: Final = Route(
    name="endpoint.remove_client",
    method="DELETE",
    path=f"{_ENDPOINT}/clients/{{client}}",
    permission=Permission.RELEASE,
    summary="Take a client's key away.",
    response=EndpointClients,
    errors=(RecordNotFound,),
)
START: Final = Route(
    name="rollout.start",
    method="POST",
    path=f"{_ENDPOINT}/rollouts",
    permission=Permission.RELEASE,
    summary="Start a rollout of a version.",
    request=StartRollout,
    response=RolloutShown,
    errors=(BadPlan, BadValue, *_MOVES),
    status=201,
)
ROLLOUTS: Final = Route(
    name="rollout.list",
    method="GET",
    path=f"{_ENDPOINT}/rollouts",
    permission=Permission.READ,
    summary="The rollouts of an endpoint, newest first.",
    query=ListRollouts,
    response=RolloutPage,
    errors=(RecordNotFound,),
)
ROLLOUT: Final = Route(
    name="rollout.show",
    method="GET",
    path=f"{_ENDPOINT}/rollouts/{{rollout}}",
    permission=Permission.READ,
    summary="A rollout, by number or 'newest': its steps, figures, verdicts and what was decided.",
    response=RolloutShown,
    errors=(RecordNotFound,),
)
STEER: Final = Route(
    name="rollout.steer",
    method="POST",
    path=f"{_ENDPOINT}/rollouts/running/steer",
    permission=Permission.RELEASE,
    summary="Pause, resume, promote or abort the rollout that runs.",
    request=Steer,
    response=RolloutShown,
    errors=(BadValue, RecordNotFound, GateClosed),
)
WHICH: Final = Route(
    name="request.which",
    method="GET",
    path=f"{_ROOM}/requests/{{request}}",
    permission=Permission.READ,
    summary="Which version answered a request, and what stood behind it.",
    response=Answered,
    errors=(RecordNotFound,),
)

ROUTES: Final = (
    LIST,
    PUT,
    SHOW,
    REMOVE,
    SPLIT,
    BACK,
    USAGE,
    CLIENTS,
    ADD_CLIENT,
    REMOVE_CLIENT,
    START,
    ROLLOUTS,
    ROLLOUT,
    STEER,
    WHICH,
)
