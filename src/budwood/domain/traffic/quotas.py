"""Quotas of tokens: what a request used, whose period it falls into, and who is over.

A gateway writes down what language models say they used; this counts it. Periods are whole multiples of their length
since the epoch, UTC, so that every gateway and every reader means the same one without asking.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from budwood.domain.traffic.endpoint import Endpoint, Quota
from budwood.domain.traffic.lines import Line

BYTES_PER_TOKEN: Final = 4
"""Of an answer that does not say what it used. In a stream a token takes some 200 bytes, so hiding it never pays."""


@dataclass(frozen=True, slots=True)
class TokenUse:
    """What a tenant used of an endpoint in one period; the tenant is empty where nobody says who asks.
    ``refused_until_ms`` is 0 while the quota holds, and then the end of the period."""

    endpoint_id: int
    tenant: str
    from_ms: int
    until_ms: int
    tokens: int
    refused_until_ms: int = 0


def quota_of(endpoint: Endpoint, tenant: str) -> Quota | None:
    """A tenant's own, or the one for all others."""
    return endpoint.tenant_quotas.get(tenant, endpoint.quota)


def begins_ms(quota: Quota, at_ms: int) -> int:
    """The period that a moment falls into begins then."""
    return at_ms - at_ms % (quota.seconds * 1_000)


def tokens_of(line: Line) -> int:
    """What a request used: what the answer said, or else what its bytes would be. An error used nothing; a client that
    went away before the answer used what it asked."""
    if line.prompt_tokens >= 0 or line.completion_tokens >= 0:
        return max(0, line.prompt_tokens) + max(0, line.completion_tokens)
    if line.code >= 400:
        return 0
    return -(-(line.asked_bytes + (line.sent_bytes if line.code else 0)) // BYTES_PER_TOKEN)


def used(endpoint_id: int, endpoint: Endpoint, lines: Iterable[Line]) -> tuple[TokenUse, ...]:
    """By tenant and period, what the lines add to it."""
    sums: dict[tuple[str, int, int], int] = {}
    for line in lines:
        if (quota := quota_of(endpoint, line.tenant)) is not None:
            begin = begins_ms(quota, line.at_ms)
            key = (line.tenant, begin, begin + quota.seconds * 1_000)
            sums[key] = sums.get(key, 0) + tokens_of(line)
    return tuple(TokenUse(endpoint_id, *key, tokens) for key, tokens in sums.items() if tokens)


def together(endpoint: Endpoint, before: TokenUse | None, more: TokenUse) -> TokenUse:
    """The use of a period with what was added, and whether its tenant is refused until it ends."""
    tokens = more.tokens + (before.tokens if before else 0)
    quota = quota_of(endpoint, more.tenant)
    is_over = quota is not None and tokens >= quota.tokens
    return TokenUse(more.endpoint_id, more.tenant, more.from_ms, more.until_ms, tokens, more.until_ms if is_over else 0)


def refused(endpoint: Endpoint, uses: Iterable[TokenUse]) -> Mapping[str, int]:
    """Whom gateways are to refuse, and until when. A quota that was raised since lets its tenant in again."""
    return {
        use.tenant: use.refused_until_ms
        for use in uses
        if (quota := quota_of(endpoint, use.tenant)) is not None and use.tokens >= quota.tokens
    }
