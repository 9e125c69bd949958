"""Tokens: made, listed, revoked. A secret is made by whoever calls, given out once, and kept as its SHA-256 only.

A token that is narrowed by scopes makes, lists and revokes no others (it may revoke itself): what leaks from a job
must not be able to grow.
"""

import hashlib
from collections.abc import Sequence
from functools import partial

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller, Permission, Scope
from budwood.domain.asks import IssuedToken
from budwood.domain.asks_people import MakeToken
from budwood.domain.limits import KEY_CHARS, PAGE_ROWS, TOKEN_S, TOKEN_SCOPES, TOKENS_KEPT_S, TOKENS_PER_PERSON
from budwood.domain.people import Principal, PrincipalKind, TokenRecord
from budwood.errors import BadValue, Forbidden, LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.people import afresh, person_named


def make_token(house: House, by: Caller, wish: MakeToken, secret: str) -> IssuedToken:
    """For the caller, or for anybody when an admin asks. ``secret`` is the token itself.

    Raises BadName, BadValue, PrincipalNotFound, Forbidden, LimitExceeded.
    """
    now = house.clock()
    scopes = _scopes(wish)
    _check_name(wish.name)
    good_s = wish.good_s or TOKEN_S
    if not 0 < good_s <= TOKEN_S:
        message = f"A token is good for 1 to {TOKEN_S} seconds ({TOKEN_S // 86_400} days), not {good_s}."
        raise LimitExceeded(message, limit="TOKEN_S")

    def work(transaction: Transaction) -> IssuedToken:
        person = _person(transaction, by, wish.person)
        if person.kind is PrincipalKind.WORKLOAD or person.disabled_ms:
            why = "disabled" if person.disabled_ms else "a workload; it logs in with a token of its issuer"
            raise BadValue(f"{person.name} is {why}.")
        good = [token for token in transaction.tokens(person.name) if _is_good(token, now)]
        if len(good) >= TOKENS_PER_PERSON:
            hint = "Revoke those that nobody uses: 'budwood token list' shows when each was used."
            message = f"{person.name} has {len(good)} tokens that are good; more are not made."
            raise LimitExceeded(message, hint=hint, limit="TOKENS_PER_PERSON")
        record = TokenRecord(
            house.ids()[:16], person.id, person.name, wish.name, now, expires_ms=now + good_s * 1000, scopes=scopes
        )
        transaction.add_token(record, hashlib.sha256(secret.encode()).digest())
        body = {
            "token": record.id,
            "scopes": None if scopes is None else list(scopes),
            "expires_ms": record.expires_ms,
        }
        transaction.add_ledger(now, house.author, "token.made", person.name, body)
        return IssuedToken(secret, record)

    return house.catalog.write(work)


def list_tokens(house: House, by: Caller, person: str = "") -> tuple[TokenRecord, ...]:
    """Newest first: the caller's own, or anybody's when an admin asks. Raises BadName, PrincipalNotFound, Forbidden."""
    with house.catalog.read() as view:
        return tuple(view.tokens(_person(view, by, person).name))


def revoke_token(house: House, by: Caller, token_id: str, *, own_id: str = "") -> TokenRecord:
    """``own_id`` is the token the caller came with. Done again, it is still revoked, and since the first time.

    Raises RecordNotFound, also for somebody else's; Forbidden.
    """
    now = house.clock()

    def work(transaction: Transaction) -> TokenRecord:
        caller = afresh(transaction, by)
        token = transaction.token(token_id)
        may = token is not None and (not caller.name or caller.is_admin or caller.name == token.principal)
        if token is None or not may:
            hint = "'budwood token list' shows yours."
            raise RecordNotFound("There is no such token.", hint=hint)
        if token.id != own_id:
            _check_whole(caller)
        if not token.revoked_ms:
            transaction.revoke_token(token.id, at_ms=now)
            transaction.add_ledger(now, house.author, "token.revoked", token.principal, {"token": token.id})
        revoked = transaction.token(token.id)
        assert revoked is not None
        return revoked

    return house.catalog.write(work)


def forget_tokens(house: House) -> None:
    """Remove those that ran out, or were revoked, ``TOKENS_KEPT_S`` ago. The ledger says whose they were."""
    now, after = house.clock(), ""
    before_ms = now - TOKENS_KEPT_S * 1000

    def work(transaction: Transaction, page: Sequence[Principal]) -> None:
        for person in page:
            while gone := transaction.forget_tokens(person.id, before_ms=before_ms):
                transaction.add_ledger(now, house.author, "token.forgotten", person.name, {"tokens": list(gone)})

    while True:
        with house.catalog.read() as view:
            page = view.principals(after=after, limit=PAGE_ROWS)
        if not page:
            return
        house.catalog.write(partial(work, page=page))
        after = page[-1].name


def _person(view: View, by: Caller, name: str) -> Principal:
    """Whose tokens are asked for, if the caller may ask. Raises BadName, BadValue, PrincipalNotFound, Forbidden."""
    caller = afresh(view, by)
    _check_whole(caller)
    if not name and not caller.name:
        raise BadValue("Whose token? A registry in a folder knows no caller.", hint="Name a person: --person NAME.")
    if caller.name and name not in ("", caller.name) and Permission.ADMINISTER not in caller.permissions(""):
        raise Forbidden(f"{caller.name} may not ask about tokens of others.", hint="Ask an admin.")
    return person_named(view, name or caller.name)


def _check_whole(caller: Caller) -> None:
    if caller.scopes is not None:
        hint = "Use a token without scopes, or log in."
        raise Forbidden("A token with scopes makes, lists and revokes no tokens.", hint=hint)


def _scopes(wish: MakeToken) -> tuple[str, ...] | None:
    if wish.scopes is None:
        return None
    if not 1 <= len(wish.scopes) <= TOKEN_SCOPES:
        raise LimitExceeded(f"A token has 1 to {TOKEN_SCOPES} scopes, or may do all.", limit="TOKEN_SCOPES")
    return tuple(sorted({str(Scope.parse(text)) for text in wish.scopes}))


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= KEY_CHARS or not name.isprintable() or name != name.strip():
        raise BadValue("A token has a name that says what it is for.", hint="For example 'laptop' or 'ci'.")


def _is_good(token: TokenRecord, now_ms: int) -> bool:
    return not token.revoked_ms and not 0 < token.expires_ms <= now_ms
