"""Who a request comes from: the bearer token, looked up by its SHA-256, and what it may do.

A token is asked after on every request, so that one that is revoked is so at once. When it was last used is noted at
most once a minute, after the answer.
"""

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Final

from budwood.catalog.api import Catalog, View
from budwood.catalog.people_api import Known
from budwood.domain.access import Caller, Decision, Permission, Role, Scope, Within, decide
from budwood.domain.records import model_path
from budwood.domain.routes.route import Route
from budwood.errors import Forbidden, ModelNotFound, NamespaceNotFound, Unauthenticated
from budwood.server.service import Service

_TOKEN: Final = re.compile(r"bw_[A-Za-z0-9_-]{43}")
_USED_MS: Final = 60_000
_REMEMBERED: Final = 10_000


def bearer(headers: list[tuple[bytes, bytes]]) -> str:
    """The token of an Authorization header, whatever it looks like; empty when there is none."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token if scheme.lower() == "bearer" else ""
    return ""


def token_hash(secret: str) -> bytes:
    """What a catalog keeps of a token."""
    return hashlib.sha256(secret.encode("ascii")).digest()


def known_by(view: View, secret: str, now_ms: int, namespace: str = "") -> Known | None:
    """Whose token it is; None when it is none, or ran out, or was revoked, or its owner may do nothing any more.

    With a namespace its roles are those there; ``caller_of`` finds the others when they are asked for.
    """
    if not _TOKEN.fullmatch(secret):
        return None
    known = view.known(token_hash(secret), within=namespace)
    if known is None or known.token.revoked_ms or known.principal.disabled_ms:
        return None
    return None if 0 < known.token.expires_ms <= now_ms else known


class _Roles(Mapping[str, frozenset[Role]]):
    """Roles by namespace: those in one are known, the others are looked up when somebody asks."""

    def __init__(self, namespace: str, known: Known, catalog: Catalog) -> None:
        self._namespace, self._known, self._catalog = namespace, known, catalog
        self._found: Mapping[str, frozenset[Role]] | None = None

    def __getitem__(self, namespace: str) -> frozenset[Role]:
        return (self._known.roles if namespace == self._namespace else self._all())[namespace]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> Mapping[str, frozenset[Role]]:
        if self._found is None:
            with self._catalog.read() as view:
                self._found = view.roles_of(self._known.principal.id)
        return self._found


def caller_of(known: Known, namespace: str, catalog: Catalog) -> Caller:
    """What deciding needs to know of them. ``namespace`` is what they were looked up for."""
    scopes = known.token.scopes
    return Caller(
        known.principal.name,
        _Roles(namespace, known, catalog) if namespace and not known.principal.is_admin else known.roles,
        known.principal.is_admin,
        None if scopes is None else tuple(Scope.parse(scope) for scope in scopes),
    )


def check(caller: Caller | None, route: Route, holes: Mapping[str, str]) -> None:
    """Raises Unauthenticated, Forbidden, or NotFound as it is raised for what is not there."""
    namespace = holes.get("namespace", "")
    decision = decide(caller, route.permission, namespace)
    for permission in route.also:
        if decision is not Decision.ALLOWED:
            decision = max(decision, decide(caller, permission, namespace), key=_is_allowed)
    match decision:
        case Decision.ALLOWED:
            return
        case Decision.UNKNOWN:
            raise Unauthenticated("This needs a token, and a valid one.")
        case Decision.HIDDEN:
            raise _not_there(namespace, holes)
        case Decision.DENIED:
            words = " or ".join((route.permission, *route.also))
            place = f" in {namespace}" if namespace else ""
            raise Forbidden(f"{caller.name if caller else ''} may not do this: it takes '{words}'{place}.")


def reach_of(caller: Caller, namespace: str, permission: Permission) -> Within | None:
    """The namespaces a request may look into. A token that may push and not read still sees what it pushes to."""
    if caller.reads_all:
        return None
    return Within(caller, "" if permission is Permission.ANYONE else namespace)


class Uses:
    """Notes when tokens were used, seldom enough to cost nothing. Safe from any thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._noted: dict[str, int] = {}

    def note(self, known: Known) -> None:
        """Called for each request."""
        now = self._service.house.clock()
        token = known.token
        if now - token.used_ms < _USED_MS or now - self._noted.get(token.id, 0) < _USED_MS:
            return
        with self._lock:
            if len(self._noted) >= _REMEMBERED:
                self._noted.clear()
            self._noted[token.id] = now
        catalog = self._service.house.catalog
        self._service.threads.short.submit(
            catalog.write, lambda transaction: transaction.touch_token(token.id, at_ms=now)
        )


def _is_allowed(decision: Decision) -> bool:
    return decision is Decision.ALLOWED


def _not_there(namespace: str, holes: Mapping[str, str]) -> ModelNotFound | NamespaceNotFound:
    """Word for word what a verb says of a model that does not exist."""
    if "model" in holes:
        path = model_path(namespace, holes["model"])
        return ModelNotFound(f"There is no model {path!r} in this registry.", model=path)
    return NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
