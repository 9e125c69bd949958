"""Where the bytes of versions lie, and what that costs: ``registry.tiers``.

registry.tiers.put_policy(Path("tiering.yaml").read_text())
registry.tiers.plan().rows
registry.tiers.run()
registry.tiers.costs().total
"""

from budwood.client.place import Place
from budwood.domain import asks_storage_tiers as asks
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.routes import storage_tiers as routes
from budwood.domain.storage_tiers.values import TIME_OVER, Brought, Costs, TieringRecord, TierPlan, TierRun


class Tiers:
    """Hot is whole and near, warm is small and near, cold is smallest and in the cold store. Only bytes move."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def policy(self, namespace: str = DEFAULT_NAMESPACE) -> TieringRecord:
        """The policy in force, as it was written; number 0 where there never was one. Raises NamespaceNotFound."""
        record: TieringRecord = self._place.ask(routes.POLICY, {"namespace": namespace})
        return record

    def put_policy(self, text: str, namespace: str = DEFAULT_NAMESPACE) -> TieringRecord:
        """Put a policy in force; ``text`` is YAML, and "" takes it away. Nothing moves before the next run.

        Raises BadPolicy, LimitExceeded, NamespaceNotFound, Forbidden.
        """
        body = asks.PutTiering(text)
        record: TieringRecord = self._place.ask(routes.PUT_POLICY, {"namespace": namespace}, body=body)
        return record

    def plan(self, namespace: str = DEFAULT_NAMESPACE) -> TierPlan:
        """Where each version is and belongs, why, and what a run would write anew. Raises NamespaceNotFound."""
        plan: TierPlan = self._place.ask(routes.PLAN, {"namespace": namespace})
        return plan

    def run(self, *, seconds: float = 0.0, take_over: bool = False, prints: bool = False) -> TierRun:
        """Bring versions of all namespaces to where they belong: until all are there, or for so many seconds.

        ``take_over`` ends the work of another worker. ``prints``: afterwards make those that versions lack which were
        pushed before there were any, so that copies of them are found from then on.

        Raises RegistryBusy, LeaseLost, StorageFull, Forbidden.
        """
        done: list[Brought] = []
        spent_s, printed = 0.0, 0
        while True:
            body = asks.RunTiers(seconds, take_over, prints)
            run: TierRun = self._place.ask(routes.RUN, body=body)
            done += run.versions
            spent_s += run.seconds
            printed += run.printed
            if seconds or run.stopped != TIME_OVER:
                return TierRun(tuple(done), run.left, run.stopped, spent_s, printed)

    def pause(self, reason: str = "") -> str:
        """Let the work rest until it is resumed, whoever does it; who said so, and why."""
        said: asks.TiersPaused = self._place.ask(routes.PAUSE, body=asks.PauseTiers(reason))
        return said.said

    def resume(self) -> None:
        """Let it go on."""
        self._place.ask(routes.RESUME)

    def costs(self, namespace: str = DEFAULT_NAMESPACE) -> Costs:
        """What each version costs a month, by the policy's prices. Raises NamespaceNotFound."""
        costs: Costs = self._place.ask(routes.COSTS, {"namespace": namespace})
        return costs
