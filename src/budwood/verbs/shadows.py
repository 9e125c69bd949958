"""Taking in what gateways captured of copied requests: pairs are joined, compared and counted, each once.

One transaction takes a piece of a log, joins what it can with what waited, adds the pairs to the tally of the rollout
that copies, lists where they differ, and moves the gateway's position on. A side whose other half has not come yet is
kept, redacted, until it does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction
from budwood.domain.compared.captures import (
    Capture,
    Disagreement,
    Pair,
    Side,
    disagreement,
    judged,
    read_captures,
    without,
)
from budwood.domain.limits import CAPTURE_WAIT_S, CAPTURES_WAITING, DISAGREEMENTS_KEPT, LOG_BATCH_BYTES
from budwood.domain.rollout.records import Rollout
from budwood.domain.rollout.tally import Request, copied, paired
from budwood.domain.traffic.records import GatewayRecord
from budwood.errors import LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.logs_sent import ANY, Sent, moved_on
from budwood.verbs.rollout_text import plan_from
from budwood.verbs.routing import endpoint_named


@dataclass(frozen=True, slots=True)
class TakenCaptures:
    """How far the log was taken in, and what was in this piece."""

    log: str
    read: int
    pairs: int = 0
    garbled: int = 0


def take_captures(house: House, gateway: str, log: str, start: int, content: bytes, sent: Sent = ANY) -> TakenCaptures:
    """Whole lines of a gateway's captures, from a position on. Where that is not the next one, nothing is taken.

    Raises LimitExceeded.
    """
    if len(content) > LOG_BATCH_BYTES:
        raise LimitExceeded(f"A piece of a log has at most {LOG_BATCH_BYTES} bytes.", limit="LOG_BATCH_BYTES")
    read, now = read_captures(content), house.clock()

    def work(transaction: Transaction) -> TakenCaptures:
        record = transaction.gateway(gateway) or GatewayRecord(gateway)
        begins = record.positions.get(log, 0)
        if start != begins or not content:
            return TakenCaptures(log, begins)
        pairs = 0
        for rollout in transaction.running_rollouts():
            key = f"{rollout.namespace}.{rollout.endpoint}"
            mine = [each for each in read.captures if each.endpoint == key]
            if mine and sent.is_about(key):
                pairs += _count(transaction, rollout, mine)
        transaction.forget_waiting(before_ms=now - CAPTURE_WAIT_S * 1_000)
        end = start + len(content)
        transaction.put_gateway(moved_on(record, log, end, sent, now))
        return TakenCaptures(log, end, pairs, read.garbled)

    return house.catalog.write_behind(work)


def list_disagreements(
    house: House, namespace: str, endpoint: str, rollout_id: int = 0, *, after: int = 0, limit: int = 100
) -> tuple[Disagreement, ...]:
    """Of the newest rollout, or one of them; oldest first. Raises RecordNotFound."""
    with house.catalog.read() as view:
        record = endpoint_named(view, namespace, endpoint)
        found = view.rollouts(record.id, before=rollout_id + 1 if rollout_id else 0, limit=1)
        if not found or (rollout_id and found[0].id != rollout_id):
            raise RecordNotFound(f"{endpoint} has no such rollout.", hint=f"See: budwood rollout list {endpoint}")
        return tuple(view.disagreements(found[0].id, after=after, limit=limit))


def _count(transaction: Transaction, rollout: Rollout, captures: Sequence[Capture]) -> int:
    """How many pairs of the rollout's were joined."""
    kept = _of_rollout(transaction, rollout, captures)
    found = _joined(transaction, rollout, kept)
    transaction.drop_waiting(rollout.endpoint_id, found.done)
    transaction.put_waiting(rollout.endpoint_id, found.waiting[:CAPTURES_WAITING])
    # What another arm answered says nothing of the baseline.
    compared = [pair for pair in found.pairs if pair.baseline.arm == rollout.baseline]
    if not compared:
        return 0
    comparison = plan_from(rollout.plan_text).comparison
    said = [(pair, verdict) for pair in compared if (verdict := judged(comparison, pair)) is not None]
    differ = [(pair, verdict.detail) for pair, verdict in said if not verdict.agrees]
    counted = transaction.counted(rollout.id)
    tally = paired(counted.tally, len(said), len(differ))
    tally = copied(tally, (request for pair in compared for request in _requests(pair)))
    tally = replace(tally, garbled=tally.garbled + len(compared) - len(said))
    transaction.put_counted(rollout.id, replace(counted, tally=tally))
    room = max(0, DISAGREEMENTS_KEPT - counted.tally.disagreed)
    first = counted.tally.disagreed + 1
    listed = [disagreement(number, pair, detail) for number, (pair, detail) in enumerate(differ[:room], first)]
    transaction.add_disagreements(rollout.id, listed)
    return len(compared)


def _of_rollout(transaction: Transaction, rollout: Rollout, captures: Iterable[Capture]) -> list[Capture]:
    """Those of its own steps, without what must not be kept."""
    routings = {each: transaction.routing(rollout.endpoint_id, each) for each in {one.generation for one in captures}}
    kept = []
    for capture in captures:
        routing = routings[capture.generation]
        if routing is not None and routing.rollout_id == rollout.id and routing.shadow is not None:
            kept.append(without(capture, routing.body.capture.redact))
    return kept


@dataclass(frozen=True, slots=True)
class _Joined:
    """``waiting`` are the sides whose other half has not come; ``done`` the requests that need wait no more."""

    pairs: list[Pair]
    waiting: list[Capture]
    done: list[str]


def _joined(transaction: Transaction, rollout: Rollout, captures: Iterable[Capture]) -> _Joined:
    half: dict[str, Capture] = {}
    pairs: list[Pair] = []
    joined: list[str] = []
    for capture in captures:
        other = half.pop(capture.request, None)
        if other is None and (other := transaction.waiting(rollout.endpoint_id, capture.request)) is not None:
            joined.append(capture.request)
        if other is None or other.side is capture.side:
            half[capture.request] = capture
            continue
        both = (capture, other) if capture.side is Side.BASELINE else (other, capture)
        pairs.append(Pair(*both))
    return _Joined(pairs, list(half.values()), joined)


def _requests(pair: Pair) -> Iterable[Request]:
    for capture in (pair.baseline, pair.shadow):
        failed = capture.code >= 500 or capture.code == 0
        if capture.latency_us >= 0:
            yield Request(capture.at_ms, capture.side is Side.SHADOW, failed, capture.latency_us, 0.0)
