"""Changing what is known about gates, for every SQL database. ``transaction.py`` joins it with the rest."""

from dataclasses import replace
from typing import Final

from sqlalchemy import bindparam, func, select, update

from budwood.catalog.sql.changes import insert_numbered, upsert
from budwood.catalog.sql.gate_tables import evidence, policy, promotion, review, tier
from budwood.catalog.sql.gate_view import GateReads
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.domain.canon import dumps, pack
from budwood.domain.policy.case import Review
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.records import PolicyRecord, Promotion, Tiered

_ADD_POLICY: Final = insert_numbered(policy)
_LAST_NUMBER: Final = Statement(
    select(func.coalesce(func.max(policy.c.number), 0)).where(
        policy.c.namespace_id == bindparam("room"), policy.c.name == bindparam("name")
    )
)
_of_name: Final = (policy.c.namespace_id == bindparam("room"), policy.c.name == bindparam("of_name"))
_REPLACE_POLICY: Final = Statement(update(policy).where(*_of_name, policy.c.in_force == 1).values(in_force=0))
_REMOVE_POLICY: Final = Statement(
    update(policy).where(*_of_name, policy.c.in_force == 1).values(in_force=0, removed_ms=bindparam("at_ms"))
)
_SET_TIER: Final = upsert(tier, "model_id")
_ADD_EVIDENCE: Final = insert_numbered(evidence)
_ADD_PROMOTION: Final = insert_numbered(promotion)
_CHANGED: Final = ("state", "decided_ms", "decided_by", "checks", "broke_glass", "due_ms", "looked_by", "overdue_ms")
_CHANGE_PROMOTION: Final = Statement(
    update(promotion)
    .where(promotion.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in _CHANGED})
)
_ADD_REVIEW: Final = insert_numbered(review)


class GateWrites(GateReads):
    """``catalog.gates_api.GatesTransaction`` over one session."""

    __slots__ = ()

    def add_policy(self, policy: PolicyRecord) -> PolicyRecord:
        room = known_room(self._session, policy.namespace)
        last = self._session.all(_LAST_NUMBER, room=room, name=policy.name)[0][0]
        self._session.change(_REPLACE_POLICY, room=room, of_name=policy.name)
        numbered = replace(policy, number=last + 1)
        id_ = self._session.add(
            _ADD_POLICY,
            namespace_id=room,
            name=numbered.name,
            number=numbered.number,
            digest=numbered.digest,
            body=numbered.text,
            author=numbered.author,
            created_ms=numbered.created_ms,
            removed_ms=0,
            in_force=1,
        )
        return replace(numbered, id=id_)

    def remove_policy(self, namespace: str, name: str, *, at_ms: int) -> None:
        self._session.change(_REMOVE_POLICY, room=known_room(self._session, namespace), of_name=name, at_ms=at_ms)

    def set_tier(self, model_id: int, tiered: Tiered) -> None:
        self._session.change(
            _SET_TIER, model_id=model_id, tier=str(tiered.tier), author=tiered.author, at_ms=tiered.at_ms
        )

    def add_evidence(self, namespace: str, evidence: Evidence) -> Evidence:
        id_ = self._session.add(
            _ADD_EVIDENCE,
            namespace_id=known_room(self._session, namespace),
            subject=evidence.subject,
            kind=str(evidence.kind),
            author=evidence.author,
            at_ms=evidence.at_ms,
            digest=evidence.digest,
            body=dumps(pack(evidence)).decode(),
        )
        return replace(evidence, id=id_)

    def add_promotion(self, promotion: Promotion) -> Promotion:
        id_ = self._session.add(
            _ADD_PROMOTION,
            namespace_id=known_room(self._session, promotion.namespace),
            model=promotion.model,
            model_id=promotion.model_id,
            version_id=promotion.version_id,
            version_number=promotion.version_number,
            digest=promotion.digest,
            pointer=promotion.pointer,
            requester=promotion.requester,
            reason=promotion.reason,
            requested_ms=promotion.requested_ms,
            binds=promotion.binds,
            **_changing(promotion, ""),
        )
        return replace(promotion, id=id_)

    def change_promotion(self, promotion: Promotion) -> None:
        self._session.change(_CHANGE_PROMOTION, of_id=promotion.id, **_changing(promotion, "to_"))

    def add_review(self, promotion_id: int, review: Review) -> None:
        self._session.add(_ADD_REVIEW, promotion_id=promotion_id, body=dumps(pack(review)).decode())


def _changing(promotion: Promotion, prefix: str) -> dict[str, str | int]:
    values = {name: getattr(promotion, name) for name in _CHANGED}
    values |= {"state": str(promotion.state), "broke_glass": int(promotion.broke_glass)}
    return {f"{prefix}{name}": value for name, value in values.items()}
