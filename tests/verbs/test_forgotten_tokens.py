"""Tokens that ended are listed for a time and then forgotten by a sweep; the ledger goes on saying whose they were."""

import budwood
from budwood.domain.limits import TOKENS_KEPT_S


def test_a_sweep_forgets_tokens_that_ended_long_ago() -> None:
    now = [1_000_000]
    with budwood.in_memory(clock=lambda: now[0]) as registry:
        tokens = registry.admin.tokens
        registry.admin.people.add("mara")
        ran_out = tokens.make("short", person="mara", good_s=60).record.id
        revoked = tokens.make("revoked", person="mara").record.id
        good = tokens.make("good", person="mara").record.id
        tokens.revoke(revoked)
        now[0] += TOKENS_KEPT_S * 1000
        registry.sweep(grace_s=0)
        assert {token.id for token in tokens.list("mara")} == {ran_out, good}
        now[0] += 60_000
        registry.sweep(dry_run=True)
        assert {token.id for token in tokens.list("mara")} == {ran_out, good}
        registry.sweep(grace_s=0)
        assert [token.id for token in tokens.list("mara")] == [good]
        told = [(entry.action, entry.body) for entry in registry.ledger(subject="mara") if "token" in entry.action]
        assert ("token.forgotten", {"tokens": [revoked]}) in told
        assert ("token.forgotten", {"tokens": [ran_out]}) in told
        assert sum(action == "token.made" for action, _ in told) == 3
