"""How long bytes are kept, and legal holds: ``registry.retention`` and ``registry.holds``.

registry.retention.put_rules(Path("retention.yaml").read_text())
registry.retention.set("encoder@v3", "regulatory")
due = registry.retention.due()
registry.retention.apply(due)
registry.holds.place("Claim of a customer", "LEG-2026-17", model="encoder")
"""

from collections.abc import Iterable

from budwood.client.holes import model_holes, version_holes
from budwood.client.place import Place
from budwood.domain import asks_retention as asks
from budwood.domain.limits import RETENTION_AT_ONCE
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.records import model_path
from budwood.domain.reference import parse_reference
from budwood.domain.retention import ClassSaid, DueNow, Hold, Keeping, LetGo, Scope
from budwood.domain.routes import retention as routes
from budwood.errors import BadValue


class Retention:
    """Classes say how long the bytes of versions are kept; their records stay for ever."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def rules(self, namespace: str = DEFAULT_NAMESPACE) -> asks.RetentionShown:
        """The rules in force, and the classes that can be named. Raises NamespaceNotFound."""
        shown: asks.RetentionShown = self._place.ask(routes.RULES, {"namespace": namespace})
        return shown

    def put_rules(self, text: str, namespace: str = DEFAULT_NAMESPACE, *, reason: str = "") -> asks.RetentionShown:
        """Put rules in force; ``text`` is YAML. What shortens anything takes an admin, or an owner's reason.

        Raises BadPolicy, LimitExceeded, NamespaceNotFound, Forbidden.
        """
        shown: asks.RetentionShown = self._place.ask(
            routes.PUT_RULES, {"namespace": namespace}, body=asks.PutRules(text, reason)
        )
        return shown

    def set(self, reference: str, name: str, *, reason: str = "") -> ClassSaid:
        """Give a model, or one version of it, a class; "" takes back what was said. Lengthening is free.

        Raises BadValue, NotFound, Forbidden.
        """
        body = asks.SetClass(name, reason)
        of_version = "@" in reference
        route, holes = (routes.SET_VERSION, version_holes) if of_version else (routes.SET_MODEL, model_holes)
        said: ClassSaid = self._place.ask(route, holes(reference), body=body)
        return said

    def show(self, reference: str) -> Keeping:
        """How long a version's bytes are kept, and why. Raises NotFound."""
        found: Keeping = self._place.ask(routes.SHOW, version_holes(reference))
        return found

    def due(self, namespace: str = DEFAULT_NAMESPACE, *, every: bool = False) -> tuple[Keeping, ...]:
        """What may go; with ``every`` also what may not, and why. Raises NamespaceNotFound."""
        rows: list[Keeping] = []
        after = 0
        while True:
            page: DueNow = self._place.ask(routes.DUE, {"namespace": namespace}, query=asks.ReadDue(after, every))
            rows += page.rows
            after = page.cursor
            if not after:
                return tuple(rows)

    def apply(self, due: Iterable[Keeping | str], namespace: str = DEFAULT_NAMESPACE) -> LetGo:
        """Let the bytes of these versions go: rows of ``due``, or references such as encoder@v3. Looked at again.

        ``RETENTION_AT_ONCE`` of them go together or not at all. Raises Held, Kept, StillInUse, NotFound, Forbidden.
        """
        references = [each if isinstance(each, str) else each.reference for each in due]
        gone: list[Keeping] = []
        for at in range(0, len(references), RETENTION_AT_ONCE):
            body = asks.ApplyRetention(tuple(references[at : at + RETENTION_AT_ONCE]))
            let_go: LetGo = self._place.ask(routes.APPLY, {"namespace": namespace}, body=body)
            gone += let_go.rows
        return LetGo(tuple(gone))


class Holds:
    """What is under a hold nobody deletes or lets go, until somebody other than who placed it lifts it."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def place(
        self,
        reason: str,
        reference: str,
        *,
        namespace: str = "",
        model: str = "",
        version: str = "",
        query: str = "",
    ) -> Hold:
        """On a model, a version, or everything that a search finds now in ``namespace``; else on all of it.

        ``reference`` names the matter. Raises BadValue, BadFilter, NotFound, LimitExceeded, Forbidden.
        """
        named = [
            (scope, text)
            for scope, text in ((Scope.MODEL, model), (Scope.VERSION, version), (Scope.QUERY, query))
            if text
        ]
        if len(named) > 1 or not (named or namespace):
            raise BadValue("A hold is on one thing.", hint="Give a namespace, a model, a version or a query.")
        scope, subject = named[0] if named else (Scope.NAMESPACE, "")
        if scope in (Scope.MODEL, Scope.VERSION):
            wanted = parse_reference(subject)
            room = namespace or wanted.namespace
            if room != wanted.namespace:
                path = model_path(wanted.namespace, wanted.model)
                raise BadValue(f"{path} is not in {room}.", hint="Leave out the namespace.")
        else:
            room = namespace or DEFAULT_NAMESPACE
        body = asks.PlaceHold(scope, reason, reference, subject)
        placed: Hold = self._place.ask(routes.PLACE_HOLD, {"namespace": room}, body=body)
        return placed

    def list(
        self, namespace: str = DEFAULT_NAMESPACE, *, every: bool = False, before: int = 0, limit: int = 100
    ) -> asks.HoldPage:
        """Newest first; ``every``: lifted ones too. Raises NamespaceNotFound, LimitExceeded."""
        page: asks.HoldPage = self._place.ask(
            routes.LIST_HOLDS, {"namespace": namespace}, query=asks.ListHolds(every, before, limit)
        )
        return page

    def show(self, hold: int, namespace: str = DEFAULT_NAMESPACE) -> Hold:
        """One hold. Raises RecordNotFound."""
        found: Hold = self._place.ask(routes.SHOW_HOLD, {"namespace": namespace, "hold": str(hold)})
        return found

    def lift(self, hold: int, reason: str, namespace: str = DEFAULT_NAMESPACE) -> Hold:
        """Lift a hold that somebody else placed. Raises RecordNotFound, BadValue, Conflict, Forbidden."""
        holes = {"namespace": namespace, "hold": str(hold)}
        lifted: Hold = self._place.ask(routes.LIFT_HOLD, holes, body=asks.LiftHold(reason))
        return lifted
