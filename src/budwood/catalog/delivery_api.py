"""The part of the catalog's port that speaks of traffic: endpoints and their routings, gateways, rollouts, requests.

A routing is never changed: a new one has the next generation. What an engine writes carries its fence, and is refused
when another engine has taken over.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from budwood.catalog.quotas_api import QuotasTransaction, QuotasView
from budwood.domain.compared.captures import Capture, Disagreement
from budwood.domain.rollout.records import Counted, Rollout, RolloutEvent
from budwood.domain.traffic.records import (
    ClientRecord,
    EndpointRecord,
    GatewayRecord,
    Observation,
    RoutingRecord,
    Served,
)
from budwood.domain.traffic.runs import Pressed, Run


class DeliveryView(QuotasView, Protocol):
    """What can be read about traffic."""

    def endpoint(self, namespace: str, name: str) -> EndpointRecord | None:
        """The one of this name that was not removed."""

    def endpoint_by_id(self, endpoint_id: int) -> EndpointRecord | None:
        """Removed ones too."""

    def endpoints(self, namespace: str) -> Sequence[EndpointRecord]:
        """Those not removed, by name."""

    def generations(self) -> Mapping[int, int]:
        """The newest generation of every endpoint that was not removed, by its id."""

    def routing(self, endpoint_id: int, generation: int) -> RoutingRecord | None: ...
    def routing_at(self, endpoint_id: int, at_ms: int) -> RoutingRecord | None:
        """What was in force at a moment."""

    def routings(self, endpoint_id: int, *, before: int = 0, limit: int = 100) -> Sequence[RoutingRecord]:
        """Newest first, with generations below ``before`` when it is not 0."""

    def clients(self, endpoint_id: int) -> Sequence[ClientRecord]:
        """Who may ask it by key, by name."""

    def client_keys(self) -> Mapping[int, Mapping[str, str]]:
        """Clients' names by their keys, by endpoint, of every endpoint. For the control plane alone."""

    def gateways(self) -> Sequence[GatewayRecord]:
        """By name."""

    def gateway(self, name: str) -> GatewayRecord | None: ...
    def taken(self, gateway: str) -> Mapping[int, int]:
        """The generations of what a gateway has taken, by endpoint."""

    def takers(self, endpoint_id: int) -> Mapping[str, int]:
        """The generation that each gateway has of an endpoint, by gateway."""

    def rollout(self, rollout_id: int) -> Rollout | None: ...
    def running_rollouts(self) -> Sequence[Rollout]:
        """Of every namespace, oldest first."""

    def rollouts(self, endpoint_id: int, *, before: int = 0, limit: int = 100) -> Sequence[Rollout]:
        """Newest first, with ids below ``before`` when it is not 0."""

    def rollout_events(self, rollout_id: int) -> Sequence[RolloutEvent]:
        """Oldest first."""

    def counted(self, rollout_id: int) -> Counted: ...
    def served(self, request: str) -> Served | None:
        """The first record that came of it."""

    def served_runs(self, *, limit: int) -> Sequence[Run]:
        """Newest first."""

    def served_slots(self, run_id: int) -> Sequence[bytes]:
        """In order."""

    def waiting(self, endpoint_id: int, request: str) -> Capture | None:
        """The side of a pair that waits for the other."""

    def disagreements(self, rollout_id: int, *, after: int = 0, limit: int = 100) -> Sequence[Disagreement]:
        """Oldest first."""

    def observations(self, endpoint_id: int, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Observation]]:
        """In the order they came, each with its number."""


class DeliveryTransaction(QuotasTransaction, Protocol):
    """What can be changed about traffic."""

    def add_endpoint(self, endpoint: EndpointRecord) -> EndpointRecord:
        """The endpoint with its id."""

    def change_endpoint(self, endpoint: EndpointRecord) -> None:
        """Its text, its generation, and whether it was removed."""

    def add_routing(self, routing: RoutingRecord) -> None:
        """Raises AssertionError when the generation is there already."""

    def add_client(self, client: ClientRecord, key: str) -> None:
        """Raises AssertionError when the endpoint has one of this name."""

    def remove_client(self, endpoint_id: int, name: str) -> bool:
        """Whether it was there."""

    def put_gateway(self, gateway: GatewayRecord) -> None:
        """Made or changed."""

    def remove_gateway(self, name: str) -> None:
        """With what it has taken."""

    def put_taken(self, gateway: str, generations: Mapping[int, int]) -> None:
        """The generations that it has of these endpoints; of others it has what it had."""

    def drop_taken(self, gateway: str, endpoint_ids: Collection[int] | None = None) -> None:
        """It has nothing of these endpoints any more, or of any."""

    def add_rollout(self, rollout: Rollout) -> Rollout:
        """The rollout with its id."""

    def change_rollout(self, rollout: Rollout) -> bool:
        """Its progress, state and fence, unless the row's fence is higher: then nothing, and False."""

    def add_rollout_event(self, event: RolloutEvent) -> RolloutEvent:
        """The event with its number."""

    def put_counted(self, rollout_id: int, counted: Counted) -> None: ...
    def add_served(self, served: Pressed) -> None:
        """A run after all that are there."""

    def gather_served(self, runs: Sequence[Run], whole: Pressed) -> bool:
        """``whole`` in the place of these runs, which lie side by side; False when one of them changed meanwhile."""

    def forget_served(self, *, before_ms: int, limit: int = 100) -> int:
        """Runs that ended before; how many went."""

    def put_waiting(self, endpoint_id: int, captures: Sequence[Capture]) -> None: ...
    def drop_waiting(self, endpoint_id: int, requests: Sequence[str]) -> None: ...
    def forget_waiting(self, *, before_ms: int, limit: int = 10_000) -> int:
        """How many rows went."""

    def add_disagreements(self, rollout_id: int, disagreements: Sequence[Disagreement]) -> None:
        """Each has its number."""

    def add_observations(self, endpoint_id: int, observations: Sequence[Observation]) -> None: ...
