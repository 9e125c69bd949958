"""How people and jobs come by a token: with an identity provider's word for who they are. Only a server is asked."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks import IssuedToken
from budwood.domain.asks_people import FinishLogin, LoginOffer, Proof
from budwood.domain.limits import KIB, PROOF_BYTES
from budwood.domain.routes.route import Body, Route
from budwood.errors import Forbidden, LimitExceeded, RecordNotFound, TooManyRequests, Unauthenticated, Unavailable

OFFER: Final = Route(
    name="login.offer",
    method="GET",
    path="/v1/login",
    permission=Permission.ANYONE,
    summary="Where people log in with a browser, if anywhere.",
    response=LoginOffer,
    errors=(Unavailable,),
)
FINISH: Final = Route(
    name="login.finish",
    method="POST",
    path="/v1/login",
    permission=Permission.ANYONE,
    summary="The code that a login in a browser ended with, for a token.",
    request=FinishLogin,
    response=IssuedToken,
    errors=(RecordNotFound, Unauthenticated, Forbidden, LimitExceeded, TooManyRequests, Unavailable),
    body_bytes=32 * KIB,
)
CODE: Final = Route(
    name="login.code",
    method="GET",
    path="/login/code",
    permission=Permission.ANYONE,
    summary="The page a browser ends at when the command line cannot listen: it shows the code to copy.",
    gives=Body.TEXT,
)
WORKLOAD: Final = Route(
    name="workloads.token",
    method="POST",
    path="/v1/workloads/token",
    permission=Permission.ANYONE,
    summary="A short-lived token for a job whose issuer some namespace trusts.",
    request=Proof,
    response=IssuedToken,
    errors=(Unauthenticated, Forbidden, TooManyRequests, Unavailable),
    body_bytes=PROOF_BYTES + 1 * KIB,
)

ROUTES: Final = (OFFER, FINISH, CODE, WORKLOAD)
