"""Lineage told by other programs, by route."""

from typing import Final

from budwood.domain.openlineage import LineageTold
from budwood.domain.routes import lineage
from budwood.verbs import openlineage as verbs
from budwood.verbs.by_route.asked import Asked, Deed


def _tell(asked: Asked) -> LineageTold:
    namespace = asked.query.namespace if asked.query else ""
    return verbs.tell_lineage(asked.whole, asked.by, asked.body, namespace)


DEEDS: Final = {lineage.TELL.name: Deed(_tell)}
