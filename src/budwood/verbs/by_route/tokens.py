"""Tokens, by route."""

from dataclasses import replace
from typing import Final

from budwood.domain import asks_people as asks
from budwood.domain.asks import IssuedToken
from budwood.domain.people import TokenRecord
from budwood.domain.routes import tokens
from budwood.verbs.bootstrap import TOKEN_PREFIX
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.tokens import list_tokens, make_token, revoke_token


def _list(asked: Asked) -> tuple[TokenRecord, ...]:
    return list_tokens(asked.whole, asked.by, asked.query.person)


def _make(asked: Asked) -> IssuedToken:
    return make_token(asked.whole, asked.by, asked.body, TOKEN_PREFIX + asked.secret())


def _revoke(asked: Asked) -> TokenRecord:
    return revoke_token(asked.whole, asked.by, asked.holes["token"], own_id=asked.token_id)


def _kept(answer: IssuedToken) -> IssuedToken:
    return replace(answer, secret="")


DEEDS: Final = {
    tokens.LIST.name: Deed(_list, asks.Tokens),
    tokens.MAKE.name: Deed(_make, kept=_kept),
    tokens.REVOKE.name: Deed(_revoke),
}
