"""Logging in with an identity provider, and the page that shows the code of a login."""

from html import escape
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from budwood.config import SignOn
from budwood.domain.asks import IssuedToken
from budwood.domain.asks_people import LoginOffer
from budwood.domain.routes import logins
from budwood.errors import Forbidden, RecordNotFound, Unauthenticated
from budwood.server.ask import Ask, Call, Mode, RawCall
from budwood.server.jwt import Jwt, refused
from budwood.server.oidc import SCOPE, identity, job
from budwood.verbs.bootstrap import TOKEN_PREFIX
from budwood.verbs.logins import log_in
from budwood.verbs.workloads import admit, is_trusted


def offer(ask: Ask) -> LoginOffer:
    provider = ask.service.sign_on
    if provider is None:
        return LoginOffer("", "", "", "")
    issuer = ask.service.providers.issuer(provider.issuer)
    return LoginOffer(issuer.name, provider.client_id, issuer.authorize_url, SCOPE)


def finish(ask: Ask) -> IssuedToken:
    provider = _provider(ask)
    ask.service.guesses.check_guesses(ask.client)
    try:
        who = identity(ask.service.providers, provider, ask.body, ask.host)
        return log_in(ask.whole, who, provider.admit, TOKEN_PREFIX + ask.service.chance.secret())
    except (Unauthenticated, Forbidden):
        ask.service.guesses.bad_token(ask.client)
        raise


def workload(ask: Ask) -> IssuedToken:
    ask.service.guesses.check_guesses(ask.client)
    try:
        token = Jwt.parse(ask.body.token)
        if not is_trusted(ask.whole, token.issuer):
            raise refused("Nobody here trusts its issuer.")
        return admit(ask.whole, job(ask.service.issuers, token), TOKEN_PREFIX + ask.service.chance.secret())
    except (Unauthenticated, Forbidden):
        ask.service.guesses.bad_token(ask.client)
        raise


async def code(ask: Ask, request: Request) -> Response:
    """What the provider sent the browser with; whatever that is, it is shown as text."""
    try:
        said = dict(parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        said = {}
    if "code" in said:
        shown = f"<p>Copy this to where <code>budwood login</code> waits for it:</p><p><code>{_shown(said)}</code></p>"
    else:
        shown = f"<p>The identity provider let nobody in: {escape(said.get('error', 'it gave no code')[:200])}.</p>"
    return Response(_PAGE.format(shown=shown), media_type="text/html")


def _provider(ask: Ask) -> SignOn:
    """Raises RecordNotFound."""
    if ask.service.sign_on is None:
        hint = "Log in with a token: budwood login URL. Who runs the server gives it out."
        raise RecordNotFound("This server has no identity provider.", hint=hint)
    return ask.service.sign_on


def _shown(said: dict[str, str]) -> str:
    """The state goes with the code, so that a code of somebody else's attempt is not taken."""
    return escape(f"{said['code']}#{said.get('state', '')}")


_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Budwood: log in</title>'
    '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/style.css"></head>'
    "<body><h1>Budwood</h1>{shown}</body></html>\n"
)

HANDLERS: Final[dict[str, Call | RawCall]] = {
    logins.OFFER.name: Call(offer, Mode.LONG),
    logins.FINISH.name: Call(finish, Mode.DEED),
    logins.CODE.name: RawCall(code),
    logins.WORKLOAD.name: Call(workload, Mode.DEED),
}
