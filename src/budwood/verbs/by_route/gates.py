"""Policies, evidence and promotions, by route."""

from typing import Final

from budwood.domain import asks_gates as asks
from budwood.domain.asks_gates import Attached
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionDetail, Tiered
from budwood.domain.routes import gates
from budwood.errors import BadValue, RecordNotFound
from budwood.verbs import policies, promotions
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.evidence import add_evidence, evidence_files, list_evidence
from budwood.verbs.scans import scan


def _list_policies(asked: Asked) -> tuple[PolicyRecord, ...]:
    return policies.list_policies(asked.whole, asked.holes["namespace"])


def _put_policy(asked: Asked) -> PolicyRecord:
    namespace, name = asked.holes["namespace"], asked.holes["policy"]
    return policies.put_policy(asked.whole, namespace, asked.body.text, name=name, expected=asked.expected)


def _show_policy(asked: Asked) -> tuple[PolicyRecord, ...]:
    return policies.show_policy(asked.whole, asked.holes["namespace"], asked.holes["policy"])


def _remove_policy(asked: Asked) -> PolicyRecord:
    namespace, name = asked.holes["namespace"], asked.holes["policy"]
    return policies.remove_policy(asked.whole, namespace, name, expected=asked.expected)


def _get_tier(asked: Asked) -> Tiered:
    return policies.get_tier(asked.house, asked.model)


def _set_tier(asked: Asked) -> Tiered:
    return policies.set_tier(asked.house, asked.model, asked.body.tier)


def _list_evidence(asked: Asked) -> tuple[Evidence, ...]:
    return list_evidence(asked.house, asked.reference)


def _add_evidence(asked: Asked) -> Evidence:
    return add_evidence(asked.house, asked.by, asked.reference, asked.body, beside=asked.beside)


def _evidence_files(asked: Asked) -> tuple[Attached, ...]:
    return evidence_files(asked.house, asked.reference, asked.holes["evidence"])


def _scan(asked: Asked) -> Evidence:
    return scan(asked.house, asked.reference, beside=asked.beside)


def _list(asked: Asked) -> asks.PromotionPage:
    query: asks.ListPromotions = asked.query
    if query.state not in asks.STATES:
        words = ", ".join(filter(None, asks.STATES))
        raise BadValue(f"{query.state[:80]!r} is no state of a promotion.", hint=f"It is one of {words}.")
    found = promotions.list_promotions(
        asked.whole,
        asked.holes["namespace"],
        state=asks.STATES[query.state],
        before=query.before,
        limit=query.limit,
    )
    return asks.PromotionPage(found, found[-1].id if len(found) == query.limit else 0)


def _request(asked: Asked) -> Promotion:
    pointer, reason = asked.body.pointer, asked.body.reason
    return promotions.request(asked.house, asked.by, asked.reference, pointer, reason, beside=asked.beside)


def _show(asked: Asked) -> PromotionDetail:
    return promotions.show_promotion(asked.whole, asked.holes["namespace"], _number(asked))


def _review(asked: Asked) -> Promotion:
    said: asks.GiveReview = asked.body
    return promotions.review(
        asked.whole,
        asked.by,
        asked.holes["namespace"],
        _number(asked),
        approves=said.approves,
        reason=said.reason,
        binds=said.binds,
    )


def _apply(asked: Asked) -> PromotionDetail:
    namespace, number = asked.holes["namespace"], _number(asked)
    return promotions.apply(asked.whole, asked.by, namespace, number, beside=asked.beside)


def _withdraw(asked: Asked) -> Promotion:
    return promotions.withdraw(asked.whole, asked.by, asked.holes["namespace"], _number(asked))


def _break_glass(asked: Asked) -> Promotion:
    return promotions.break_glass(asked.house, asked.by, asked.reference, asked.body.pointer, asked.body.reason)


def _look(asked: Asked) -> Promotion:
    return promotions.look_at(asked.whole, asked.by, asked.holes["namespace"], _number(asked))


def _number(asked: Asked) -> int:
    text = asked.holes["promotion"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise RecordNotFound(f"There is no promotion {text[:80]!r}.", hint="'budwood promotion list' shows them.")
    return int(text)


DEEDS: Final = {
    gates.LIST_POLICIES.name: Deed(_list_policies, asks.Policies),
    gates.PUT_POLICY.name: Deed(_put_policy, mark=policies.policy_mark),
    gates.SHOW_POLICY.name: Deed(_show_policy, asks.Policies),
    gates.REMOVE_POLICY.name: Deed(_remove_policy),
    gates.GET_TIER.name: Deed(_get_tier),
    gates.SET_TIER.name: Deed(_set_tier),
    gates.LIST_EVIDENCE.name: Deed(_list_evidence, asks.EvidenceList),
    gates.ADD_EVIDENCE.name: Deed(_add_evidence),
    gates.EVIDENCE_FILES.name: Deed(_evidence_files, asks.AttachedFiles),
    gates.SCAN.name: Deed(_scan, long=True),
    gates.LIST.name: Deed(_list),
    gates.REQUEST.name: Deed(_request, long=True),
    gates.SHOW.name: Deed(_show),
    gates.REVIEW.name: Deed(_review),
    gates.APPLY.name: Deed(_apply, long=True),
    gates.WITHDRAW.name: Deed(_withdraw),
    gates.BREAK_GLASS.name: Deed(_break_glass),
    gates.LOOK.name: Deed(_look),
}
