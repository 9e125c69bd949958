"""Tokens at the door: what ran out, was revoked or narrowed, and that a revoked one is so at once."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.domain.people import TokenRecord
from tests.waiting import eventually

LOG = "/v1/models/ours/encoder/log"
TAGS = "/v1/models/ours/encoder/versions/v1/tags"
CHANGE = {"put": {"team": "risk"}}


def secret(name: str) -> str:
    return "bw_" + hashlib.sha256(f"special {name}".encode()).hexdigest()[:43]


def add(name: str, **fields: Any) -> Callable[[Transaction], None]:
    """A token of the owner of ours."""

    def work(transaction: Transaction) -> None:
        owner = transaction.principal("owner")
        assert owner is not None
        record = replace(TokenRecord(name, owner.id, owner.name, name, 1), **fields)
        transaction.add_token(record, hashlib.sha256(secret(name).encode()).digest())

    return work


def change(registry: Path, work: Callable[[Transaction], None]) -> None:
    """What another process does to the catalog meanwhile."""
    with budwood.connect(registry) as opened:
        opened.house.catalog.write(work)


@pytest.fixture(scope="module")
def special(start: Callable[..., Any], make_team: Callable[[], Path]) -> Any:
    registry = make_team()
    change(registry, add("expired", expires_ms=2))
    change(registry, add("revoked", revoked_ms=2))
    change(registry, add("later", expires_ms=int(time.time() * 1000) + 3_600_000))
    change(registry, add("reads", scopes=("read",)))
    change(registry, add("pushes", scopes=("ours:push",)))
    change(registry, add("elsewhere", scopes=("theirs:read",)))
    change(registry, add("nothing", scopes=()))
    return start(registry)


SAID: dict[str, tuple[int, int]] = {
    "expired": (401, 401),
    "revoked": (401, 401),
    "later": (200, 200),
    "reads": (200, 403),
    "pushes": (404, 200),
    "elsewhere": (404, 404),
    "nothing": (404, 404),
}


@pytest.mark.parametrize("name", SAID)
def test_a_token_may_do_what_its_time_and_scopes_leave(name: str, special: Any) -> None:
    read = special.ask("GET", LOG, token=secret(name))
    changed = special.ask("PATCH", TAGS, token=secret(name), json=CHANGE)
    assert (read.status, changed.status) == SAID[name]


def test_a_token_that_is_revoked_elsewhere_is_so_at_once(special: Any) -> None:
    change(special.registry, add("short"))
    assert special.ask("GET", LOG, token=secret("short")).status == 200
    change(special.registry, lambda transaction: transaction.revoke_token("short", at_ms=5))
    assert special.ask("GET", LOG, token=secret("short")).status == 401


def test_whoever_is_disabled_may_do_nothing(special: Any) -> None:
    def disable(transaction: Transaction) -> None:
        reviewer = transaction.principal("reviewer")
        assert reviewer is not None
        transaction.change_principal(replace(reviewer, disabled_ms=5))

    assert special.ask("GET", LOG, by="reviewer").status == 200
    change(special.registry, disable)
    assert special.ask("GET", LOG, by="reviewer").status == 401


def test_when_a_token_was_used_is_noted(special: Any) -> None:
    special.ask("GET", LOG, by="releaser")

    def used_ms() -> int:
        with budwood.connect(special.registry) as opened, opened.house.catalog.read() as view:
            used = view.token("id-releaser")
        assert used is not None
        return used.used_ms

    eventually(used_ms)
    assert abs(used_ms() - time.time() * 1000) < 60_000
