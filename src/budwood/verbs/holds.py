"""Legal holds: what nobody may delete or let go, until somebody other than who placed the hold lifts it.

A hold is on a namespace, a model, a version, or on everything a search finds at that moment. Whatever would lose
something asks ``held.py`` in the transaction that would lose it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller, Permission
from budwood.domain.asks_retention import HoldPage, ListHolds, PlaceHold
from budwood.domain.limits import HELD_VERSIONS, HOLDS_PER_NAMESPACE, MESSAGE_BYTES, PAGE_ROWS, VALUE_BYTES
from budwood.domain.query import Query
from budwood.domain.query_parser import parse_query
from budwood.domain.records import VersionRecord
from budwood.domain.retention import Hold, Scope
from budwood.errors import BadValue, Conflict, Forbidden, LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.identity import acting, behind, is_person
from budwood.verbs.namespaces import check_page, namespace_named
from budwood.verbs.people import afresh
from budwood.verbs.resolve import model_named, resolve
from budwood.verbs.tag import check_text

REASON_CHARS: Final = 10
"""A reason that others can judge is not shorter."""


def place_hold(house: House, by: Caller, namespace: str, wish: PlaceHold) -> Hold:
    """Raises BadValue, BadFilter, BadReference, NotFound, LimitExceeded, Forbidden."""
    _check_wish(wish)
    query = parse_query(wish.subject, now_ms=house.clock()) if wish.scope is Scope.QUERY else None
    now = house.clock()

    def work(transaction: Transaction) -> Hold:
        room = namespace_named(transaction, namespace).name
        _check_right(transaction, by, room, Permission.HOLD)
        if len(transaction.holds(room, limit=HOLDS_PER_NAMESPACE)) >= HOLDS_PER_NAMESPACE:
            message = f"{room} is under {HOLDS_PER_NAMESPACE} holds; more are not kept."
            raise LimitExceeded(message, limit="HOLDS_PER_NAMESPACE")
        wanted = Hold(0, room, wish.scope, "", wish.reason, wish.reference, acting(house, by), now)
        placed = _added(transaction, wanted, wish.subject, query)
        body = {
            "hold": placed.id,
            "scope": str(placed.scope),
            "reference": placed.reference,
            "versions": placed.versions,
            "reason": placed.reason,
        }
        transaction.add_ledger(now, house.author, "hold.placed", placed.subject, body, room)
        return placed

    return house.catalog.write(work)


def list_holds(house: House, namespace: str, wish: ListHolds) -> HoldPage:
    """Newest first. Raises NamespaceNotFound, LimitExceeded."""
    check_page(wish.limit)
    with house.catalog.read() as view:
        room = namespace_named(view, namespace).name
        found = tuple(view.holds(room, every=wish.every, before=wish.before, limit=wish.limit))
    return HoldPage(found, found[-1].id if len(found) == wish.limit else 0)


def show_hold(house: House, namespace: str, number: int) -> Hold:
    """Raises NamespaceNotFound, RecordNotFound."""
    with house.catalog.read() as view:
        return _numbered(view, namespace, number)


def lift_hold(house: House, by: Caller, namespace: str, number: int, reason: str) -> Hold:
    """By a person other than those behind whoever placed it. Raises RecordNotFound, Conflict, Forbidden, BadValue."""
    _check_reason(reason, "Lifting a hold")
    now = house.clock()

    def work(transaction: Transaction) -> Hold:
        held, person = _numbered(transaction, namespace, number), acting(house, by)
        if held.lifted_ms:
            raise Conflict(f"{held.lifted_by} lifted hold {held.id} already.", hold=held.id)
        _check_right(transaction, by, held.namespace, Permission.LIFT)
        if not is_person(transaction, person):
            raise Forbidden("A program lifts no hold.", hint="A person with the role counsel does.")
        placers = behind(transaction, held.author)
        if not placers or person in placers:
            hint = "Somebody else with the role counsel does, who is not behind whoever placed it."
            raise Forbidden(f"{held.author} placed hold {held.id}, and {person} may not lift it.", hint=hint)
        lifted = replace(held, lifted_ms=now, lifted_by=person, lifted_reason=reason)
        transaction.lift_hold(lifted)
        body = {"hold": held.id, "reference": held.reference, "placed_by": held.author, "reason": reason}
        transaction.add_ledger(now, house.author, "hold.lifted", held.subject, body, held.namespace)
        return lifted

    return house.catalog.write(work)


def _added(transaction: Transaction, wanted: Hold, subject: str, query: Query | None) -> Hold:
    """The hold with what it covers. What is named must be in its namespace."""
    room = wanted.namespace
    match wanted.scope:
        case Scope.NAMESPACE:
            return transaction.add_hold(replace(wanted, subject=room))
        case Scope.MODEL:
            model = model_named(transaction, subject)
            _check_room(model.namespace, room, subject)
            return transaction.add_hold(replace(wanted, subject=model.path, model_id=model.id))
        case Scope.VERSION:
            version = resolve(transaction, subject)
            _check_room(version.namespace, room, subject)
            return transaction.add_hold(replace(wanted, subject=version.reference), [version.id])
        case Scope.QUERY:
            assert query is not None
            found = [version.id for version in _found(transaction, query, room)]
            if not found:
                raise BadValue(f"No version of {room} matches {subject[:200]!r}.", hint="'budwood search' shows them.")
            return transaction.add_hold(replace(wanted, subject=subject), found)


def _found(transaction: Transaction, query: Query, room: str) -> Iterator[VersionRecord]:
    cursor, count = "", 0
    while True:
        page = transaction.search(query, cursor=cursor, limit=PAGE_ROWS, reach=frozenset({room}))
        count += len(page.versions)
        if count > HELD_VERSIONS:
            raise LimitExceeded(f"A hold on a search names at most {HELD_VERSIONS} versions.", limit="HELD_VERSIONS")
        yield from page.versions
        cursor = page.cursor
        if not cursor:
            return


def _check_wish(wish: PlaceHold) -> None:
    _check_reason(wish.reason, "A hold")
    check_text(wish.reference, "The reference", VALUE_BYTES, "VALUE_BYTES")
    check_text(wish.subject, "What it covers", VALUE_BYTES, "VALUE_BYTES")
    if not wish.reference.strip() or not wish.reference.isprintable():
        raise BadValue("A hold needs the reference of its matter.", hint="--reference LEG-2026-17")
    if wish.scope is Scope.NAMESPACE and wish.subject:
        raise BadValue("A hold on a namespace names nothing else.")
    if wish.scope is not Scope.NAMESPACE and not wish.subject.strip():
        raise BadValue(f"A hold on a {wish.scope} names what it covers.")


def _check_reason(reason: str, what: str) -> None:
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    if len(reason.strip()) < REASON_CHARS:
        raise BadValue(f"{what} needs a reason that others can judge.", hint="--reason 'what it is about'")


def _check_right(view: View, by: Caller, room: str, permission: Permission) -> None:
    """What the caller was a moment ago they may be no longer."""
    if by.name and permission not in afresh(view, by).permissions(room):
        raise Forbidden(f"{by.name} may not {permission} in {room}.")


def _check_room(found: str, room: str, subject: str) -> None:
    if found != room:
        raise BadValue(f"{subject[:200]!r} is not in {room}.", hint=f"Place it in the namespace {found}.")


def _numbered(view: View, namespace: str, number: int) -> Hold:
    room = namespace_named(view, namespace).name
    found = view.hold(number)
    if found is None or found.namespace != room:
        raise RecordNotFound(f"There is no hold {number} in {room}.", hint="'budwood hold list' shows them.")
    return found
