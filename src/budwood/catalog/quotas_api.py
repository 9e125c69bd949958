"""The part of the catalog's port that speaks of quotas: the tokens that tenants used of endpoints, period by period.

``delivery_api.py`` takes it in.
"""

from collections.abc import Sequence
from typing import Protocol

from budwood.domain.traffic.quotas import TokenUse


class QuotasView(Protocol):
    """What can be read about the use of tokens."""

    def token_use(self, endpoint_id: int, tenant: str, from_ms: int) -> TokenUse | None:
        """Of the period that begins then; the longest, where there were two."""

    def token_uses(self, endpoint_id: int, at_ms: int, *, limit: int = 1_000) -> Sequence[TokenUse]:
        """Of the periods that a moment falls into, by tenant."""

    def quotas_reached(self, now_ms: int) -> Sequence[TokenUse]:
        """Of every endpoint: whoever was over when they were counted last, in periods that go on."""


class QuotasTransaction(Protocol):
    """What can be changed about it."""

    def put_token_use(self, use: TokenUse) -> None:
        """Made or changed."""

    def forget_token_uses(self, *, before_ms: int, limit: int = 10_000) -> int:
        """Periods that ended before; how many rows went."""
