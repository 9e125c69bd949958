"""Reading about gates, for every SQL database. ``view.py`` joins it with the rest."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from sqlalchemy import bindparam, select

from budwood.catalog.sql.gate_tables import evidence, policy, promotion, review, tier
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.people_view import PeopleReads
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tables import move
from budwood.domain.canon import unpack
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.policy.case import Review
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.policy import Tier
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionState, Tiered
from budwood.domain.records import MoveReason
from budwood.errors import CatalogDamaged

T = TypeVar("T")
_HIGHEST: Final = (1 << 63) - 1
_in_namespace: Final = namespace.c.name == bindparam("namespace")
_policies: Final = select(
    policy.c.id,
    namespace.c.name,
    policy.c.name,
    policy.c.number,
    policy.c.digest,
    policy.c.body,
    policy.c.author,
    policy.c.created_ms,
    policy.c.removed_ms,
).join_from(policy, namespace, namespace.c.id == policy.c.namespace_id)
_IN_FORCE: Final = Statement(_policies.where(_in_namespace, policy.c.in_force == 1).order_by(policy.c.name))
_EDITIONS: Final = Statement(
    _policies.where(_in_namespace, policy.c.name == bindparam("name"))
    .order_by(policy.c.number.desc())
    .limit(bindparam("limit"))
)
_TIER: Final = Statement(
    select(tier.c.tier, tier.c.author, tier.c.at_ms).where(tier.c.model_id == bindparam("model_id"))
)
_EVIDENCE: Final = Statement(
    select(evidence.c.id, evidence.c.body)
    .join_from(evidence, namespace, namespace.c.id == evidence.c.namespace_id)
    .where(_in_namespace, evidence.c.subject == bindparam("subject"))
    .order_by(evidence.c.id)
    .limit(bindparam("limit"))
)
# Quotes within a text are written with a backslash, so that no text looks like the field.
_WITH_FILES: Final = Statement(
    select(evidence.c.id, namespace.c.name, evidence.c.body)
    .join_from(evidence, namespace, namespace.c.id == evidence.c.namespace_id)
    .where(evidence.c.id > bindparam("after"), evidence.c.body.like('%"files":[{%'))
    .order_by(evidence.c.id)
    .limit(bindparam("limit"))
)
_promotions: Final = select(
    promotion.c.id, namespace.c.name, *[column for column in promotion.c if column.name not in ("id", "namespace_id")]
).join_from(promotion, namespace, namespace.c.id == promotion.c.namespace_id)
_newest_first: Final = _promotions.order_by(promotion.c.id.desc()).limit(bindparam("limit"))
_below: Final = promotion.c.id < bindparam("before")
_PROMOTION: Final = Statement(_promotions.where(promotion.c.id == bindparam("promotion_id")))
_PROMOTIONS: Final = Statement(_newest_first.where(_in_namespace, _below))
_IN_STATE: Final = Statement(_newest_first.where(_in_namespace, _below, promotion.c.state == bindparam("state")))
_OF_VERSION: Final = Statement(
    _newest_first.where(promotion.c.version_id == bindparam("version_id"), promotion.c.pointer == bindparam("pointer"))
)
_UNSEEN: Final = Statement(
    _promotions.where(_in_namespace, promotion.c.broke_glass == 1, promotion.c.looked_by == bindparam("nobody"))
    .order_by(promotion.c.id)
    .limit(bindparam("limit"))
)
_OVERDUE: Final = Statement(
    _promotions.where(
        promotion.c.broke_glass == 1,
        promotion.c.looked_by == bindparam("nobody"),
        promotion.c.due_ms < bindparam("now_ms"),
    )
    .order_by(promotion.c.due_ms, promotion.c.id)
    .limit(bindparam("limit"))
)
_POINTED: Final = Statement(
    select(move.c.id)
    .where(
        move.c.model_id == bindparam("model_id"),
        move.c.pointer == bindparam("pointer"),
        move.c.version_id == bindparam("version_id"),
        move.c.reason != str(MoveReason.PAST_GATES),
    )
    .limit(1)
)
_REVIEWS: Final = Statement(
    select(review.c.body)
    .where(review.c.promotion_id == bindparam("promotion_id"))
    .order_by(review.c.id)
    .limit(bindparam("limit"))
)


class GateReads(PeopleReads):
    """``catalog.gates_api.GatesView`` over one session."""

    __slots__ = ()

    def policies(self, namespace: str) -> Sequence[PolicyRecord]:
        return [PolicyRecord(*row) for row in self._session.all(_IN_FORCE, namespace=namespace)]

    def policy_editions(self, namespace: str, name: str) -> Sequence[PolicyRecord]:
        rows = self._session.all(_EDITIONS, namespace=namespace, name=name, limit=PAGE_ROWS)
        return [PolicyRecord(*row) for row in rows]

    def tier(self, model_id: int) -> Tiered:
        row = self._session.one(_TIER, model_id=model_id)
        return Tiered(known(Tier, row[0]), row[1], row[2]) if row else Tiered()

    def evidence(self, namespace: str, subject: str) -> Sequence[Evidence]:
        rows = self._session.all(_EVIDENCE, namespace=namespace, subject=subject, limit=PAGE_ROWS)
        return [replace(_unpacked(Evidence, body, {"id": 0}), id=id_) for id_, body in rows]

    def evidence_with_files(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[tuple[str, Evidence]]:
        count = max(0, min(limit, PAGE_ROWS))
        rows = self._session.all(_WITH_FILES, after=after_id, limit=count)
        return [(room, replace(_unpacked(Evidence, body, {"id": 0}), id=id_)) for id_, room, body in rows]

    def promotion(self, promotion_id: int) -> Promotion | None:
        row = self._session.one(_PROMOTION, promotion_id=promotion_id)
        return _promotion_from(row) if row else None

    def promotions(
        self, namespace: str, *, state: PromotionState | None = None, before: int = 0, limit: int = 100
    ) -> Sequence[Promotion]:
        below, count = before or _HIGHEST, max(0, min(limit, PAGE_ROWS))
        if state is None:
            rows = self._session.all(_PROMOTIONS, namespace=namespace, before=below, limit=count)
        else:
            rows = self._session.all(_IN_STATE, namespace=namespace, state=str(state), before=below, limit=count)
        return [_promotion_from(row) for row in rows]

    def promotions_of(self, version_id: int, pointer: str) -> Sequence[Promotion]:
        rows = self._session.all(_OF_VERSION, version_id=version_id, pointer=pointer, limit=PAGE_ROWS)
        return [_promotion_from(row) for row in rows]

    def unseen_breaks(self, namespace: str) -> Sequence[Promotion]:
        rows = self._session.all(_UNSEEN, namespace=namespace, nobody="", limit=PAGE_ROWS)
        return [_promotion_from(row) for row in rows]

    def overdue_breaks(self, *, now_ms: int) -> Sequence[Promotion]:
        rows = self._session.all(_OVERDUE, nobody="", now_ms=now_ms, limit=PAGE_ROWS)
        return [_promotion_from(row) for row in rows]

    def pointed_before(self, model_id: int, pointer: str, version_id: int) -> bool:
        return self._session.one(_POINTED, model_id=model_id, pointer=pointer, version_id=version_id) is not None

    def reviews(self, promotion_id: int) -> Sequence[Review]:
        rows = self._session.all(_REVIEWS, promotion_id=promotion_id, limit=PAGE_ROWS)
        return [_unpacked(Review, body, {}) for (body,) in rows]


def _promotion_from(row: Row) -> Promotion:
    values = list(row)
    values[12] = known(PromotionState, values[12])
    values[16] = bool(values[16])
    return Promotion(*values)


def _unpacked(kind: type[T], body: str, more: dict[str, int]) -> T:
    try:
        return unpack(kind, {**json.loads(body), **more})
    except ValueError as error:
        raise CatalogDamaged(f"The catalog holds no {kind.__name__} where one stands.") from error
