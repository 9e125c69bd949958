"""Quotas of tokens: counting what gateways wrote of requests, telling who is refused, and showing what was used."""

from collections.abc import Iterable, Mapping, Sequence

from budwood.catalog.api import Transaction, View
from budwood.domain.asks_delivery import EndpointUsage, TenantUsage
from budwood.domain.limits import TOKEN_USE_KEPT_S
from budwood.domain.traffic.endpoint import Endpoint
from budwood.domain.traffic.lines import Line
from budwood.domain.traffic.quotas import quota_of, refused, together, used
from budwood.domain.traffic.records import RoutingRecord
from budwood.verbs.house import House
from budwood.verbs.routing import endpoint_named, in_force


def count_tokens(
    transaction: Transaction,
    lines: Sequence[Line],
    routings: Mapping[tuple[str, int], RoutingRecord | None],
    now_ms: int,
) -> None:
    """Add what the lines say was used, in the transaction that takes them in: each counts once."""
    counted: dict[int, tuple[Endpoint, list[Line]]] = {}
    for line in lines:
        routing = routings[line.endpoint, line.generation]
        if routing is not None and quota_of(routing.body, line.tenant) is not None:
            counted.setdefault(routing.endpoint_id, (routing.body, []))[1].append(line)
    for id_, (endpoint, every) in counted.items():
        for more in used(id_, endpoint, every):
            before = transaction.token_use(id_, more.tenant, more.from_ms)
            transaction.put_token_use(together(endpoint, before, more))
    if counted:
        transaction.forget_token_uses(before_ms=now_ms - TOKEN_USE_KEPT_S * 1_000)


def refused_now(view: View, records: Iterable[RoutingRecord], now_ms: int) -> Mapping[int, Mapping[str, int]]:
    """By endpoint: which tenants used up their tokens, and until when. Of endpoints in force."""
    limited = {each.endpoint_id: each.body for each in records if each.body.quota or each.body.tenant_quotas}
    if not limited:
        return {}
    reached = [use for use in view.quotas_reached(now_ms) if use.endpoint_id in limited]
    return {
        id_: refused(limited[id_], (use for use in reached if use.endpoint_id == id_))
        for id_ in {use.endpoint_id for use in reached}
    }


def endpoint_usage(house: House, namespace: str, name: str, *, at_ms: int = 0) -> EndpointUsage:
    """What each tenant used in the period that runs now, or ran then. Raises RecordNotFound."""
    at_ms = at_ms or house.clock()
    with house.catalog.read() as view:
        endpoint = endpoint_named(view, namespace, name)
        routing = view.routing_at(endpoint.id, at_ms) or in_force(view, endpoint)
        uses = view.token_uses(endpoint.id, at_ms)
    shown = []
    for use in uses:
        quota = quota_of(routing.body, use.tenant)
        limit = quota.tokens if quota else 0
        is_refused = bool(limit) and use.tokens >= limit
        shown.append(TenantUsage(use.tenant, use.tokens, limit, use.from_ms, use.until_ms, is_refused))
    return EndpointUsage(namespace, name, at_ms, tuple(shown))
