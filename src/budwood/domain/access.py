"""Who may do what: roles, permissions, scopes, and the one decision every request passes.

A principal (a person, a service account, a workload) holds roles in namespaces, directly or through groups. A token
acts for a principal and can only take away: what it may do is what the principal may do and what its scopes name.
What a caller may not even read does not exist for them (``Hidden``, shown as 404); the rest is ``Denied`` (403).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from budwood.domain.names import Namespace
from budwood.errors import BadValue


class Permission(StrEnum):
    """What a route asks for. The first two are held by everyone, and by everyone with a valid token."""

    ANYONE = "anyone"
    KNOWN = "known"
    READ = "read"
    PUSH = "push"
    REVIEW = "review"
    RELEASE = "release"
    REMOVE = "remove"
    MANAGE = "manage"
    BREAK = "break"
    HOLD = "hold"
    LIFT = "lift"
    SERVE = "serve"
    ADMINISTER = "administer"


class Role(StrEnum):
    """What a principal is in one namespace."""

    READER = "reader"
    WRITER = "writer"
    REVIEWER = "reviewer"
    RELEASER = "releaser"
    OWNER = "owner"
    RESPONDER = "responder"
    COUNSEL = "counsel"
    GATEWAY = "gateway"


OPEN: Final = frozenset({Permission.ANYONE, Permission.KNOWN})
BY_NAME: Final = frozenset({Permission.BREAK, Permission.LIFT, Permission.SERVE})
"""What one role alone gives, and being admin does not."""
ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.READER: frozenset({Permission.READ}),
    Role.WRITER: frozenset({Permission.READ, Permission.PUSH}),
    Role.REVIEWER: frozenset({Permission.READ, Permission.REVIEW}),
    Role.RELEASER: frozenset({Permission.READ, Permission.RELEASE}),
    Role.OWNER: frozenset(Permission) - OPEN - {Permission.ADMINISTER} - BY_NAME,
    Role.RESPONDER: frozenset({Permission.READ, Permission.BREAK}),
    Role.COUNSEL: frozenset({Permission.READ, Permission.HOLD, Permission.LIFT}),
    Role.GATEWAY: frozenset({Permission.SERVE}),
}
"""Releasing does not need the right to push: who builds and who releases may be kept apart. Who may go past the gates
in an emergency, or lift a legal hold, was given that role by name: it comes with no other. A gateway is told clients'
keys and is believed about what it answered, so that is a role of its own, too; it may not even read models."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing a token may do: in one namespace, or in all of its principal's when ``namespace`` is empty."""

    permission: Permission
    namespace: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """``push`` or ``risk:push``. Raises BadName, BadValue."""
        namespace, colon, word = text.rpartition(":")
        try:
            permission = Permission(word)
        except ValueError as error:
            raise BadValue(f"{text[:200]!r} is not a scope.", hint=_SCOPE_HINT) from error
        if permission in OPEN or (colon and permission is Permission.ADMINISTER):
            raise BadValue(f"{text[:200]!r} is not a scope.", hint=_SCOPE_HINT)
        return cls(permission, Namespace(namespace) if colon else "")

    def __str__(self) -> str:
        return f"{self.namespace}:{self.permission}" if self.namespace else str(self.permission)


_SCOPE_HINT: Final = (
    "Scopes are read, push, review, release, remove, manage, hold, lift, serve, administer; or NAMESPACE: before one."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from, as far as deciding goes. ``roles`` holds what groups give, too.

    ``scopes`` None means all; an empty tuple means nothing.
    """

    name: str
    roles: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    is_admin: bool = False
    scopes: tuple[Scope, ...] | None = None

    def permissions(self, namespace: str) -> frozenset[Permission]:
        """What the caller may do in a namespace; without its own two words."""
        if self.is_admin:
            held = frozenset(Permission) - OPEN - BY_NAME
        else:
            held = frozenset().union(*(ROLE_PERMISSIONS[role] for role in self.roles.get(namespace, ())))
        if self.scopes is None:
            return held
        return held & {scope.permission for scope in self.scopes if scope.namespace in ("", namespace)}

    @property
    def reads_all(self) -> bool:
        """Whether the caller may read every namespace there is."""
        if not self.is_admin:
            return False
        return self.scopes is None or any(not s.namespace and s.permission is Permission.READ for s in self.scopes)

    def reach(self) -> frozenset[str] | None:
        """The namespaces the caller may read; None for all there are."""
        if self.reads_all:
            return None
        if self.is_admin:
            assert self.scopes is not None
            return frozenset(s.namespace for s in self.scopes if s.namespace and s.permission is Permission.READ)
        return frozenset(namespace for namespace in self.roles if Permission.READ in self.permissions(namespace))


class Within:
    """The namespaces a caller may read, and ``also`` one; a question about one looks at that one alone."""

    __slots__ = ("_also", "_caller", "_names")

    def __init__(self, caller: Caller, also: str = "") -> None:
        self._caller, self._also = caller, also
        self._names: frozenset[str] | None = None

    def __contains__(self, namespace: object) -> bool:
        if not isinstance(namespace, str) or not namespace:
            return False
        return namespace == self._also or Permission.READ in self._caller.permissions(namespace)

    def names(self) -> frozenset[str]:
        """All of them."""
        if self._names is None:
            self._names = (self._caller.reach() or frozenset()) | ({self._also} if self._also else frozenset())
        return self._names


NOBODY: Final = Caller("", scopes=())
HOLDER: Final = Caller("", is_admin=True)
"""Whoever has the registry's files in hand: no server stands before them, and so no name."""


class Decision(StrEnum):
    """What is said to a caller. ``HIDDEN`` looks exactly like what does not exist."""

    ALLOWED = "allowed"
    UNKNOWN = "unknown"
    HIDDEN = "hidden"
    DENIED = "denied"


def decide(caller: Caller | None, permission: Permission, namespace: str = "") -> Decision:
    """Whether a caller (None: no valid token) may do what asks for ``permission`` in a namespace ("": none named)."""
    if permission is Permission.ANYONE:
        return Decision.ALLOWED
    if caller is None:
        return Decision.UNKNOWN
    if permission is Permission.KNOWN:
        return Decision.ALLOWED
    held = caller.permissions(namespace)
    if permission in held:
        return Decision.ALLOWED
    return Decision.DENIED if not namespace or Permission.READ in held else Decision.HIDDEN


def check_roles(words: Iterable[str]) -> tuple[Role, ...]:
    """Role words as roles. Raises BadValue."""
    roles = []
    for word in words:
        try:
            roles.append(Role(word))
        except ValueError as error:
            raise BadValue(f"{word[:200]!r} is not a role.", hint=f"Roles are {', '.join(Role)}.") from error
    return tuple(roles)
