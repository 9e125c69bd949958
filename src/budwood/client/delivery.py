"""Endpoints and rollouts: ``registry.endpoints`` and ``registry.rollouts``. The same over HTTP and in a folder.

registry.endpoints.put(Path("fraud.yaml").read_text())
registry.endpoints.split("fraud", {"stable": 9_500, "canary": 500})
registry.rollouts.start("fraud", "fraud-detector@v2", Path("careful.yaml").read_text())
registry.endpoints.back("fraud", "errors went up")
"""

import json
from collections.abc import Mapping, Sequence

from budwood.client.place import Place
from budwood.domain.asks_delivery import (
    AddClient,
    Answered,
    AtMoment,
    EndpointClients,
    EndpointShown,
    EndpointUsage,
    ListRollouts,
    MadeClient,
    PutEndpoint,
    RolloutPage,
    RolloutShown,
    SendBack,
    SetSplit,
    StartRollout,
    Steer,
)
from budwood.domain.asks_observations import (
    AbReport,
    AskReport,
    DisagreementPage,
    ListDisagreements,
    Observe,
    TakenIn,
)
from budwood.domain.asks_serving import Serving
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.routes import delivery as routes
from budwood.domain.routes import observations as told_routes
from budwood.domain.routes.route import Route
from budwood.verbs.endpoints import wanted_from
from budwood.verbs.rollout_text import plan_from


class Endpoints:
    """Where traffic arrives, and which versions answer it."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def put(self, text: str, *, namespace: str = DEFAULT_NAMESPACE, expected: str = "") -> EndpointShown:
        """Make or change an endpoint. ``text`` is YAML; ``expected`` the generation you looked at.

        Raises BadEndpoint, BadSplit, VersionNotFound, GateClosed, PreconditionFailed, RolloutRunning, Forbidden.
        """
        name = wanted_from(text, namespace).name
        return self._ask(routes.PUT, namespace, name, PutEndpoint(text), expected)

    def list(self, namespace: str = DEFAULT_NAMESPACE) -> tuple[EndpointShown, ...]:
        """By name. Raises NamespaceNotFound."""
        found: tuple[EndpointShown, ...] = self._place.ask(routes.LIST, {"namespace": namespace}).endpoints
        return found

    def show(self, name: str, *, namespace: str = DEFAULT_NAMESPACE, at_ms: int = 0) -> EndpointShown:
        """Where it stands, or stood at a moment (milliseconds since the epoch). Raises RecordNotFound."""
        holes = {"namespace": namespace, "endpoint": name}
        found: EndpointShown = self._place.ask(routes.SHOW, holes, query=AtMoment(at_ms))
        return found

    def split(
        self,
        name: str,
        split: Mapping[str, int],
        reason: str = "",
        *,
        namespace: str = DEFAULT_NAMESPACE,
        expected: str = "",
    ) -> EndpointShown:
        """Move traffic: basis points by arm, 10,000 together.

        Raises BadSplit, GateClosed, PreconditionFailed, RolloutRunning, RecordNotFound, Forbidden.
        """
        return self._ask(routes.SPLIT, namespace, name, SetSplit(dict(split), reason), expected)

    def back(self, name: str, reason: str, *, namespace: str = DEFAULT_NAMESPACE) -> EndpointShown:
        """Everything to the baseline at once; nobody is asked. Raises RecordNotFound, Forbidden."""
        return self._ask(routes.BACK, namespace, name, SendBack(reason))

    def remove(self, name: str, *, namespace: str = DEFAULT_NAMESPACE) -> EndpointShown:
        """Its history stays. Raises RecordNotFound, RolloutRunning, Forbidden."""
        holes = {"namespace": namespace, "endpoint": name}
        gone: EndpointShown = self._place.ask(routes.REMOVE, holes)
        return gone

    def usage(self, name: str, *, namespace: str = DEFAULT_NAMESPACE, at_ms: int = 0) -> EndpointUsage:
        """What each tenant used of its tokens in the period that runs, or ran at a moment. Raises RecordNotFound."""
        holes = {"namespace": namespace, "endpoint": name}
        found: EndpointUsage = self._place.ask(routes.USAGE, holes, query=AtMoment(at_ms))
        return found

    def clients(self, name: str, *, namespace: str = DEFAULT_NAMESPACE) -> EndpointClients:
        """Who may ask it by a key, by name. Raises RecordNotFound."""
        found: EndpointClients = self._place.ask(routes.CLIENTS, {"namespace": namespace, "endpoint": name})
        return found

    def add_client(self, name: str, client: str, *, namespace: str = DEFAULT_NAMESPACE) -> MadeClient:
        """Draw a key for a new client; it is told this once.

        Raises RecordNotFound, BadName, BadValue, NameTaken, LimitExceeded, Forbidden.
        """
        holes = {"namespace": namespace, "endpoint": name}
        made: MadeClient = self._place.ask(routes.ADD_CLIENT, holes, body=AddClient(client))
        return made

    def remove_client(self, name: str, client: str, *, namespace: str = DEFAULT_NAMESPACE) -> EndpointClients:
        """Its key opens nothing any more; who is left. Raises RecordNotFound, Forbidden."""
        holes = {"namespace": namespace, "endpoint": name, "client": client}
        left: EndpointClients = self._place.ask(routes.REMOVE_CLIENT, holes)
        return left

    def observe(
        self, name: str, observations: Sequence[Mapping[str, object]], *, namespace: str = DEFAULT_NAMESPACE
    ) -> TakenIn:
        """What was seen later: ``{"metric": "bought", "user": "u-17", "value": 1}``, or of the ``request`` of an
        answer; ``at`` in milliseconds and ``fields`` to divide a report by, if you like. What is garbled is counted.

        Raises RecordNotFound, LimitExceeded, Forbidden.
        """
        return self.observe_lines(name, [json.dumps(each) for each in observations], namespace=namespace)

    def observe_lines(self, name: str, lines: Sequence[str], *, namespace: str = DEFAULT_NAMESPACE) -> TakenIn:
        """The same as JSON texts. Raises RecordNotFound, LimitExceeded, Forbidden."""
        holes = {"namespace": namespace, "endpoint": name}
        done: TakenIn = self._place.ask(told_routes.OBSERVE, holes, body=Observe(tuple(lines)))
        return done

    def serving(self, name: str, *, namespace: str = DEFAULT_NAMESPACE, at_ms: int = 0) -> Serving:
        """What was served at a moment, with bytes, lineage and approvals behind each version. Raises RecordNotFound."""
        holes = {"namespace": namespace, "endpoint": name}
        found: Serving = self._place.ask(told_routes.SERVING, holes, query=AtMoment(at_ms))
        return found

    def which(self, request: str, *, namespace: str = DEFAULT_NAMESPACE) -> Answered:
        """Which version answered a request, by the id in its answer. Raises RecordNotFound."""
        holes = {"namespace": namespace, "request": request}
        found: Answered = self._place.ask(routes.WHICH, holes)
        return found

    def _ask(self, route: Route, namespace: str, name: str, body: object, expected: str = "") -> EndpointShown:
        holes = {"namespace": namespace, "endpoint": name}
        done: EndpointShown = self._place.ask(route, holes, body=body, expected=expected)
        return done


class Rollouts:
    """Moving traffic to a version step by step, on evidence."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def start(
        self,
        endpoint: str,
        candidate: str,
        plan: str,
        *,
        backends: Sequence[str] = (),
        alias: str = "",
        reason: str = "",
        namespace: str = DEFAULT_NAMESPACE,
    ) -> RolloutShown:
        """``plan`` is YAML. ``backends`` are URLs of the candidate's servers, where the endpoint has no arm for it.

        Raises BadPlan, BadValue, VersionNotFound, GateClosed, RolloutRunning, RecordNotFound, Forbidden.
        """
        plan_from(plan)
        body = StartRollout(candidate, plan, tuple(backends), alias, reason)
        holes = {"namespace": namespace, "endpoint": endpoint}
        started: RolloutShown = self._place.ask(routes.START, holes, body=body)
        return started

    def list(
        self, endpoint: str, *, before: int = 0, limit: int = 100, namespace: str = DEFAULT_NAMESPACE
    ) -> RolloutPage:
        """Newest first. Raises RecordNotFound."""
        holes = {"namespace": namespace, "endpoint": endpoint}
        page: RolloutPage = self._place.ask(routes.ROLLOUTS, holes, query=ListRollouts(before, limit))
        return page

    def show(self, endpoint: str, number: int = 0, *, namespace: str = DEFAULT_NAMESPACE) -> RolloutShown:
        """The newest, or one of them. Raises RecordNotFound."""
        holes = {"namespace": namespace, "endpoint": endpoint, "rollout": str(number or "newest")}
        found: RolloutShown = self._place.ask(routes.ROLLOUT, holes)
        return found

    def disagreements(
        self, endpoint: str, number: int = 0, *, after: int = 0, limit: int = 100, namespace: str = DEFAULT_NAMESPACE
    ) -> DisagreementPage:
        """What a shadow answered differently, with the inputs. Raises RecordNotFound, Forbidden."""
        holes = {"namespace": namespace, "endpoint": endpoint, "rollout": str(number or "newest")}
        query = ListDisagreements(after, limit)
        page: DisagreementPage = self._place.ask(told_routes.DISAGREEMENTS, holes, query=query)
        return page

    def report(
        self, endpoint: str, number: int = 0, *, segment: str = "", namespace: str = DEFAULT_NAMESPACE
    ) -> AbReport:
        """What an A/B test came to; ``segment`` is a field of the observations to divide by. Raises RecordNotFound."""
        holes = {"namespace": namespace, "endpoint": endpoint, "rollout": str(number or "newest")}
        report: AbReport = self._place.ask(told_routes.REPORT, holes, query=AskReport(segment))
        return report

    def pause(self, endpoint: str, reason: str = "", *, namespace: str = DEFAULT_NAMESPACE) -> RolloutShown:
        """It goes no further; what is condemned still goes back. Raises RecordNotFound, Forbidden."""
        return self._steer(endpoint, "pause", reason, namespace)

    def resume(self, endpoint: str, reason: str = "", *, namespace: str = DEFAULT_NAMESPACE) -> RolloutShown:
        """It goes on. Raises RecordNotFound, Forbidden."""
        return self._steer(endpoint, "resume", reason, namespace)

    def promote(self, endpoint: str, reason: str = "", *, namespace: str = DEFAULT_NAMESPACE) -> RolloutShown:
        """The candidate answers everything from now on. Raises GateClosed, RecordNotFound, Forbidden."""
        return self._steer(endpoint, "promote", reason, namespace)

    def abort(self, endpoint: str, reason: str = "", *, namespace: str = DEFAULT_NAMESPACE) -> RolloutShown:
        """The baseline answers everything again. Raises RecordNotFound, Forbidden."""
        return self._steer(endpoint, "abort", reason, namespace)

    def _steer(self, endpoint: str, act: str, reason: str, namespace: str) -> RolloutShown:
        holes = {"namespace": namespace, "endpoint": endpoint}
        done: RolloutShown = self._place.ask(routes.STEER, holes, body=Steer(act, reason))
        return done
