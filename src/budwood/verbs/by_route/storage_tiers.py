"""Storage tiers, by route."""

import time
from typing import Final

from budwood.domain import asks_storage_tiers as asks
from budwood.domain.limits import TIER_RUN_S
from budwood.domain.results import Verified
from budwood.domain.routes import storage_tiers as routes
from budwood.domain.storage_tiers.values import Costs, TieringRecord, TierPlan, TierRun
from budwood.errors import BadValue
from budwood.verbs.browse import get
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.mend import verify_and_mend
from budwood.verbs.tiers import costs, plan, policies, worker
from budwood.verbs.tiers.pace import Pace


def _policy(asked: Asked) -> TieringRecord:
    return policies.show_tiering(asked.whole, asked.holes["namespace"])


def _put(asked: Asked) -> TieringRecord:
    namespace = asked.holes["namespace"]
    return policies.put_tiering(asked.whole, namespace, asked.body.text, expected=asked.expected)


def _plan(asked: Asked) -> TierPlan:
    return plan.plan_tiers(asked.whole, asked.holes["namespace"])


def _costs(asked: Asked) -> Costs:
    return costs.costs(asked.whole, asked.holes["namespace"])


def _used(asked: Asked) -> bool:
    return policies.note_use(asked.whole, get(asked.house, asked.reference))


def _run(asked: Asked) -> TierRun:
    said: asks.RunTiers = asked.body
    if not 0 <= said.seconds <= TIER_RUN_S:
        raise BadValue(f"seconds is from 0 to {TIER_RUN_S}, not {said.seconds}.")
    pace = Pace(until=time.monotonic() + (said.seconds or TIER_RUN_S))
    return worker.run_tiers(asked.whole, pace, take_over=said.take_over, prints=said.prints)


def _pause(asked: Asked) -> str:
    return worker.pause(asked.whole, asked.body.reason)


def _resume(asked: Asked) -> str:
    return worker.resume(asked.whole)


def _mend(asked: Asked) -> Verified:
    return verify_and_mend(asked.whole, read_data=asked.body.read_data)


def _mark(shown: TieringRecord) -> str:
    return policies.tiering_mark(shown)


DEEDS: Final = {
    routes.POLICY.name: Deed(_policy),
    routes.PUT_POLICY.name: Deed(_put, mark=_mark),
    routes.PLAN.name: Deed(_plan, long=True),
    routes.COSTS.name: Deed(_costs, long=True),
    routes.USED.name: Deed(_used, made=asks.NotedUse),
    routes.RUN.name: Deed(_run, several=True),
    routes.PAUSE.name: Deed(_pause, made=asks.TiersPaused),
    routes.RESUME.name: Deed(_resume, made=asks.TiersPaused),
    routes.MEND.name: Deed(_mend, several=True),
}
