"""Identity providers, asked over the network: what they say of themselves, their keys, and what a code is worth.

What an issuer says is kept for ``KEYS_KEPT_S``. A key nobody knows makes us ask again, at most once a minute, and few
issuers are asked at once: whoever is trusted by one namespace must not hold up the others by answering slowly.
Whether somebody trusts an issuer at all is asked before anything here is.
"""

import base64
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from budwood.config import SignOn
from budwood.domain.asks_people import FinishLogin
from budwood.domain.limits import ISSUERS_AT_ONCE, ISSUERS_KEPT, KEYS_KEPT_S
from budwood.errors import BadValue, RegistryBusy, TargetUnreachable, Unauthenticated
from budwood.server.jwt import Jwt, check_login, check_times, refused
from budwood.server.outgoing import Answer, Outgoing
from budwood.verbs.logins import Identity
from budwood.verbs.workloads import Job

if TYPE_CHECKING:
    from budwood.server.jwt_keys import PublicKey

AGAIN_MS: Final = 60_000
AGAIN_AFTER_FAILURE_MS: Final = 5_000
SCOPE: Final = "openid email"
_LOOPBACK: Final = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}/[A-Za-z0-9/_-]*")
_WORD: Final = re.compile(r"[a-z_]{1,50}")


@dataclass(frozen=True, slots=True)
class Issuer:
    """What an issuer says of itself. ``token_url`` and ``authorize_url`` are empty for one that logs nobody in."""

    name: str
    authorize_url: str
    token_url: str
    secret_in_body: bool
    keys: "tuple[PublicKey, ...]"
    asked_ms: int


class Issuers:
    """All that this process has asked. Safe from any thread."""

    def __init__(self, outgoing: Outgoing, clock: Callable[[], int]) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Issuer] = OrderedDict()
        self._failed: OrderedDict[str, int] = OrderedDict()
        self._asking: set[str] = set()

    def issuer(self, name: str) -> Issuer:
        """As it was said at most ``KEYS_KEPT_S`` ago. Raises TargetUnreachable, RegistryBusy."""
        with self._lock:
            kept = self._kept.get(name)
        if kept is not None and self._clock() - kept.asked_ms < KEYS_KEPT_S * 1000:
            return kept
        return self._asked(name)

    def verify(self, token: Jwt) -> None:
        """Its issuer signed it, and it is good now. Raises Unauthenticated, TargetUnreachable, RegistryBusy."""
        from budwood.server.jwt_keys import candidates, is_signed

        check_times(token, self._clock() / 1000)
        issuer = self.issuer(token.issuer)
        found = candidates(token, issuer.keys)
        if not found and self._clock() - issuer.asked_ms >= AGAIN_MS:
            found = candidates(token, self._asked(token.issuer).keys)
        if not is_signed(token, found):
            raise refused("Its issuer did not sign it.")

    def exchange(self, provider: SignOn, finish: FinishLogin) -> str:
        """The ID token that a code is worth. Raises Unauthenticated, TargetUnreachable, RegistryBusy."""
        issuer = self.issuer(provider.issuer)
        fields = {
            "grant_type": "authorization_code",
            "code": finish.code,
            "redirect_uri": finish.redirect_uri,
            "code_verifier": finish.verifier,
            "client_id": provider.client_id,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if provider.client_secret and issuer.secret_in_body:
            fields["client_secret"] = provider.client_secret
        elif provider.client_secret:
            pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = self._outgoing.send(
            issuer.token_url, method="POST", headers=headers, body=urlencode(fields).encode("ascii")
        )
        if 400 <= answer.status < 500:
            raise Unauthenticated(f"The identity provider does not take the code{_reason(answer)}.", hint=_AGAIN)
        token = _json(answer).get("id_token")
        if not isinstance(token, str):
            raise refused("There is none in its answer.")
        return token

    def _asked(self, name: str) -> Issuer:
        with self._turn(name):
            try:
                issuer = self._fetched(name)
            except TargetUnreachable:
                self._keep(self._failed, name, self._clock())
                raise
            self._keep(self._kept, name, issuer)
            return issuer

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """One at a time for an issuer, and few in all. Raises RegistryBusy, TargetUnreachable."""
        with self._lock:
            if self._clock() - self._failed.get(name, 0) < AGAIN_AFTER_FAILURE_MS:
                raise TargetUnreachable("The identity provider did not answer a moment ago.")
            if name in self._asking or len(self._asking) >= ISSUERS_AT_ONCE:
                raise RegistryBusy("Identity providers are being asked.", hint="Try again in a moment.")
            self._asking.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._asking.discard(name)

    def _keep(self, shelf: OrderedDict[str, Any], name: str, thing: object) -> None:
        with self._lock:
            shelf.pop(name, None)
            shelf[name] = thing
            if len(shelf) > ISSUERS_KEPT:
                shelf.popitem(last=False)

    def _fetched(self, name: str) -> Issuer:
        from budwood.server.jwt_keys import read_keys

        said = self._get(f"{name.removesuffix('/')}/.well-known/openid-configuration")
        if said.get("issuer") != name:
            raise TargetUnreachable("The identity provider calls itself otherwise than it is called here.")
        ways = said.get("token_endpoint_auth_methods_supported")
        return Issuer(
            name,
            _address(said, "authorization_endpoint"),
            _address(said, "token_endpoint"),
            isinstance(ways, list) and "client_secret_basic" not in ways and "client_secret_post" in ways,
            read_keys(self._get(_address(said, "jwks_uri"))),
            self._clock(),
        )

    def _get(self, url: str) -> Mapping[str, Any]:
        """Raises TargetUnreachable."""
        try:
            return _json(self._outgoing.send(url, method="GET", headers={"Accept": "application/json"}))
        except BadValue as error:
            raise TargetUnreachable("The identity provider is at no address that can be asked.") from error


_AGAIN: Final = "Log in again: a code is good for one use, and for minutes."


def identity(issuers: Issuers, provider: SignOn, finish: FinishLogin, host: str) -> Identity:
    """Who logged in. ``host`` is the name this server was asked by. Raises BadValue, Unauthenticated, Unavailable."""
    check_return(finish.redirect_uri, host)
    token = Jwt.parse(issuers.exchange(provider, finish))
    if token.issuer != provider.issuer:
        raise refused("It is another issuer's.")
    issuers.verify(token)
    check_login(token, provider.client_id, finish.nonce)
    email = token.claims.get("email")
    verified = isinstance(email, str) and token.claims.get("email_verified") is True
    return Identity(token.issuer, token.subject, str(email) if verified else "")


def job(issuers: Issuers, token: Jwt) -> Job:
    """What a token of an issuer that somebody trusts says, once it is verified. Raises Unauthenticated, Unavailable."""
    issuers.verify(token)
    if len(token.audiences) != 1:
        raise refused("It is for several; whoever else it is for could use it here.")
    return Job(token.issuer, token.subject, token.audiences[0], token.claims)


def check_return(uri: str, host: str) -> None:
    """A browser is sent back to the caller's own machine or to our page, and nowhere else. Raises BadValue."""
    if _LOOPBACK.fullmatch(uri):
        return
    try:
        parts = urlsplit(uri)
        ours = parts.scheme in ("http", "https") and parts.netloc == host and parts.path.endswith(CODE_PATH)
    except ValueError:
        ours = False
    if not ours or "?" in uri or "#" in uri:
        raise BadValue(f"A login returns to http://127.0.0.1:PORT/ or to this server's {CODE_PATH}.")


CODE_PATH: Final = "/login/code"


def _json(answer: Answer) -> Mapping[str, Any]:
    """Raises TargetUnreachable."""
    try:
        value = json.loads(answer.body) if answer.status == 200 else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TargetUnreachable(f"The identity provider answered {answer.status}, and not what it was asked for.")
    return value


def _address(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name, "")
    return found if isinstance(found, str) else ""


def _reason(answer: Answer) -> str:
    """The one word that RFC 6749 gives for it; nothing else that came from there is repeated."""
    try:
        word = json.loads(answer.body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f": {word}" if isinstance(word, str) and _WORD.fullmatch(word) else ""
