"""What each route about people and gates does, by its name: servers and registries in this process answer from here.

So there is one client class for both, and no route whose two doors could come to differ.
"""

from collections.abc import Mapping
from typing import Final

from budwood.verbs.by_route import (
    audit,
    carrying,
    delivery,
    emit,
    gates,
    gateways,
    grants,
    lineage,
    namespaces,
    observations,
    people,
    signing,
    standards,
    tokens,
    trusts,
    webhooks,
)
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.by_route.dossier import DEEDS as DOSSIER
from budwood.verbs.by_route.retention import DEEDS as RETENTION
from budwood.verbs.by_route.storage_tiers import DEEDS as STORAGE_TIERS

DEEDS: Final[Mapping[str, Deed]] = {
    **namespaces.DEEDS,
    **people.DEEDS,
    **grants.DEEDS,
    **tokens.DEEDS,
    **trusts.DEEDS,
    **webhooks.DEEDS,
    **gates.DEEDS,
    **signing.DEEDS,
    **standards.DEEDS,
    **RETENTION,
    **STORAGE_TIERS,
    **DOSSIER,
    **audit.DEEDS,
    **lineage.DEEDS,
    **delivery.DEEDS,
    **gateways.DEEDS,
    **observations.DEEDS,
    **emit.DEEDS,
    **carrying.DEEDS,
}

__all__ = ["DEEDS", "Asked", "Deed"]
