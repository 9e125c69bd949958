"""retention: how long the bytes of versions are kept, what may go, and letting it go.

Metadata stays for ever: a version whose bytes went keeps its record, facts, evidence, lineage and ledger, and says
when they went and by whose word. What one version lets go others may still need: a sweep knows, and keeps that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller, Permission
from budwood.domain.asks_retention import ReadDue, RetentionShown
from budwood.domain.limits import MESSAGE_BYTES, PAGE_ROWS, RETENTION_AT_ONCE, RETENTION_LOOKED
from budwood.domain.moment import moment_text
from budwood.domain.names import Stage
from budwood.domain.records import VersionRecord, stage_pointer
from budwood.domain.reference import ByNumber, parse_reference
from budwood.domain.retention import (
    BUILT_IN,
    NO_RULES,
    ClassSaid,
    DueNow,
    Gone,
    Keeping,
    KeepState,
    LetGo,
    Rules,
    RulesRecord,
    Standing,
    judge,
)
from budwood.errors import (
    BadReference,
    BadValue,
    Forbidden,
    Kept,
    LimitExceeded,
    PreconditionFailed,
    StillInUse,
    VersionNotFound,
)
from budwood.verbs.answering import NOWHERE, Arms, answering_in, answers
from budwood.verbs.held import check_free
from budwood.verbs.holds import REASON_CHARS
from budwood.verbs.house import House
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.people import afresh
from budwood.verbs.resolve import model_named, resolve
from budwood.verbs.retention_text import rules_from
from budwood.verbs.tag import check_text

_IDLE: Final = frozenset({stage_pointer(Stage.DEVELOPMENT), stage_pointer(Stage.ARCHIVED)})
_RELIED_ON: Final = frozenset({Stage.STAGING, Stage.PRODUCTION})


# Rules and classes


def show_rules(house: House, namespace: str) -> RetentionShown:
    """What is in force. Raises NamespaceNotFound."""
    with house.catalog.read() as view:
        record = view.retention_rules(namespace_named(view, namespace).name)
    rules = rules_from(record.text) if record else NO_RULES
    return RetentionShown(record, (*BUILT_IN, *rules.classes), rules.default)


def put_rules(
    house: House, by: Caller, namespace: str, text: str, reason: str = "", *, expected: str = ""
) -> RetentionShown:
    """Put rules in force; the same text again changes nothing. ``expected`` is the mark of what the caller saw.

    What keeps anything for a shorter time takes an admin, or an owner's reason. Raises BadPolicy, LimitExceeded,
    NamespaceNotFound, Forbidden, PreconditionFailed.
    """
    rules, now = rules_from(text), house.clock()
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")

    def work(transaction: Transaction) -> None:
        room = namespace_named(transaction, namespace).name
        before = transaction.retention_rules(room)
        if expected and expected != rules_mark(before):
            raise PreconditionFailed(f"The retention rules of {room} were changed meanwhile.")
        if before is not None and before.text == text:
            return
        shortens = before is not None and not rules.covers(rules_from(before.text))
        if shortens:
            _check_may_shorten(transaction, by, room, reason)
        put = transaction.add_rules(RulesRecord(room, 0, text, house.author, now, reason))
        body = {"number": put.number, "shortens": shortens, "reason": reason}
        transaction.add_ledger(now, house.author, "retention.rules-put", room, body, room)

    house.catalog.write(work)
    return show_rules(house, namespace)


def rules_mark(record: RulesRecord | None) -> str:
    """Another one for each edition."""
    return str(record.number if record else 0)


def set_class(house: House, by: Caller, reference: str, name: str, reason: str = "") -> ClassSaid:
    """Give a model, or one version of it, a class of retention; an empty name takes away what was said.

    Raises BadReference, NotFound, BadValue, Forbidden.
    """
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    now = house.clock()

    def work(transaction: Transaction) -> ClassSaid:
        about = _subject(transaction, reference)
        rules = _rules(transaction, about.namespace)
        if name and rules.named(name) is None:
            known = ", ".join(each.name for each in (*BUILT_IN, *rules.classes))
            raise BadValue(f"{about.namespace} knows no class {name[:80]!r}.", hint=f"Known are {known}.")
        before = transaction.class_said(about.model_id, about.version_id)
        said = ClassSaid(about.model_id, about.version_id, name, house.author, now, reason)
        if (before.name if before else "") == name:
            return before or said
        shortens = _shortens(rules, before, name)
        if shortens:
            _check_may_shorten(transaction, by, about.namespace, reason)
        if name:
            transaction.say_class(said)
        else:
            transaction.unsay_class(about.model_id, about.version_id)
        body = {"from": before.name if before else "", "to": name, "shortens": shortens, "reason": reason}
        transaction.add_ledger(now, house.author, "retention.class-set", about.words, body, about.namespace)
        return said

    return house.catalog.write(work)


def _shortens(rules: Rules, before: ClassSaid | None, name: str) -> bool:
    """Whether something may be kept for a shorter time. Without a word the default may have counted."""
    old = rules.named(before.name) if before else rules.named(rules.default)
    new = rules.named(name)
    if before is not None and old is None:
        # Its class was taken from the rules, and so it was kept for ever.
        return new is None or bool(new.keep_days)
    return old is not None and (new is None or not new.covers(old))


def _check_may_shorten(view: View, by: Caller, room: str, reason: str) -> None:
    """An admin, or an owner who says why. Raises Forbidden."""
    if not by.name:
        return
    held = afresh(view, by).permissions(room)
    if Permission.ADMINISTER in held or (Permission.MANAGE in held and len(reason.strip()) >= REASON_CHARS):
        return
    hint = "An admin may, or an owner of the namespace with --reason."
    raise Forbidden("That would keep bytes for a shorter time.", hint=hint)


# What is kept, and why


def keeping(house: House, reference: str) -> Keeping:
    """How long a version's bytes are kept, and why. Raises BadReference, NotFound."""
    now = house.clock()
    with house.catalog.read() as view:
        version = resolve(view, reference)
        return judge(standing_of(view, version, _rules(view, version.namespace)), now)


def due(house: House, namespace: str, wish: ReadDue) -> DueNow:
    """What may go, by id; with ``every`` the rest too. Looks at ``RETENTION_LOOKED`` versions at a time.

    Raises NamespaceNotFound.
    """
    now, rows, after, looked = house.clock(), list[Keeping](), wish.after, 0
    with house.catalog.read() as view:
        room = namespace_named(view, namespace).name
        rules, arms = _rules(view, room), answering_in(view, room)
        while looked < RETENTION_LOOKED and len(rows) < PAGE_ROWS:
            page = view.versions_in(room, after_id=after, limit=min(PAGE_ROWS, RETENTION_LOOKED - looked))
            for version in page:
                found = judge(standing_of(view, version, rules, arms), now)
                if wish.every or found.state is KeepState.DUE:
                    rows.append(found)
            looked += len(page)
            if not page:
                return DueNow(tuple(rows))
            after = page[-1].id
    return DueNow(tuple(rows), after)


def standing_of(view: View, version: VersionRecord, rules: Rules, arms: Arms | None = None) -> Standing:
    """All that is looked at to judge it, as it is now. ``arms`` are those of its namespace, where they are known."""
    answering = answers(view, version) if arms is None else arms.get((version.model, version.number), NOWHERE)
    history = view.stage_history(version.id)
    left = [at_ms for (_, before), (at_ms, _) in pairwise(history) if before is Stage.PRODUCTION]
    said = (view.class_said(version.model_id, version.id), view.class_said(version.model_id))
    return Standing(
        version=version,
        rules=rules,
        said=tuple(each for each in said if each is not None),
        services=tuple(view.services(version.id)),
        pointers=(*_pointing(view, version), *(f"endpoint {name}" for name in answering.endpoints)),
        been=frozenset({Stage.DEVELOPMENT, version.stage, *(stage for _, stage in history)}),
        left_production_ms=max(*left, answering.left_ms, 0),
        holds=tuple(view.holds_on(version.namespace, version.model_id, version.id)),
        gone=view.gone(version.id) if version.gone_ms else None,
    )


def _pointing(view: View, version: VersionRecord) -> tuple[str, ...]:
    """What people rely on that points at it: aliases, staging, production, and the stage it still is in."""
    here = {move.pointer for move in view.pointers(version.model_id) if move.version_id == version.id} - _IDLE
    if version.stage in _RELIED_ON:
        here.add(stage_pointer(version.stage))
    return tuple(sorted(here))


def check_kept(view: View, version: VersionRecord, now_ms: int) -> None:
    """Raises Kept while its class keeps it. Whoever would remove it has asked for holds and pointers themselves."""
    rules = _rules(view, version.namespace)
    found = judge(replace(standing_of(view, version, rules), holds=(), pointers=()), now_ms)
    if found.state in (KeepState.KEPT, KeepState.FOREVER):
        raise _still_kept(found)


def _still_kept(found: Keeping) -> Kept:
    until = f"until {moment_text(found.until_ms)[:10]}" if found.until_ms else "for ever"
    message = f"{found.reference} is kept {until} by the class {found.name} ({found.why})."
    return Kept(message, retention_class=found.name, until_ms=found.until_ms)


# Letting go


def apply_retention(house: House, by: Caller, namespace: str, references: Sequence[str]) -> LetGo:
    """Let the bytes of these versions go, all or none; those that are gone already are passed over.

    Raises NotFound, Held, StillInUse, Kept, Forbidden, LimitExceeded.
    """
    if not 1 <= len(references) <= RETENTION_AT_ONCE:
        message = f"One request lets go 1 to {RETENTION_AT_ONCE} versions, not {len(references)}."
        raise LimitExceeded(message, limit="RETENTION_AT_ONCE")
    now = house.clock()

    def work(transaction: Transaction) -> LetGo:
        room = namespace_named(transaction, namespace).name
        if by.name and Permission.REMOVE not in afresh(transaction, by).permissions(room):
            raise Forbidden(f"{by.name} may not let bytes of {room} go.")
        record, rows = transaction.retention_rules(room), list[Keeping]()
        rules = rules_from(record.text) if record else NO_RULES
        for reference in dict.fromkeys(references):
            version = _exact(transaction, room, reference)
            if not version.gone_ms:
                rows.append(_let_go(transaction, house, version, rules, record, now))
        return LetGo(tuple(rows))

    return house.catalog.write(work)


def _exact(view: View, room: str, reference: str) -> VersionRecord:
    """Raises BadReference unless it names one version by number, VersionNotFound."""
    wanted = parse_reference(reference)
    if not isinstance(wanted.selector, ByNumber):
        raise BadReference(f"{reference[:200]!r} does not name a version by its number.", hint="Write encoder@v3.")
    if wanted.namespace != room:
        raise VersionNotFound(f"{reference} is not in {room}.")
    return resolve(view, wanted)


def _let_go(
    transaction: Transaction, house: House, version: VersionRecord, rules: Rules, record: RulesRecord | None, now: int
) -> Keeping:
    found = judge(standing_of(transaction, version, rules), now)
    check_free(transaction, found.reference, version.namespace, version.model_id, version)
    if found.serving:
        raise StillInUse(f"{found.reference} still serves: {', '.join(found.serving)}.", holders=found.serving)
    if found.state is KeepState.UNCLASSED:
        hint = f"Say how long: budwood retention set {found.reference} CLASS"
        raise Kept(f"Nothing says how long {found.reference} is kept, and so it stays.", hint=hint)
    if found.state is not KeepState.DUE:
        raise _still_kept(found)
    gone = Gone(now, house.author, found.name, found.why, found.since_ms, found.until_ms)
    transaction.let_go(version.id, gone)
    body = {
        "number": version.number,
        "digest": version.digest,
        "bytes": version.size_bytes,
        "class": found.name,
        "why": found.why,
        "since_ms": found.since_ms,
        "until_ms": found.until_ms,
        "rules": record.number if record else 0,
    }
    transaction.add_ledger(now, house.author, "version.bytes-let-go", version.reference, body, version.namespace)
    return replace(found, state=KeepState.GONE, gone=gone)


# Shared


@dataclass(frozen=True, slots=True)
class _About:
    """A model (``version_id`` 0) or a version that is spoken of."""

    namespace: str
    model_id: int
    version_id: int
    words: str


def _subject(view: View, reference: str) -> _About:
    if "@" in reference:
        version = resolve(view, reference)
        return _About(version.namespace, version.model_id, version.id, version.reference)
    model = model_named(view, reference)
    return _About(model.namespace, model.id, 0, model.path)


def _rules(view: View, namespace: str) -> Rules:
    record = view.retention_rules(namespace)
    return rules_from(record.text) if record else NO_RULES
