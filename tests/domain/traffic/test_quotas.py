"""What requests used is counted by tenant and period."""

from dataclasses import replace

import pytest

from budwood.domain.traffic.endpoint import Endpoint, Quota
from budwood.domain.traffic.lines import Line
from budwood.domain.traffic.quotas import TokenUse, refused, together, tokens_of, used

ENDPOINT = Endpoint(
    "default", "texts", "texts", "stable", (), quota=Quota(100, 60), tenant_quotas={"acme": Quota(1_000, 3_600)}
)
LINE = Line(120_500, "r", "default.texts", 1, "split", "stable", 200, 5, tenant="zeta", prompt_tokens=3)


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        (replace(LINE, completion_tokens=4), 7),
        (LINE, 3),
        (replace(LINE, prompt_tokens=-1, asked_bytes=10, sent_bytes=91), 26),
        (replace(LINE, prompt_tokens=-1, asked_bytes=10, sent_bytes=91, code=500), 0),
        (replace(LINE, code=500), 3),
        (replace(LINE, prompt_tokens=-1, asked_bytes=10, sent_bytes=91, code=0), 3),
    ],
)
def test_a_request_used_what_the_answer_says_or_what_its_bytes_would_be(line: Line, tokens: int) -> None:
    assert tokens_of(line) == tokens


def test_use_falls_into_whole_periods_of_each_tenants_own_quota() -> None:
    lines = (LINE, replace(LINE, at_ms=179_999), replace(LINE, at_ms=180_000), replace(LINE, tenant="acme"))
    assert used(7, ENDPOINT, lines) == (
        TokenUse(7, "zeta", 120_000, 180_000, 6),
        TokenUse(7, "zeta", 180_000, 240_000, 3),
        TokenUse(7, "acme", 0, 3_600_000, 3),
    )
    assert used(7, replace(ENDPOINT, quota=None), lines) == (TokenUse(7, "acme", 0, 3_600_000, 3),)


def test_who_is_over_is_refused_until_the_period_ends_or_the_quota_is_raised() -> None:
    more = TokenUse(7, "zeta", 120_000, 180_000, 60)
    once = together(ENDPOINT, None, more)
    twice = together(ENDPOINT, once, more)
    assert (once.refused_until_ms, twice.refused_until_ms, twice.tokens) == (0, 180_000, 120)
    assert refused(ENDPOINT, [twice]) == {"zeta": 180_000}
    assert refused(replace(ENDPOINT, quota=Quota(121, 60)), [twice]) == {}
    assert refused(replace(ENDPOINT, quota=None), [twice]) == {}
