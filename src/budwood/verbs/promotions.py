"""Promotions: a request that a guarded stage or alias may point at a version, what people say to it, and its end.

Every verb reads, decides and writes in one transaction. Expressions of policies are the exception: they are evaluated
before it, over what never changes or is bound by digest, and count only if nothing changed in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller, Permission
from budwood.domain.canon import Json, dumps, loads, pack, unpack
from budwood.domain.limits import GLASS_S, MESSAGE_BYTES, PROMOTIONS_OPEN, REQUEST_AGAIN_S
from budwood.domain.manifest import Manifest
from budwood.domain.names import Stage
from budwood.domain.policy.case import Case, Check, Review, Said, Verdict
from budwood.domain.policy.decide import decide
from budwood.domain.policy.policy import Policy
from budwood.domain.policy.records import Promotion, PromotionDetail, PromotionState
from budwood.domain.policy.variables import About, variables_of
from budwood.domain.records import MoveReason, VersionRecord
from budwood.errors import (
    BadValue,
    Conflict,
    Forbidden,
    GateClosed,
    LimitExceeded,
    PreconditionFailed,
    RecordNotFound,
    TooManyRequests,
    VersionNotFound,
)
from budwood.verbs.guard import binds_of, case_of, pointer_named, policies_guarding, shown_pointer
from budwood.verbs.house import House
from budwood.verbs.identity import acting, behind, is_person
from budwood.verbs.manifests import load_manifest
from budwood.verbs.namespaces import check_page, namespace_named
from budwood.verbs.people import afresh
from budwood.verbs.pointers import point
from budwood.verbs.policy_text import policy_from
from budwood.verbs.resolve import resolve
from budwood.verbs.scans import scan_where_asked
from budwood.verbs.signing import is_signed
from budwood.verbs.stage import enter_stage
from budwood.verbs.tag import check_text
from budwood.verbs.vouched import vouched_for

# Asking


def request(
    house: House, by: Caller, reference: str, pointer: str, reason: str = "", *, beside: House | None = None
) -> Promotion:
    """First the registry scans what nobody scanned, where a policy asks for it: ``beside`` is for that.

    Raises BadName, BadValue, NotFound, Conflict, TooManyRequests, LimitExceeded, Damaged.
    """
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    name = pointer_named(pointer)
    scan_where_asked(beside or house, reference, name)
    now = house.clock()

    def work(transaction: Transaction) -> Promotion:
        version = resolve(transaction, reference)
        policies = policies_guarding(transaction, version, name)
        if not policies:
            message = f"{pointer!r} of {version.model} needs no promotion."
            raise BadValue(message, hint=_free(transaction, version, name), pointer=pointer[:200])
        _check_new(transaction, version, name, now)
        binds = binds_of(version, name, policies, transaction.evidence(version.namespace, version.digest))
        promotion = transaction.add_promotion(_asked(house, by, version, name, reason, binds, now))
        _note(transaction, house, promotion, "promotion.requested", {"reason": reason})
        return promotion

    return house.catalog.write(work)


def _asked(
    house: House, by: Caller, version: VersionRecord, pointer: str, reason: str, binds: str, now_ms: int
) -> Promotion:
    return Promotion(
        0,
        version.namespace,
        version.model,
        version.model_id,
        version.id,
        version.number,
        version.digest,
        pointer,
        acting(house, by),
        reason,
        now_ms,
        binds,
    )


def _free(view: View, version: VersionRecord, pointer: str) -> str:
    """What to do about a pointer that nothing guards: name it right, or move it."""
    shown = shown_pointer(pointer)
    policies = [policy_from(record.text) for record in view.policies(version.namespace)]
    guarded = sorted({name for policy in policies for name in (*policy.stages, *policy.aliases)} - {shown})
    if close := get_close_matches(shown, guarded, n=1):
        return f"Did you mean {close[0]}?"
    return f"Nothing guards it: budwood {'stage' if ':' in pointer else 'alias'} {version.reference} {shown}"


def _check_new(view: View, version: VersionRecord, pointer: str, now_ms: int) -> None:
    for before in view.promotions_of(version.id, pointer)[:1]:
        if before.state is PromotionState.OPEN:
            hint = f"budwood promotion show {before.id}"
            raise Conflict(f"The promotion {before.id} asks for this already.", hint=hint, promotion=before.id)
        if before.state is PromotionState.REJECTED and now_ms - before.decided_ms < REQUEST_AGAIN_S * 1000:
            hint = f"Change what was wrong; the same may be asked again after {REQUEST_AGAIN_S} seconds."
            raise TooManyRequests(f"It was rejected a moment ago, as promotion {before.id}.", hint=hint)
    if len(view.promotions(version.namespace, state=PromotionState.OPEN, limit=PROMOTIONS_OPEN)) >= PROMOTIONS_OPEN:
        raise LimitExceeded(f"{version.namespace} has {PROMOTIONS_OPEN} open promotions.", limit="PROMOTIONS_OPEN")


# Looking


def list_promotions(
    house: House, namespace: str, *, state: PromotionState | None = None, before: int = 0, limit: int = 100
) -> tuple[Promotion, ...]:
    """Newest first. Raises NamespaceNotFound, LimitExceeded."""
    check_page(limit)
    with house.catalog.read() as view:
        room = namespace_named(view, namespace).name
        return tuple(view.promotions(room, state=state, before=before, limit=limit))


def show_promotion(house: House, namespace: str, number: int) -> PromotionDetail:
    """With what its gates say now, or said when it was decided. Raises RecordNotFound."""
    with house.catalog.read() as view:
        promotion = _numbered(view, namespace, number)
        reviews = tuple(view.reviews(promotion.id))
        version = view.version_by_id(promotion.version_id)
    reference = version.reference if version else f"{promotion.model}@v{promotion.version_number}"
    if promotion.state is not PromotionState.OPEN or version is None:
        return PromotionDetail(promotion, reference, _checks_of(promotion), reviews)
    look = _look(house, promotion, version)
    return PromotionDetail(promotion, reference, look.verdict.checks, look.case.reviews, look.case.binds)


@dataclass(frozen=True, slots=True)
class _Look:
    """What a promotion looks like at one moment. ``said`` holds for as long as ``binds`` is the same."""

    case: Case
    stage: Stage
    manifest: Manifest
    policies: tuple[Policy, ...]
    verdict: Verdict

    @property
    def said(self) -> Mapping[str, Said]:
        return self.case.said


def _look(house: House, promotion: Promotion, version: VersionRecord) -> _Look:
    manifest = load_manifest(house, version)
    with house.catalog.read() as view:
        policies = policies_guarding(view, version, promotion.pointer)
        case = _case(view, promotion, version, manifest, now_ms=house.clock(), policies=policies, said={})
    expressions = [each.expression for policy in policies for each in policy.validations]
    if expressions:
        about = About(
            version.label, version.number, str(version.stage), version.author, version.size_bytes, promotion.pointer
        )
        case = replace(case, said=house.expressions.evaluate(expressions, variables_of(case, about)))
    return _Look(case, version.stage, manifest, policies, decide(policies, case))


def _case(
    view: View,
    promotion: Promotion,
    version: VersionRecord,
    manifest: Manifest,
    *,
    now_ms: int,
    policies: Sequence[Policy],
    said: Mapping[str, Said],
) -> Case:
    """Signatures are looked at only where a policy asks for one."""
    asked = any(policy.requires.signed for policy in policies)
    signed = asked and is_signed(view, version.namespace, version.digest, manifest.files)
    case = case_of(view, promotion, version, manifest.facts, now_ms=now_ms, policies=policies, said=said, signed=signed)
    if not any(policy.requires.evidence_signed for policy in policies):
        return case
    return replace(case, vouched=vouched_for(view, version.namespace, (*case.evidence, *(case.champion or ()))))


# Saying yes or no


def review(
    house: House, by: Caller, namespace: str, number: int, *, approves: bool, reason: str = "", binds: str = ""
) -> Promotion:
    """A person's yes or no to the promotion as it is now, or as it was when they saw ``binds``. A no ends it.

    Raises RecordNotFound, Conflict, Forbidden, PreconditionFailed.
    """
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    now = house.clock()

    def work(transaction: Transaction) -> Promotion:
        promotion, version = _open(transaction, namespace, number)
        person = acting(house, by)
        if not is_person(transaction, person):
            raise Forbidden(f"{person} is not a person, and so reviews nothing.", hint="Log in as yourself.")
        policies = policies_guarding(transaction, version, promotion.pointer)
        evidence = transaction.evidence(version.namespace, version.digest)
        present = binds_of(version, promotion.pointer, policies, evidence)
        if binds and binds != present:
            raise PreconditionFailed("Evidence or policies changed since you looked.", promotion=number)
        transaction.add_review(promotion.id, Review(person, approves, now, present, {}, reason))
        action = "promotion.approved" if approves else "promotion.rejected"
        _note(transaction, house, promotion, action, {"binds": present, "reason": reason})
        if approves:
            return promotion
        return _ended(transaction, house, promotion, PromotionState.REJECTED, now)

    return house.catalog.write(work)


def withdraw(house: House, by: Caller, namespace: str, number: int) -> Promotion:
    """By whoever asked for it, or who manages the namespace. Raises RecordNotFound, Conflict, Forbidden."""
    now = house.clock()

    def work(transaction: Transaction) -> Promotion:
        promotion, _ = _open(transaction, namespace, number)
        person = acting(house, by)
        asked = person in {promotion.requester, *behind(transaction, promotion.requester)}
        if not asked and Permission.MANAGE not in afresh(transaction, by).permissions(namespace):
            raise Forbidden(f"{promotion.requester} asked for it, and {person} does not manage {namespace}.")
        _note(transaction, house, promotion, "promotion.withdrawn", {})
        return _ended(transaction, house, promotion, PromotionState.WITHDRAWN, now)

    return house.catalog.write(work)


# Applying


def apply(house: House, by: Caller, namespace: str, number: int, *, beside: House | None = None) -> PromotionDetail:
    """Point it there, if every gate is open in this very transaction. Raises GateClosed, RecordNotFound, Conflict."""
    with house.catalog.read() as view:
        promotion, version = _open(view, namespace, number)
    # A policy may have come after the request. One scan is never replaced here: that would void the reviews.
    exact = f"{version.namespace}/{version.model}@v{version.number}"
    scan_where_asked(beside or house, exact, promotion.pointer, anew=False)
    look = _look(house, promotion, version)
    now = house.clock()

    def work(transaction: Transaction) -> PromotionDetail:
        promotion, version = _open(transaction, namespace, number)
        policies = policies_guarding(transaction, version, promotion.pointer)
        case = _case(transaction, promotion, version, look.manifest, now_ms=now, policies=policies, said=look.said)
        unchanged = case.binds == look.case.binds and case.champion == look.case.champion
        if not unchanged or version.stage is not look.stage:
            raise PreconditionFailed("Evidence, policies or what is in force changed meanwhile.", promotion=number)
        verdict = decide(policies, case)
        if not verdict.allowed:
            raise _closed(promotion, verdict)
        _move(transaction, house, version, promotion.pointer, now)
        done = replace(_decided(house, promotion, PromotionState.APPLIED, now), checks=_written(verdict.checks))
        transaction.change_promotion(done)
        body: dict[str, Json] = {"binds": case.binds, "policies": [policy.digest for policy in policies]}
        _note(transaction, house, promotion, "promotion.applied", body)
        return PromotionDetail(done, version.reference, verdict.checks, case.reviews)

    return house.catalog.write(work)


def _closed(promotion: Promotion, verdict: Verdict) -> GateClosed:
    gates = tuple(f"{check.policy}: {check.name}: {check.why}" for check in verdict.open)
    message = f"The promotion {promotion.id} waits for {len(gates)} of {len(verdict.checks)} gates: {gates[0]}"
    return GateClosed(message, hint=f"budwood promotion show {promotion.id}", open_gates=gates)


def _move(
    transaction: Transaction,
    house: House,
    version: VersionRecord,
    pointer: str,
    now_ms: int,
    reason: MoveReason = MoveReason.SET,
) -> None:
    """What was just let through: the gates are not asked again."""
    author = house.author
    if pointer.startswith("stage:"):
        stage = Stage(pointer.removeprefix("stage:"))
        enter_stage(transaction, version, stage, at_ms=now_ms, author=author, let_through=True, reason=reason)
    else:
        point(transaction, pointer, version, at_ms=now_ms, author=author, let_through=True, reason=reason)


# Past the gates


def break_glass(house: House, by: Caller, reference: str, pointer: str, reason: str) -> Promotion:
    """Point it there past every gate, flagged, to be looked at within ``GLASS_S``. Not twice before somebody looked.

    Raises BadValue, BadName, NotFound, Forbidden, Conflict, Retired.
    """
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    if len(reason.strip()) < 10:
        raise BadValue("Going past the gates needs a reason that others can judge.", hint="--reason 'what happened'")
    name, now = pointer_named(pointer), house.clock()

    def work(transaction: Transaction) -> Promotion:
        version = resolve(transaction, reference)
        if by.name and Permission.BREAK not in afresh(transaction, by).permissions(version.namespace):
            raise Forbidden(f"{by.name} is no responder of {version.namespace}.")
        if not is_person(transaction, acting(house, by)):
            raise Forbidden("A program does not go past the gates.", hint="A person with the role responder does.")
        if unseen := transaction.unseen_breaks(version.namespace):
            hint = f"Somebody else looks at it first: budwood promotion look {unseen[0].id}"
            raise Conflict(f"The promotion {unseen[0].id} went past the gates, and nobody has looked at it.", hint=hint)
        policies = policies_guarding(transaction, version, name)
        if not policies:
            message = f"{pointer!r} of {version.model} is not guarded."
            raise BadValue(message, hint=_free(transaction, version, name), pointer=pointer[:200])
        binds = binds_of(version, name, policies, transaction.evidence(version.namespace, version.digest))
        asked = transaction.add_promotion(_asked(house, by, version, name, reason, binds, now))
        _move(transaction, house, version, name, now, MoveReason.PAST_GATES)
        applied = _decided(house, asked, PromotionState.APPLIED, now)
        done = replace(applied, broke_glass=True, due_ms=now + GLASS_S * 1000)
        transaction.change_promotion(done)
        body: dict[str, Json] = {"reason": reason, "past": [policy.name for policy in policies]}
        _note(transaction, house, done, "promotion.glass-broken", body)
        return done

    return house.catalog.write(work)


def look_at(house: House, by: Caller, namespace: str, number: int, reason: str = "") -> Promotion:
    """Somebody else has looked at a promotion past the gates. Raises RecordNotFound, Conflict, Forbidden."""
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")

    def work(transaction: Transaction) -> Promotion:
        promotion, person = _numbered(transaction, namespace, number), acting(house, by)
        if not promotion.broke_glass or promotion.looked_by:
            raise Conflict(f"There is nothing to look at in promotion {number}.")
        if person == promotion.requester or not is_person(transaction, person):
            raise Forbidden("Somebody other than who broke the glass looks at it, and no program.")
        now = house.clock()
        late = promotion.overdue_ms or (now if now > promotion.due_ms else 0)
        looked = replace(promotion, looked_by=person, overdue_ms=late)
        transaction.change_promotion(looked)
        _note(transaction, house, looked, "promotion.looked-at", {"reason": reason, "late": bool(late)})
        return looked

    return house.catalog.write(work)


def flag_overdue(house: House) -> int:
    """Say in the ledger, once each, which promotions past the gates nobody looked at in time; how many there are.

    A server asks now and then; a webhook carries the entry to whoever must know.
    """
    now = house.clock()
    with house.catalog.read() as view:
        overdue = view.overdue_breaks(now_ms=now)
    fresh = [each.id for each in overdue if not each.overdue_ms]

    def work(transaction: Transaction) -> None:
        for number in fresh:
            promotion = transaction.promotion(number)
            if promotion is None or promotion.looked_by or promotion.overdue_ms:
                continue
            flagged = replace(promotion, overdue_ms=now)
            transaction.change_promotion(flagged)
            _note(transaction, house, flagged, "promotion.overdue", {"due_ms": promotion.due_ms})

    if fresh:
        house.catalog.write(work)
    return len(overdue)


# Shared


def _numbered(view: View, namespace: str, number: int) -> Promotion:
    room = namespace_named(view, namespace).name
    promotion = view.promotion(number)
    if promotion is None or promotion.namespace != room:
        hint = "'budwood promotion list' shows them."
        raise RecordNotFound(f"There is no promotion {number} in {room}.", hint=hint)
    return promotion


def _open(view: View, namespace: str, number: int) -> tuple[Promotion, VersionRecord]:
    """Raises RecordNotFound, VersionNotFound, Conflict."""
    promotion = _numbered(view, namespace, number)
    if promotion.state is not PromotionState.OPEN:
        raise Conflict(f"The promotion {number} is {promotion.state}.", state=str(promotion.state))
    version = view.version_by_id(promotion.version_id)
    if version is None:
        raise VersionNotFound(f"{promotion.model}@v{promotion.version_number} is gone.")
    return promotion, version


def _ended(
    transaction: Transaction, house: House, promotion: Promotion, state: PromotionState, now_ms: int
) -> Promotion:
    done = _decided(house, promotion, state, now_ms)
    transaction.change_promotion(done)
    return done


def _decided(house: House, promotion: Promotion, state: PromotionState, now_ms: int) -> Promotion:
    return replace(promotion, state=state, decided_ms=now_ms, decided_by=house.author)


def _note(transaction: Transaction, house: House, promotion: Promotion, action: str, more: Mapping[str, Json]) -> None:
    body = {"promotion": promotion.id, "version": promotion.version_number, "digest": promotion.digest, **more}
    subject = f"{promotion.model}@v{promotion.version_number} {shown_pointer(promotion.pointer)}"
    transaction.add_ledger(house.clock(), house.author, action, subject, body, promotion.namespace)


def _written(checks: Sequence[Check]) -> str:
    return dumps([pack(check) for check in checks]).decode()


def _checks_of(promotion: Promotion) -> tuple[Check, ...]:
    written = loads(promotion.checks) if promotion.checks else []
    assert isinstance(written, list)
    return tuple(unpack(Check, each) for each in written)
