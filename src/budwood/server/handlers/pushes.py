"""Pushes from elsewhere: each route is a step of one, and each step its verb.

The verbs of a push look at the registry as a whole and answer by what the namespace may see (verbs/uploads.py); those
that look for records are given the registry as the caller may see it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Lease, Transaction
from budwood.domain.limits import ADDRESS_S
from budwood.domain.names import ModelName, Namespace
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference
from budwood.domain.routes import pushes
from budwood.domain.transfers import (
    Before,
    Candidates,
    FindBlocks,
    FoundBlocks,
    OpenedPush,
    SendTo,
    TakenPack,
)
from budwood.errors import LeaseLost
from budwood.server.ask import Ask, Call, Mode
from budwood.server.blob_door import Addresses
from budwood.verbs.desk import HomeDesk
from budwood.verbs.lease import Held
from budwood.verbs.locate import locate
from budwood.verbs.publish import reuse
from budwood.verbs.receive import publish_push, publishing_at_once
from budwood.verbs.uploads import abandon, begin_pack, complete_pack, live, open_push, receive_small, renew
from budwood.verbs.whole_files import whole_files


def look(ask: Ask) -> Before:
    return HomeDesk(ask.house).look(_target(ask), ask.body.parents)


def candidates(ask: Ask) -> Candidates:
    desk = HomeDesk(ask.house)
    parents = [desk.version(parent) for parent in ask.body.parents]
    return Candidates(tuple(desk.candidates(_target(ask), parents, ask.body.structure, ask.body.probes)))


def begin(ask: Ask) -> Lease:
    return open_push(ask.whole, ask.namespace, ask.body.model)


def keep(ask: Ask) -> Lease:
    return renew(ask.whole, ask.namespace, ask.holes["push"])


def give_up(ask: Ask) -> None:
    abandon(ask.whole, ask.namespace, ask.holes["push"])


def find(ask: Ask) -> FoundBlocks:
    with ask.whole.catalog.read() as view:
        live(view, ask.whole, ask.namespace, ask.holes["push"])
    asked: FindBlocks = ask.body
    if asked.file:
        whole_files().of(ask.holes["push"]).outline(asked.file, asked.first, asked.ids)
    return locate(ask.whole, asked.ids, frozenset({ask.namespace}), _door(ask))


def find_ahead(ask: Ask) -> FoundBlocks:
    return locate(ask.whole, ask.body.ids, frozenset({ask.namespace}), _door(ask))


def begin_one(ask: Ask) -> SendTo:
    name, size = ask.body.name, ask.body.size
    expires_ms = ask.whole.clock() + ADDRESS_S * 1000
    signed = begin_pack(ask.whole, ask.namespace, ask.holes["push"], name, size)
    return SendTo(signed or _door(ask).for_pack(name, size, expires_ms), expires_ms)


def complete_one(ask: Ask) -> TakenPack:
    holes = ask.holes
    return TakenPack(complete_pack(ask.whole, ask.namespace, holes["push"], holes["pack"], ask.body.size))


def publish(ask: Ask) -> VersionRecord:
    return publish_push(ask.whole, ask.namespace, ask.holes["push"], ask.body, ask.within)


def at_once(ask: Ask) -> Callable[[Transaction], VersionRecord]:
    namespace, asked = ask.namespace, ask.body
    lease, house = None, ask.whole
    if asked.pack:
        # What is written here was not there when this request began to look.
        house = replace(house, catalog=ask.service.house.catalog)
        lease = receive_small(house, namespace, asked.model, asked.pack)
    return publishing_at_once(house, ask.service.house.index, namespace, asked, ask.within, lease)


def give_names(ask: Ask) -> VersionRecord:
    """Raises LeaseLost when the version is another one by now."""
    asked = ask.body
    target = _target(ask)
    version = HomeDesk(ask.house).version(f"{target.namespace}/{target.model}@v{asked.number}")
    if version.digest != asked.digest:
        raise LeaseLost("That version is another one by now.")
    lease = None
    if asked.push:
        with ask.whole.catalog.read() as view:
            lease = Held.again(ask.whole, live(view, ask.whole, ask.namespace, asked.push))
    return reuse(ask.house, version, asked.aliases, asked.tags, lease)


def opened(lease: Lease) -> OpenedPush:
    return OpenedPush(lease.id, lease.expires_ms)


def _target(ask: Ask) -> Reference:
    return Reference(Namespace(ask.namespace), ModelName(ask.body.model))


def _door(ask: Ask) -> Addresses:
    return Addresses(ask.service.keys, ask.namespace)


HANDLERS: Final = {
    pushes.LOOK.name: Call(look),
    pushes.CANDIDATES.name: Call(candidates),
    pushes.OPEN.name: Call(begin, Mode.WRITE, made=opened),
    pushes.RENEW.name: Call(keep, Mode.WRITE, made=opened),
    pushes.ABANDON.name: Call(give_up, Mode.WRITE),
    pushes.FIND.name: Call(find),
    pushes.FIND_AHEAD.name: Call(find_ahead),
    pushes.BEGIN.name: Call(begin_one),
    pushes.COMPLETE.name: Call(complete_one, Mode.DEED),
    pushes.PUBLISH.name: Call(publish, Mode.LONG_WRITE),
    pushes.REUSE.name: Call(give_names, Mode.WRITE),
    pushes.AT_ONCE.name: Call(at_once, Mode.SOON_READING),
}
