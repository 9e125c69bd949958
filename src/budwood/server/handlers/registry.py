"""The registry as a whole: its ledger, its figures, its upkeep."""

from typing import Final

from budwood.domain.asks import LedgerPage, RebuiltIndex
from budwood.domain.results import Swept, Usage, Verified
from budwood.domain.routes import registry
from budwood.errors import BadValue
from budwood.server.ask import Ask, Call, Mode
from budwood.verbs import browse
from budwood.verbs.rebuild import rebuild_index
from budwood.verbs.stats import stats
from budwood.verbs.sweep import sweep
from budwood.verbs.verify import verify

LONGEST_GRACE_S: Final = 10 * 366 * 24 * 3_600


def ledger(ask: Ask) -> LedgerPage:
    asked = ask.query
    entries = tuple(browse.ledger(ask.house, after=asked.after, limit=asked.limit, subject=asked.subject))
    return LedgerPage(entries, entries[-1].sequence if len(entries) == asked.limit else 0)


def figures(ask: Ask) -> Usage:
    return stats(ask.whole)


def check(ask: Ask) -> Verified:
    return verify(ask.whole, read_data=ask.body.read_data)


def free(ask: Ask) -> Swept:
    grace_s = ask.service.grace_s if ask.body.grace_s is None else ask.body.grace_s
    if not 0 <= grace_s <= LONGEST_GRACE_S:
        raise BadValue(f"grace_s is from 0 to {LONGEST_GRACE_S}, not {grace_s}.")
    return sweep(ask.whole, dry_run=ask.body.dry_run, grace_s=grace_s)


def index_anew(ask: Ask) -> RebuiltIndex:
    return RebuiltIndex(rebuild_index(ask.whole))


HANDLERS: Final = {
    registry.LEDGER.name: Call(ledger),
    registry.STATS.name: Call(figures, Mode.LONG),
    registry.VERIFY.name: Call(check, Mode.LONG),
    registry.SWEEP.name: Call(free, Mode.DEED),
    registry.REBUILD.name: Call(index_anew, Mode.DEED),
}
