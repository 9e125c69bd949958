"""Webhooks: what a pattern means, when something is tried again, and what a signature holds together."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import WEBHOOK_TRIES
from budwood.domain.people import Delivery, DeliveryState
from budwood.domain.records import LedgerEntry
from budwood.domain.webhooks import check_address, check_patterns, headers, message, noted, pause_ms, signature, wants
from budwood.errors import BadValue

WORDS = st.from_regex(r"[a-z]{1,6}(-[a-z]{1,4})?\.[a-z]{1,6}(-[a-z]{1,4})?", fullmatch=True)
CHANCES = st.floats(0, 1)
WAITING = Delivery(7, 3, 12, DeliveryState.WAITING, next_ms=1, at_ms=1)


@given(WORDS, WORDS)
def test_a_pattern_without_a_star_means_itself(action: str, other: str) -> None:
    assert wants([action], action)
    assert wants([other], action) == (other == action)
    assert wants([], action)


@given(WORDS, st.integers(0, 20))
def test_a_star_stands_for_any_end(action: str, length: int) -> None:
    assert wants([action[:length] + "*"], action)
    assert not wants(["!" + action[:length] + "*"], action)


@given(st.lists(WORDS, max_size=10), WORDS)
def test_what_was_checked_means_the_same(patterns: list[str], action: str) -> None:
    checked = check_patterns(patterns)
    assert wants(checked, action) == wants(patterns, action)
    assert check_patterns(checked) == checked


@given(st.text())
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        assert check_patterns([text]) == (text,)
    except BadValue:
        return
    assert len(text) <= 64
    assert text.isascii()


@given(st.lists(CHANCES, min_size=WEBHOOK_TRIES, max_size=WEBHOOK_TRIES), st.integers(100, 599))
def test_what_fails_waits_longer_each_time_and_is_dead_at_the_end(chances: list[float], status: int) -> None:
    delivery, now, pauses = WAITING, 1_000, []
    for chance in chances:
        delivery = noted(delivery, 0, "The connection was refused.", now, chance)
        pauses.append(delivery.next_ms - now)
        now = delivery.next_ms
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, WEBHOOK_TRIES)
    assert all(longer > shorter for shorter, longer in pairwise(pauses[:-1]))
    after = noted(WAITING, status, "", now, chances[0])
    assert (after.state is DeliveryState.DELIVERED) == (200 <= status < 300) == (after.error == "")


@given(st.integers(1, WEBHOOK_TRIES), CHANCES)
def test_a_pause_varies_by_a_quarter_at_most(attempts: int, chance: float) -> None:
    middle = 2_000 * 4 ** (attempts - 1)
    assert 0.75 * middle - 1 <= pause_ms(attempts, chance) <= 1.25 * middle


@given(st.binary(), st.binary(), st.binary(), st.integers(0, 1 << 40))
def test_a_signature_holds_secret_time_and_body_together(secret: bytes, other: bytes, body: bytes, at_s: int) -> None:
    sign = signature(b"s" + secret, body, at_s)
    assert headers(WAITING, b"s" + secret, body, at_s)["Budwood-Signature"] == f"t={at_s},v1={sign}"
    assert signature(b"s" + secret, body, at_s + 1) != sign
    assert signature(b"t" + other, body, at_s) != sign
    assert (signature(b"s" + secret, other, at_s) == sign) == (other == body)


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_message_is_ascii_json_whatever_the_entry_says(subject: str, body: dict[str, str | int | None]) -> None:
    entry = LedgerEntry(5, 6, "mara", "version.pushed", subject, body, "risk")
    said = json.loads(message(entry).decode("ascii"))
    assert (said["subject"], said["body"], said["sequence"]) == (subject, body, 5)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@example.com/",
        "https://10.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://0x7f.1/",
        "http://example.com/",
        "ftp://example.com/",
        "https://example.com:22/",
        "https://example.com/#x",
        "https://example.com/\r\nX: y",
    ],
)
def test_an_address_nothing_is_sent_to_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadValue) as refused:
        check_address(url)
    assert url not in refused.value.message + refused.value.hint
