"""The part of the catalog's conformance suite about traffic: endpoints, routings, gateways, rollouts, requests."""

from dataclasses import replace

from budwood.catalog.api import Catalog
from budwood.domain.compared.captures import Capture, Disagreement, Side
from budwood.domain.rollout.next_action import Progress
from budwood.domain.rollout.records import Counted, Rollout, RolloutEvent, RolloutState
from budwood.domain.rollout.tally import Request, Tally, Users, fold
from budwood.domain.traffic.endpoint import Arm, Backend, Endpoint, Shadow, Sticky
from budwood.domain.traffic.records import (
    ClientRecord,
    EndpointRecord,
    GatewayRecord,
    Observation,
    RoutingRecord,
    Served,
)
from budwood.domain.traffic.runs import gathered, pressed
from budwood.domain.traffic.segments import first_table

BODY = Endpoint(
    "default", "fraud", "fraud", "stable", (Arm("stable", 1, "ab" * 32, (Backend("h", 1),)),), sticky=Sticky("x", "s")
)
ROLLOUT = Rollout(
    *(0, 0, "default", "fraud", "careful", "text", "d1", "canary", 2, "cd" * 32, "stable", 1, "champion", "mara", 5),
    Progress(0, 5),
)


class DeliverySuite:
    """Needs the fixture ``catalog``."""

    def test_an_endpoints_name_is_free_again_when_it_was_removed(self, catalog: Catalog) -> None:
        first = _endpoint(catalog)
        with catalog.read() as view:
            assert view.endpoint("default", "fraud") == first
            assert view.endpoint("elsewhere", "fraud") is None
            assert list(view.endpoints("default")) == [first]
        gone = replace(first, removed_ms=9)
        catalog.write(lambda transaction: transaction.change_endpoint(gone))
        second = _endpoint(catalog)
        assert second.id > first.id
        with catalog.read() as view:
            assert view.endpoint("default", "fraud") == second
            assert view.endpoint_by_id(first.id) == gone

    def test_what_was_in_force_at_a_moment_is_told(self, catalog: Catalog) -> None:
        endpoint = _endpoint(catalog)
        made = [_routed(catalog, endpoint, generation, at_ms) for generation, at_ms in ((1, 10), (2, 20), (3, 20))]
        with catalog.read() as view:
            assert view.routing_at(endpoint.id, 9) is None
            assert view.routing_at(endpoint.id, 19) == made[0]
            assert view.routing_at(endpoint.id, 20) == made[2]
            assert view.routing(endpoint.id, 2) == made[1]
            assert list(view.routings(endpoint.id, limit=2)) == [made[2], made[1]]
            assert list(view.routings(endpoint.id, before=2)) == [made[0]]
            assert view.generations() == {endpoint.id: 3}
        with catalog.read() as view:
            newest = view.endpoint("default", "fraud")
        assert newest is not None
        catalog.write(lambda transaction: transaction.change_endpoint(replace(newest, removed_ms=30)))
        with catalog.read() as view:
            assert view.generations() == {}

    def test_a_gateway_is_kept_as_it_last_said(self, catalog: Catalog) -> None:
        for seen in (5, 7):
            gateway = GatewayRecord("edge-1", "10.0.0.1", seen, True, {"routes": "ab"}, {"listener": "no"})
            gateway = replace(gateway, account="edge", positions={"ab12": seen}, lost=3)
            catalog.write(lambda transaction: transaction.put_gateway(gateway))  # noqa: B023 used at once
        with catalog.read() as view:
            assert list(view.gateways()) == [gateway]
            assert (view.gateway("edge-1"), view.gateway("edge")) == (gateway, None)
        catalog.write(lambda transaction: transaction.remove_gateway("edge-1"))
        with catalog.read() as view:
            assert list(view.gateways()) == []

    def test_what_gateways_have_taken_is_kept_endpoint_by_endpoint(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.put_gateway(GatewayRecord("edge-1")))
        for name, generations in (("edge-1", {3: 1, 4: 7}), ("edge-2", {3: 2}), ("edge-1", {3: 5})):
            catalog.write(lambda transaction: transaction.put_taken(name, generations))  # noqa: B023 used at once
        with catalog.read() as view:
            assert view.taken("edge-1") == {3: 5, 4: 7}
            assert (view.takers(3), view.takers(5)) == ({"edge-1": 5, "edge-2": 2}, {})
        catalog.write(lambda transaction: transaction.drop_taken("edge-1", [3, 9]))
        with catalog.read() as view:
            assert (view.taken("edge-1"), view.taken("edge-2")) == ({4: 7}, {3: 2})
        catalog.write(lambda transaction: transaction.remove_gateway("edge-1"))
        catalog.write(lambda transaction: transaction.drop_taken("edge-2"))
        with catalog.read() as view:
            assert view.taken("edge-1") == view.taken("edge-2") == {}

    def test_a_stale_engine_writes_nothing(self, catalog: Catalog) -> None:
        endpoint = _endpoint(catalog)
        rollout = catalog.write(lambda transaction: transaction.add_rollout(replace(ROLLOUT, endpoint_id=endpoint.id)))
        fenced = replace(rollout, fence=3)
        assert catalog.write(lambda transaction: transaction.change_rollout(fenced))
        stale = replace(rollout, fence=2, progress=Progress(4, 9))
        assert not catalog.write(lambda transaction: transaction.change_rollout(stale))
        with catalog.read() as view:
            assert view.rollout(rollout.id) == fenced
            assert list(view.running_rollouts()) == [fenced]
        ended = replace(fenced, state=RolloutState.PROMOTED, ended_ms=12)
        assert catalog.write(lambda transaction: transaction.change_rollout(ended))
        with catalog.read() as view:
            assert list(view.running_rollouts()) == []
            assert list(view.rollouts(endpoint.id)) == [ended]
            assert list(view.rollouts(endpoint.id, before=rollout.id)) == []

    def test_events_are_numbered_in_order(self, catalog: Catalog) -> None:
        for kind in ("started", "shifted"):
            event = RolloutEvent(7, 0, 5, "mara", kind, "because", 1, 2)
            catalog.write(lambda transaction: transaction.add_rollout_event(event))  # noqa: B023 used at once
        with catalog.read() as view:
            assert [(each.number, each.kind) for each in view.rollout_events(7)] == [(1, "started"), (2, "shifted")]

    def test_a_tally_reads_back_exactly(self, catalog: Catalog) -> None:
        requests = [Request(at, at % 3 == 0, at % 5 == 0, 1_000 + at, 0.3) for at in range(5_000)]
        counted = Counted(fold(Tally(), requests, Users()), bytes(range(256)), 12_345)
        catalog.write(lambda transaction: transaction.put_counted(7, Counted()))
        catalog.write(lambda transaction: transaction.put_counted(7, counted))
        with catalog.read() as view:
            assert view.counted(7) == counted
            assert view.counted(8) == Counted()

    def test_clients_are_listed_without_their_keys(self, catalog: Catalog) -> None:
        made = [ClientRecord(3, name, "mara", 5) for name in ("acme", "zeta")]
        for number, client in enumerate(made):
            catalog.write(lambda transaction: transaction.add_client(client, f"key-{number}"))  # noqa: B023 used at once
        other = ClientRecord(4, "acme", "mara", 5)
        catalog.write(lambda transaction: transaction.add_client(other, "key-2"))
        with catalog.read() as view:
            assert list(view.clients(3)) == made
            assert view.client_keys() == {3: {"key-0": "acme", "key-1": "zeta"}, 4: {"key-2": "acme"}}
        assert catalog.write(lambda transaction: transaction.remove_client(3, "acme"))
        assert not catalog.write(lambda transaction: transaction.remove_client(3, "acme"))
        with catalog.read() as view:
            assert list(view.clients(3)) == made[1:]
            assert list(view.clients(4)) == [other]

    def test_which_version_answered_is_told_until_it_is_forgotten(self, catalog: Catalog) -> None:
        served = [Served(f"request-{at}", at, 1, 2, 3, 200, 1_500) for at in range(10)]
        for each in served:
            catalog.write(lambda transaction: transaction.add_served(pressed([each])))  # noqa: B023 at once
        with catalog.read() as view:
            assert view.served("request-4") == served[4]
            assert view.served("request-x") is None
        assert catalog.write(lambda transaction: transaction.forget_served(before_ms=5, limit=3)) == 3
        assert catalog.write(lambda transaction: transaction.forget_served(before_ms=5)) == 2
        with catalog.read() as view:
            assert view.served("request-4") is None
            assert view.served("request-5") == served[5]

    def test_runs_are_gathered_in_their_place_unless_somebody_did_it_meanwhile(self, catalog: Catalog) -> None:
        claims = [Served("a", 1, 1, 1, 1, 200, 1), Served("b", 2, 1, 1, 1, 200, 1), Served("a", 3, 9, 9, 9, 500, 9)]
        for each in claims:
            catalog.write(lambda transaction: transaction.add_served(pressed([each])))  # noqa: B023 at once
        with catalog.read() as view:
            newest = view.served_runs(limit=10)
            runs = newest[:0:-1]
            assert [run.requests for run in runs] == [1, 1]
            whole = gathered(runs, [slot for run in runs for slot in view.served_slots(run.id)])
        assert catalog.write(lambda transaction: transaction.gather_served(runs, whole))
        assert not catalog.write(lambda transaction: transaction.gather_served(runs, whole))
        with catalog.read() as view:
            assert [run.requests for run in view.served_runs(limit=10)] == [1, 2]
            assert view.served_runs(limit=1)[0] == newest[0]
            assert [view.served(each) for each in "ab"] == claims[:2]

    def test_observations_are_read_on_from_where_one_stopped(self, catalog: Catalog) -> None:
        seen = [
            Observation("bought", f"u{number}", number, 0.1 * number, number == 2, number, {"land": "de"})
            for number in range(5)
        ]
        catalog.write(lambda transaction: transaction.add_observations(4, seen))
        with catalog.read() as view:
            first = view.observations(4, limit=2)
            rest = view.observations(4, after=first[-1][0])
            assert [each for _, each in (*first, *rest)] == seen
            assert list(view.observations(5)) == []

    def test_one_side_of_a_pair_waits_for_the_other(self, catalog: Catalog) -> None:
        sides = [Capture(Side.SHADOW, at, f"r{at}", "default.fraud", 3, "canary", 200, 5, "{}", "é") for at in range(4)]
        for _ in range(2):
            catalog.write(lambda transaction: transaction.put_waiting(4, sides))
        with catalog.read() as view:
            assert view.waiting(4, "r1") == sides[1]
            assert view.waiting(5, "r1") is None
        catalog.write(lambda transaction: transaction.drop_waiting(4, ["r1"]))
        assert catalog.write(lambda transaction: transaction.forget_waiting(before_ms=3)) == 2
        with catalog.read() as view:
            assert [view.waiting(4, f"r{at}") for at in range(4)] == [None, None, None, sides[3]]

    def test_disagreements_are_read_in_order(self, catalog: Catalog) -> None:
        kept = [Disagreement(number, 5, f"r{number}", "1 became 2", "{}", "1", "2") for number in range(1, 5)]
        catalog.write(lambda transaction: transaction.add_disagreements(7, kept))
        with catalog.read() as view:
            assert list(view.disagreements(7, limit=2)) == kept[:2]
            assert list(view.disagreements(7, after=2)) == kept[2:]
            assert list(view.disagreements(8)) == []


def _endpoint(catalog: Catalog) -> EndpointRecord:
    made = EndpointRecord(0, "default", "fraud", "text", "mara", 5)
    return catalog.write(lambda transaction: transaction.add_endpoint(made))


def _routed(catalog: Catalog, endpoint: EndpointRecord, generation: int, at_ms: int) -> RoutingRecord:
    table = first_table({"stable": 10_000})
    routing = RoutingRecord(
        endpoint.id, generation, at_ms, "mara", "why", BODY, table, generation == 2, Shadow("stable", 100), 7
    )
    catalog.write(lambda transaction: transaction.add_routing(routing))
    catalog.write(lambda transaction: transaction.change_endpoint(replace(endpoint, generation=generation)))
    return routing
