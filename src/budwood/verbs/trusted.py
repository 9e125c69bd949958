"""The public keys a namespace trusts, as they are kept: the part of verbs/signing.py that others read."""

from typing import Final

from budwood.catalog.api import View
from budwood.domain.canon import loads, unpack
from budwood.domain.signature import SigningKey
from budwood.errors import CatalogDamaged
from budwood.verbs.namespaces import namespace_named

_META: Final = "signing-keys/"


def trusted_keys(view: View, namespace: str) -> tuple[SigningKey, ...]:
    """Raises NamespaceNotFound, CatalogDamaged."""
    kept = view.meta(place_of_keys(view, namespace))
    try:
        found = loads(kept) if kept else []
        return tuple(unpack(SigningKey, each) for each in found) if isinstance(found, list) else ()
    except ValueError as error:
        raise CatalogDamaged(f"The keys that {namespace} trusts cannot be read.") from error


def place_of_keys(view: View, namespace: str) -> str:
    """By number: a namespace that is made anew under an old name trusts nobody. Raises NamespaceNotFound."""
    return f"{_META}{namespace_named(view, namespace).id}"
