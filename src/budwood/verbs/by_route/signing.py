"""Signatures and trusted keys, by route."""

from typing import Final

from budwood.domain import asks_gates as asks
from budwood.domain.policy.evidence import Evidence
from budwood.domain.routes import signing as routes
from budwood.domain.signature import SigningKey
from budwood.verbs import signing
from budwood.verbs.by_route.asked import Asked, Deed


def _list(asked: Asked) -> tuple[Evidence, ...]:
    return signing.list_signatures(asked.house, asked.reference)


def _add(asked: Asked) -> Evidence:
    return signing.add_signature(asked.house, asked.by, asked.reference, asked.body.bundle)


def _keys(asked: Asked) -> tuple[SigningKey, ...]:
    return signing.list_keys(asked.whole, asked.holes["namespace"])


def _trust(asked: Asked) -> SigningKey:
    return signing.trust_key(asked.whole, asked.holes["namespace"], asked.body.name, asked.body.pem)


def _remove(asked: Asked) -> SigningKey:
    return signing.remove_key(asked.whole, asked.holes["namespace"], asked.holes["key"])


DEEDS: Final = {
    routes.LIST_SIGNATURES.name: Deed(_list, asks.EvidenceList),
    routes.ADD_SIGNATURE.name: Deed(_add),
    routes.LIST_KEYS.name: Deed(_keys, asks.SigningKeys),
    routes.TRUST_KEY.name: Deed(_trust),
    routes.REMOVE_KEY.name: Deed(_remove),
}
