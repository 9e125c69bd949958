"""What every catalog must do with the use of tokens. Part of the conformance suite."""

from budwood.catalog.api import Catalog
from budwood.domain.traffic.quotas import TokenUse


class QuotaSuite:
    """The use of tokens, by endpoint, tenant and period."""

    def test_what_a_tenant_used_is_kept_by_period(self, catalog: Catalog) -> None:
        first = TokenUse(3, "acme", 0, 100, 7)
        uses = (
            first,
            TokenUse(3, "acme", 100, 200, 9, 200),
            TokenUse(3, "", 100, 200, 1),
            TokenUse(4, "acme", 0, 9, 5),
        )
        for use in (TokenUse(3, "acme", 0, 100, 1, 100), *uses):
            catalog.write(lambda transaction: transaction.put_token_use(use))  # noqa: B023 used at once
        with catalog.read() as view:
            assert view.token_use(3, "acme", 0) == first
            assert view.token_use(3, "acme", 50) is None
            assert list(view.token_uses(3, 150)) == [uses[2], uses[1]]
            assert list(view.token_uses(3, 99)) == [first]
            assert list(view.token_uses(3, 200)) == []

    def test_who_is_over_is_told_until_the_period_ends(self, catalog: Catalog) -> None:
        over = [TokenUse(endpoint, tenant, 0, 100, 7, 100) for endpoint in (3, 4) for tenant in ("", "acme")]
        for use in (*over, TokenUse(3, "zeta", 0, 100, 7), TokenUse(9, "acme", 0, 50, 7, 50)):
            catalog.write(lambda transaction: transaction.put_token_use(use))  # noqa: B023 used at once
        with catalog.read() as view:
            assert list(view.quotas_reached(60)) == over
            assert list(view.quotas_reached(100)) == []

    def test_periods_that_ended_long_ago_are_forgotten(self, catalog: Catalog) -> None:
        for at in range(6):
            use = TokenUse(3, "acme", at * 10, at * 10 + 10, 1)
            catalog.write(lambda transaction: transaction.put_token_use(use))  # noqa: B023 used at once
        assert catalog.write(lambda transaction: transaction.forget_token_uses(before_ms=45, limit=2)) == 2
        assert catalog.write(lambda transaction: transaction.forget_token_uses(before_ms=45)) == 2
        with catalog.read() as view:
            assert list(view.token_uses(3, 25)) == []
            assert len(view.token_uses(3, 45)) == 1
