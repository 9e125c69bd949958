"""OpenLineage: take what other programs tell of data and jobs, and say what happens here in their words.

An event is told in one namespace, by somebody who may push there. What it names of this registry is looked up as far
as they may read; a version is only ever the output of a job that may push to its namespace.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.catalog.scoped import ScopedCatalog
from budwood.domain.access import Caller, Permission, Within
from budwood.domain.canon import Json
from budwood.domain.limits import TRACE_EDGES
from budwood.domain.names import DEFAULT_NAMESPACE, Namespace
from budwood.domain.openlineage import (
    BUILT_BY,
    READS,
    Emitted,
    LineageEvent,
    LineageTold,
    Thing,
    Told,
    event_of,
    own_reference,
    own_source,
    read_event,
)
from budwood.domain.records import LedgerEntry, VersionRecord
from budwood.domain.trace import Edge, Named, NamedKind
from budwood.domain.webhooks import TESTED
from budwood.errors import BadName, BudwoodError, Forbidden, NamespaceNotFound
from budwood.govern.log_key import META
from budwood.verbs.house import House
from budwood.verbs.judge import refusing_side
from budwood.verbs.resolve import resolve

SHOWN: Final = 20
"""How many names an entry of the ledger repeats of each side."""


def tell_lineage(house: House, by: Caller, event: LineageEvent, namespace: str = "") -> LineageTold:
    """Keep what an event says, in ``namespace``, or the one that the job's namespace names, or the default one.

    ``house`` is all of the registry. Raises BadValue, BadName, LimitExceeded, NamespaceNotFound, Forbidden.
    """
    told, now = read_event(event), house.clock()
    with house.catalog.read() as view:
        room = _room(view, by, told, namespace)
    near = house if by.reads_all else replace(house, catalog=ScopedCatalog(house.catalog, Within(by, room)))

    def work(transaction: Transaction) -> LineageTold:
        new = [edge for edge in _edges(transaction, told, room, near.author, now) if transaction.add_edge(edge)]
        if new and told.job is not None:
            body: dict[str, Json] = {"run": told.run, "edges": len(new)}
            body |= {"inputs": _names(told.inputs), "outputs": _names(told.outputs)}
            transaction.add_ledger(now, near.author, "lineage.told", _name(told.job), body, room)
        return LineageTold(room, len(new))

    return near.catalog.write(work)


def openlineage_message(view: View, entry: LedgerEntry) -> bytes | None:
    """An entry as an event; None when what it speaks of is gone, or nothing of it is lineage."""
    registry = registry_id(view)
    if entry.action == TESTED:
        tested = Emitted(registry, entry.sequence, entry.at_ms, "webhook test", (), ())
        return json.dumps(event_of(tested), separators=(",", ":")).encode("ascii")
    emitted = _routed(view, registry, entry) if entry.action == "endpoint.routed" else _moved(view, registry, entry)
    return json.dumps(event_of(emitted), separators=(",", ":")).encode("ascii") if emitted is not None else None


def registry_id(view: View) -> str:
    """By which other programs tell this registry from others: the name of its ledger. Empty before it has one."""
    return view.meta(META).partition(" ")[0].removeprefix("budwood/")


def _room(view: View, by: Caller, told: Told, wished: str) -> str:
    said = told.job.source if told.job is not None else ""
    if not wished:
        try:
            wished = Namespace(said)
        except BadName:
            wished = DEFAULT_NAMESPACE
        if view.namespace(wished) is None or Permission.PUSH not in by.permissions(wished):
            wished = DEFAULT_NAMESPACE
    held = by.permissions(Namespace(wished))
    if view.namespace(wished) is None or not held & {Permission.PUSH, Permission.READ}:
        raise NamespaceNotFound(f"There is no namespace {wished!r}.", namespace=wished)
    if Permission.PUSH not in held:
        raise Forbidden(f"{by.name} may not do this: it takes 'push' in {wished}.")
    return wished


def _edges(transaction: Transaction, told: Told, room: str, author: str, now: int) -> Iterator[Edge]:
    """Inputs below the run, the run below its outputs."""

    def node(thing: Thing, *, written: bool) -> int:
        version = _version(transaction, thing)
        # Another namespace's version is no end of an edge that its standard, or ours, does not allow.
        is_ours = version is not None and version.namespace == room
        if version is not None and (is_ours or not (written or refusing_side(transaction, room, version.namespace))):
            return version.id
        return transaction.name_thing(Named(0, room, NamedKind.DATASET, thing.source, thing.name), at_ms=now).id

    if told.job is None:
        for each in told.outputs:
            node(each, written=True)
        return
    wish = Named(0, room, NamedKind.JOB, told.job.source, told.job.name, told.run)
    run = transaction.name_thing(wish, at_ms=now).id
    for each in told.inputs:
        yield Edge(run, node(each, written=False), READS, author, now)
    for each in told.outputs:
        yield Edge(node(each, written=True), run, BUILT_BY, author, now)


def _version(view: View, thing: Thing) -> VersionRecord | None:
    reference = own_reference(thing, registry_id(view))
    if not reference:
        return None
    try:
        return resolve(view, reference)
    except BudwoodError:
        # What is not there, or not for the teller to see, is a name like any other.
        return None


def _moved(view: View, registry: str, entry: LedgerEntry) -> Emitted | None:
    """A version that was pushed, or that a pointer came to."""
    found = _spoken_of(view, entry)
    if found is None:
        return None
    version, pointer = found
    own = _own_dataset(registry, version)
    path = version.reference.partition("@")[0]
    if not pointer:
        return Emitted(registry, entry.sequence, entry.at_ms, f"{path} push", _origins(view, version), [own])
    said = Thing(own.source, f"{path}@{pointer}", own.version)
    return Emitted(registry, entry.sequence, entry.at_ms, f"{path} {pointer}", [own], [said])


def _routed(view: View, registry: str, entry: LedgerEntry) -> Emitted | None:
    """Traffic of an endpoint came to the versions that answer it; None when the endpoint or all of them are gone."""
    endpoint, said = view.endpoint(entry.namespace, entry.subject), entry.body.get("generation")
    routing = view.routing(endpoint.id, said) if endpoint is not None and isinstance(said, int) else None
    # Another endpoint may have got the name, and have come to that generation, too.
    if routing is None or routing.at_ms != entry.at_ms:
        return None
    body = routing.body
    answering = {*routing.table.split, *(rule.arm for rule in body.rules)} if not routing.killed else {body.baseline}
    arms = [arm for arm in body.arms if arm.name in answering]
    found = {arm.digest: _at(view, f"{body.namespace}/{body.model}@v{arm.number}") for arm in arms}
    inputs = [_own_dataset(registry, version) for version in found.values() if version is not None]
    name = f"endpoint:{body.namespace}/{body.name}"
    served = Thing(own_source(registry), name, f"{routing.generation}")
    return Emitted(registry, entry.sequence, entry.at_ms, name, inputs, [served]) if inputs else None


def _at(view: View, reference: str) -> VersionRecord | None:
    try:
        return resolve(view, reference)
    except BudwoodError:
        return None


def _spoken_of(view: View, entry: LedgerEntry) -> tuple[VersionRecord, str] | None:
    """The version an entry is about, and the pointer that was moved there; empty where it was pushed."""
    body = entry.body
    path, _, pointer = entry.subject.partition(" ")
    match entry.action:
        case "version.pushed":
            pointer = ""
        case "version.staged":
            pointer = str(body.get("to", ""))
        case "alias.set":
            pointer = str(body.get("alias", ""))
        case "pointer.rolled-back":
            path, pointer = f"{path}@v{body.get('to')}", str(body.get("pointer", ""))
        case "promotion.applied" | "promotion.glass-broken":
            if not pointer or pointer in ("development", "staging", "production", "archived"):
                return None  # The stage has an entry of its own.
        case _:
            return None
    version = _at(view, path)
    return (version, pointer) if version is not None else None


def _origins(view: View, version: VersionRecord) -> Sequence[Thing]:
    edges = view.edges_of([version.id], limit=TRACE_EDGES)
    born = [edge.parent for edge in edges if not edge.told_ms]
    named = view.named([node for node in born if node < 0]).values()
    parents = [found for node in born if node > 0 and (found := view.version_by_id(node)) is not None]
    near = [each for each in parents if each.namespace == version.namespace]
    own = own_source(registry_id(view))
    return [
        *(_own_dataset(registry_id(view), each) for each in near),
        *(Thing(each.source or f"{own}/named", each.name) for each in named),
    ]


def _own_dataset(registry: str, version: VersionRecord) -> Thing:
    path = version.reference.partition("@")[0]
    return Thing(own_source(registry), f"{path}@v{version.number}", f"v{version.number}")


def _names(things: Sequence[Thing]) -> list[Json]:
    return [_name(each) for each in things[:SHOWN]]


def _name(thing: Thing) -> str:
    return f"{thing.source.rstrip('/')}/{thing.name}"
