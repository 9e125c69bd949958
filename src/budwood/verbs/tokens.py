"""Tokens: made, listed, revoked. Only the SHA-256 of one is kept; it is shown when it is made, and never again.

A token is never wider than the one it was made with, nor good for longer. An admin makes them for others: that is how
a service account, or a person without an identity provider, comes by the first.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller, Permission, Scope
from budwood.domain.asks import IssuedToken
from budwood.domain.limits import NAME_CHARS, TOKEN_S, TOKENS_PER_PERSON
from budwood.domain.people import Principal, PrincipalKind, TokenRecord
from budwood.errors import BadValue, Forbidden, LimitExceeded, RecordNotFound
from budwood.verbs.bootstrap import TOKEN_PREFIX
from budwood.verbs.house import House
from budwood.verbs.people import afresh, person_named
from budwood.verbs.tag import check_text

SCOPES_MOST: Final = 100


def make_token(
    house: House,
    by: Caller,
    secret: str,
    name: str,
    *,
    person: str = "",
    scopes: Sequence[str] | None = None,
    good_s: int = 0,
    made_with: TokenRecord | None = None,
) -> IssuedToken:
    """A token for ``person`` (default: the caller). ``secret`` is 32 random bytes as text; ``good_s`` 0 is as long as
    may be; ``made_with`` is the token the caller came with.

    Raises BadValue, BadName, Forbidden, PrincipalNotFound, LimitExceeded.
    """
    _check_asked(name, good_s)
    now = house.clock()

    def work(transaction: Transaction) -> IssuedToken:
        caller = afresh(transaction, by)
        whose = person_named(transaction, person or by.name)
        narrowed = _scopes(caller, scopes)
        own = whose.name == by.name
        _check_may(caller, whose, own=own)
        until = now + (good_s or TOKEN_S) * 1000
        if own and made_with is not None and made_with.expires_ms:
            until = min(until, made_with.expires_ms)
        issued = issue(house, transaction, whose, secret, name, until_ms=until, scopes=narrowed)
        body = {"token": issued.record.id, "scopes": list(narrowed or ()), "all": narrowed is None}
        transaction.add_ledger(now, house.author, "token.made", whose.name, body)
        return issued

    return house.catalog.write(work)


def issue(
    house: House,
    transaction: Transaction,
    whose: Principal,
    secret: str,
    name: str,
    *,
    until_ms: int,
    scopes: tuple[str, ...] | None = None,
) -> IssuedToken:
    """Keep a new token's digest. The caller of this has decided, and writes the ledger. Raises LimitExceeded."""
    now, text = house.clock(), TOKEN_PREFIX + secret
    good = [each for each in transaction.tokens(whose.name) if _is_good(each, now)]
    if len(good) >= TOKENS_PER_PERSON:
        message = f"{whose.name} has {len(good)} tokens that are good; {TOKENS_PER_PERSON} are allowed."
        raise LimitExceeded(message, hint="Revoke some first.", limit="TOKENS_PER_PERSON")
    record = TokenRecord(house.ids()[:16], whose.id, whose.name, name, now, until_ms, scopes=scopes)
    transaction.add_token(record, hashlib.sha256(text.encode("ascii")).digest())
    return IssuedToken(text, record)


def list_tokens(house: House, by: Caller, person: str = "") -> tuple[TokenRecord, ...]:
    """Newest first, at most a page. Others' are for admins. Raises BadName, Forbidden, PrincipalNotFound."""
    with house.catalog.read() as view:
        if person not in ("", by.name):
            _check_admin(by)
        return tuple(view.tokens(person_named(view, person or by.name).name))


def revoke_token(house: House, by: Caller, token_id: str, *, came_with: str = "") -> TokenRecord:
    """From this moment on it opens nothing. ``came_with`` is the id of the caller's own token.

    A token with scopes revokes itself alone: what it may do was narrowed. Raises RecordNotFound, also for others'.
    """
    now = house.clock()

    def work(transaction: Transaction) -> TokenRecord:
        caller = afresh(transaction, by)
        found = transaction.token(token_id)
        if found is None or not _may_revoke(caller, found, came_with):
            message = f"There is no token {token_id[:64]!r} of yours."
            raise RecordNotFound(message, hint="'budwood token list' shows yours.")
        transaction.revoke_token(token_id, at_ms=now)
        transaction.add_ledger(now, house.author, "token.revoked", found.principal, {"token": token_id})
        return token_with(transaction, token_id)

    return house.catalog.write(work)


def token_with(view: View, token_id: str) -> TokenRecord:
    """One that is there."""
    found = view.token(token_id)
    assert found is not None, "tokens are revoked, not removed"
    return found


def _check_asked(name: str, good_s: int) -> None:
    check_text(name, "The name of a token", NAME_CHARS, "NAME_CHARS")
    if not name or not name.isprintable():
        raise BadValue("A token has a name that can be printed, so that one knows later what it was for.")
    if not 0 <= good_s <= TOKEN_S:
        raise LimitExceeded(f"A token is good for at most {TOKEN_S // 86_400} days.", limit="TOKEN_S")


def _scopes(caller: Caller, asked: Sequence[str] | None) -> tuple[str, ...] | None:
    """As they are kept: each of them within the caller's own. Raises BadValue, BadName, Forbidden, LimitExceeded."""
    if asked is None:
        return None if caller.scopes is None else tuple(map(str, caller.scopes))
    if len(asked) > SCOPES_MOST:
        raise LimitExceeded(f"A token has at most {SCOPES_MOST} scopes.", limit="100 scopes")
    scopes = tuple(dict.fromkeys(Scope.parse(text) for text in asked))
    if wider := [str(scope) for scope in scopes if not caller.may_give(scope)]:
        raise Forbidden(f"Your own token does not have the scope {wider[0]!r}.", hint="Log in anew for a wider one.")
    return tuple(map(str, scopes))


def _check_may(caller: Caller, whose: Principal, *, own: bool) -> None:
    if whose.kind is PrincipalKind.WORKLOAD:
        hint = "It brings a new token of its issuer."
        raise Forbidden(f"{whose.name} is a workload: it is given a token for each job.", hint=hint)
    if whose.disabled_ms:
        raise Forbidden(f"{whose.name} is disabled.")
    if not own:
        _check_admin(caller)


def _check_admin(caller: Caller) -> None:
    if Permission.ADMINISTER not in caller.permissions(""):
        raise Forbidden("The tokens of others are for admins.")


def _may_revoke(caller: Caller, token: TokenRecord, came_with: str) -> bool:
    if Permission.ADMINISTER in caller.permissions(""):
        return True
    return token.principal == caller.name and (caller.scopes is None or token.id == came_with)


def _is_good(token: TokenRecord, now_ms: int) -> bool:
    return not token.revoked_ms and (not token.expires_ms or token.expires_ms > now_ms)
