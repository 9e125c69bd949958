"""What each route about people does, by its name: a server answers from this table, and a registry in this process too.

So there is one client class for both, and no route whose two doors could come to differ.
"""

from collections.abc import Mapping
from typing import Final

from budwood.verbs.by_route import grants, namespaces, people, tokens, trusts, webhooks
from budwood.verbs.by_route.asked import Asked, Deed

DEEDS: Final[Mapping[str, Deed]] = {
    **namespaces.DEEDS,
    **people.DEEDS,
    **grants.DEEDS,
    **tokens.DEEDS,
    **trusts.DEEDS,
    **webhooks.DEEDS,
}

__all__ = ["DEEDS", "Asked", "Deed"]
