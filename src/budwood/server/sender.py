"""Sends the deliveries of webhooks: each at least once, however many processes and hosts look for work.

One thread looks each second for what is due and claims it in a transaction: a claim moves the next try beyond the
time that sending may take, so that nobody else sends the same meanwhile, and what was claimed by a process that died
comes due again by itself. ``WEBHOOKS_AT_ONCE`` threads send. A webhook has one message under way in each process, and
rests for a moment after a failure, longer after each more: receivers that do not answer leave room for those that do.
What becomes of a delivery is no change of the registry and is not in the ledger, or each would cause the next.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain import listing_events
from budwood.domain.limits import DELIVERIES_KEPT_S, FETCH_S, WEBHOOKS_AT_ONCE
from budwood.domain.people import Delivery, DeliveryState, Webhook, WebhookKind
from budwood.domain.records import LedgerEntry
from budwood.domain.webhooks import headers, keyed_headers, message, noted
from budwood.errors import BadValue, BudwoodError, TargetUnreachable
from budwood.server.outgoing import Outgoing
from budwood.verbs.house import House
from budwood.verbs.listings.told import listed_message
from budwood.verbs.openlineage import openlineage_message
from budwood.verbs.webhooks import delivery_of

LOOKING_S: Final = 1.0
FORGETTING_MS: Final = 600_000
CLAIM_MS: Final = 3 * FETCH_S * 1000
REST_MOST_MS: Final = 60_000
_LOG: Final = logging.getLogger("budwood.sender")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is to be sent where; nobody else sends it until ``delivery.next_ms``."""

    delivery: Delivery
    webhook: Webhook
    secret: bytes = field(repr=False)
    entry: LedgerEntry
    body: bytes


@dataclass(frozen=True, slots=True)
class _Rest:
    """A webhook that failed so many times in a row is left alone until then."""

    failures: int
    until_ms: int


class Sender:
    """``start`` it once; ``stop`` tells it to end, and ``close`` waits until what is under way has ended.

    ``chance`` gives numbers from 0 to 1.
    """

    def __init__(self, house: House, outgoing: Outgoing, chance: Callable[[], float]) -> None:
        self._house = house
        self._outgoing = outgoing
        self._chance = chance
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._rests: dict[int, _Rest] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._forgot_ms = 0
        self._pool = ThreadPoolExecutor(WEBHOOKS_AT_ONCE, "budwood-send")
        self._thread = threading.Thread(target=self._run, name="budwood-sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self._wake.set()

    def close(self) -> None:
        """At most as long as one message may take."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown()

    def look(self) -> int:
        """Claim what is due, as far as there is room, and begin to send it; how many."""
        with self._lock:
            now_ms = self._house.clock()
            resting = {each for each, rest in self._rests.items() if rest.until_ms > now_ms}
            busy = resting | self._under_way
            room = WEBHOOKS_AT_ONCE - len(self._under_way)
        claimed = self._claim(busy, room) if room else []
        with self._lock:
            self._under_way |= {each.webhook.id for each in claimed}
        for each in claimed:
            self._pool.submit(self._deliver, each)
        return len(claimed)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self.look()
                self._forget()
            except BudwoodError as error:
                # Whoever needs the catalog meanwhile hears of it; here, next time will do.
                _LOG.warning("deliveries wait: %s", error)
            except Exception:
                _LOG.exception("deliveries wait")
            self._wake.wait(LOOKING_S)

    def _claim(self, busy: set[int], room: int) -> list[Claimed]:
        now_ms = self._house.clock()
        with self._house.catalog.read() as view:
            if not view.due_deliveries(now_ms=now_ms, limit=1, without=busy):
                return []

        def work(transaction: Transaction) -> list[Claimed]:
            claimed: list[Claimed] = []
            taken = set(busy)
            while len(claimed) < room:
                due = transaction.due_deliveries(now_ms=now_ms, limit=1, without=taken)
                if not due:
                    break
                taken.add(due[0].webhook_id)
                claimed += _claim_one(transaction, due[0], now_ms)
            return claimed

        return self._house.catalog.write(work)

    def _deliver(self, claimed: Claimed) -> None:
        """Send one and note what came of it. What cannot be noted comes due again."""
        failed = True
        try:
            after = self._sent(claimed)
            failed = after.state is not DeliveryState.DELIVERED
            self._house.catalog.write(lambda transaction: _note(transaction, claimed.delivery, after))
        except BudwoodError as error:
            _LOG.warning("what came of delivery %d is not noted: %s", claimed.delivery.id, error)
        except Exception:
            _LOG.exception("delivery %d failed", claimed.delivery.id)
        finally:
            self._done(claimed.webhook.id, failed=failed)

    def _sent(self, claimed: Claimed) -> Delivery:
        status, error = 0, ""
        body = claimed.body
        now_s = self._house.clock() // 1000
        match claimed.webhook.kind:
            case WebhookKind.OPENLINEAGE:
                fields = keyed_headers(claimed.delivery, claimed.secret)
            case WebhookKind.MLFLOW:
                fields = listing_events.headers(claimed.delivery, claimed.secret, body, now_s)
            case WebhookKind.LEDGER:
                fields = headers(claimed.delivery, claimed.secret, body, now_s)
        try:
            status = self._outgoing.send(claimed.webhook.url, headers=fields, body=body).status
        except (TargetUnreachable, BadValue) as refused:
            error = refused.message
        return noted(claimed.delivery, status, error, self._house.clock(), self._chance())

    def _done(self, webhook_id: int, *, failed: bool) -> None:
        with self._lock:
            self._under_way.discard(webhook_id)
            before = self._rests.pop(webhook_id, _Rest(0, 0))
            if failed:
                rest_ms = min(REST_MOST_MS, 1000 << min(before.failures, 10))
                self._rests[webhook_id] = _Rest(before.failures + 1, self._house.clock() + rest_ms)
        self._wake.set()

    def _forget(self) -> None:
        now_ms = self._house.clock()
        if now_ms - self._forgot_ms < FORGETTING_MS:
            return
        before_ms = now_ms - DELIVERIES_KEPT_S * 1000
        while not self._stopping and self._house.catalog.write(
            lambda transaction: transaction.forget_deliveries(before_ms=before_ms)
        ):
            pass
        with self._lock:
            # Of webhooks that are gone, too.
            self._rests = {each: rest for each, rest in self._rests.items() if rest.until_ms > now_ms - FORGETTING_MS}
        self._forgot_ms = now_ms


def _claim_one(transaction: Transaction, due: Delivery, now_ms: int) -> list[Claimed]:
    """It alone, or nothing when its entry is not there (a ledger that was restored from an older backup)."""
    webhook = transaction.webhook(due.webhook_id)
    secret = transaction.webhook_secret(due.webhook_id)
    assert webhook is not None, "a delivery goes with its webhook"
    assert secret is not None
    entries = transaction.ledger(after=due.sequence - 1, limit=1)
    found = entries[0] if entries and entries[0].sequence == due.sequence else None
    body = _message(transaction, webhook, found) if found is not None else None
    if found is not None and body is None and webhook.kind is WebhookKind.MLFLOW:
        # Its entries tell of more than it wants, or of what is gone: there is nothing to send.
        transaction.change_delivery(replace(due, state=DeliveryState.DELIVERED, next_ms=0))
        return []
    if found is None or body is None:
        why = "Its entry is not in the ledger." if found is None else "What it speaks of is gone."
        transaction.change_delivery(replace(due, state=DeliveryState.DEAD, next_ms=0, error=why))
        return []
    claimed = replace(due, next_ms=now_ms + CLAIM_MS)
    transaction.change_delivery(claimed)
    return [Claimed(claimed, webhook, secret, found, body)]


def _message(transaction: Transaction, webhook: Webhook, entry: LedgerEntry) -> bytes | None:
    match webhook.kind:
        case WebhookKind.OPENLINEAGE:
            return openlineage_message(transaction, entry)
        case WebhookKind.MLFLOW:
            return listed_message(transaction, webhook, entry)
        case WebhookKind.LEDGER:
            return message(entry)


def _note(transaction: Transaction, claimed: Delivery, after: Delivery) -> None:
    """Unless it was asked for again, claimed anew or removed meanwhile."""
    found = delivery_of(transaction, claimed.webhook_id, claimed.id)
    if found == claimed:
        transaction.change_delivery(after)
