"""How many gateways share the rates of endpoints: each lets its part through, so they need not ask one another."""

from budwood.catalog.api import View
from budwood.domain.limits import RATE_SHARED_S


def sharers(view: View, now_ms: int) -> int:
    """Gateways that are connected, and those that went so lately that they may still be there or come back. At least
    one."""
    since_ms = now_ms - RATE_SHARED_S * 1_000
    return max(1, sum(each.connected or each.seen_ms > since_ms for each in view.gateways()))
