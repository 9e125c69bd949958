"""Signatures of versions, and the public keys that a namespace trusts."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_gates import AddSignature, EvidenceList, SigningKeys, TrustKey
from budwood.domain.policy.evidence import Evidence
from budwood.domain.routes.route import Route
from budwood.domain.signature import SigningKey
from budwood.errors import NotFound

_SIGNATURES: Final = "/v1/models/{namespace}/{model}/versions/{selector}/signatures"
_KEYS: Final = "/v1/namespaces/{namespace}/keys"

LIST_SIGNATURES: Final = Route(
    name="signatures.list",
    method="GET",
    path=_SIGNATURES,
    permission=Permission.READ,
    summary="The signatures of a version with their bundles, oldest first; whether one is good, its reader checks.",
    response=EvidenceList,
    errors=(NotFound,),
)
ADD_SIGNATURE: Final = Route(
    name="signatures.add",
    method="POST",
    path=_SIGNATURES,
    permission=Permission.PUSH,
    also=(Permission.REVIEW, Permission.RELEASE),
    summary="Keep a signature that names exactly the version's files.",
    request=AddSignature,
    response=Evidence,
    errors=(NotFound,),
)
LIST_KEYS: Final = Route(
    name="keys.list",
    method="GET",
    path=_KEYS,
    permission=Permission.READ,
    summary="The public keys whose signatures a namespace trusts.",
    response=SigningKeys,
    errors=(NotFound,),
)
TRUST_KEY: Final = Route(
    name="keys.trust",
    method="POST",
    path=_KEYS,
    permission=Permission.MANAGE,
    summary="Trust a public key: its signatures count from now on.",
    request=TrustKey,
    response=SigningKey,
    errors=(NotFound,),
)
REMOVE_KEY: Final = Route(
    name="keys.remove",
    method="DELETE",
    path=_KEYS + "/{key}",
    permission=Permission.MANAGE,
    summary="Trust a key no more, by its name or what begins its SHA-256.",
    response=SigningKey,
    errors=(NotFound,),
)

ROUTES: Final = (LIST_SIGNATURES, ADD_SIGNATURE, LIST_KEYS, TRUST_KEY, REMOVE_KEY)
