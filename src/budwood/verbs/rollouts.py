"""Rollouts: start one, let it take its next step, steer it, and tell where it stands.

``advance`` is one turn of the engine: it reads what was counted, asks ``next_action`` and does it, in one transaction
that is refused when another engine has taken over. Killed anywhere, the next turn begins where this one did.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.asks_delivery import ArmFigures, DriftFigures, RolloutShown, StartRollout
from budwood.domain.canon import Json
from budwood.domain.compared.comparison import Kind
from budwood.domain.limits import ENGINE_S, MESSAGE_BYTES
from budwood.domain.names import AliasName
from budwood.domain.observations.folding import begun_anew, metrics_of
from budwood.domain.rollout.next_action import Action, Hold, Progress, Promote, RollBack, Shift, next_action
from budwood.domain.rollout.plan import Plan, Step, Way
from budwood.domain.rollout.records import Counted, Rollout, RolloutEvent, RolloutState
from budwood.domain.rollout.tally import Counts, packed, unpacked
from budwood.domain.rollout.verdict import verdicts
from budwood.domain.traffic.endpoint import Arm, Backend, Endpoint, Shadow
from budwood.domain.traffic.hashing import BUCKETS
from budwood.domain.traffic.reading import WantedArm
from budwood.domain.traffic.records import EndpointRecord, RoutingRecord
from budwood.domain.traffic.segments import Table, moved_to
from budwood.domain.traffic.trust import BackendTrust
from budwood.errors import BadValue, GateClosed, RecordNotFound, RolloutRunning
from budwood.verbs.ab_report import keep_report
from budwood.verbs.endpoints import arm_of, check_idle, turned_back
from budwood.verbs.house import House
from budwood.verbs.observed import observed
from budwood.verbs.pointers import point
from budwood.verbs.rollout_text import plan_from
from budwood.verbs.routing import endpoint_named, in_force, reroute
from budwood.verbs.tag import check_text

ENGINE: Final = "rollout"
CANDIDATE: Final = "candidate"
_ASK_AGAIN_MS: Final = 60_000
_LEADER: Final = "rollout-engine"
ACTS: Final = ("pause", "resume", "promote", "abort")


def start(
    house: House, namespace: str, endpoint: str, asked: StartRollout, backends: tuple[Backend, ...] = ()
) -> RolloutShown:
    """Bind a plan to an endpoint and a candidate, and take its first step.

    Raises BadPlan, BadValue, NotFound, GateClosed, Retired, RolloutRunning.
    """
    check_text(asked.reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    plan = plan_from(asked.plan)
    alias = AliasName(asked.alias) if asked.alias else ""
    now = house.clock()

    def work(transaction: Transaction) -> RolloutShown:
        record = endpoint_named(transaction, namespace, endpoint)
        check_idle(transaction, record)
        routing = in_force(transaction, record)
        candidate = _candidate(transaction, routing, asked, backends)
        baseline = routing.body.arm(routing.body.baseline)
        if candidate.digest == baseline.digest:
            raise BadValue(f"{asked.candidate} is the baseline already.", hint="Choose another version.")
        rollout = transaction.add_rollout(
            Rollout(
                *(0, record.id, namespace, endpoint, plan.name, asked.plan, plan.digest),
                *(candidate.name, candidate.number, candidate.digest, baseline.name, baseline.number),
                *(alias, house.author, now, Progress(0, now)),
            )
        )
        _shift(
            transaction, record, routing, rollout, plan, 0, candidate, actor=house.author, at_ms=now, why=asked.reason
        )
        body: dict[str, Json] = {"plan": plan.digest, "candidate": candidate.digest, "reason": asked.reason}
        transaction.add_ledger(now, house.author, "rollout.started", endpoint, body, namespace)
        return shown(transaction, rollout)

    return house.catalog.write(work)


def lead(house: House, holder: str) -> bool:
    """Whether this engine runs the rollouts for the next ``ENGINE_S``: it did before, or nobody does."""
    now = house.clock()

    def work(transaction: Transaction) -> bool:
        who, _, until = transaction.meta(_LEADER).partition(" ")
        if who not in ("", holder) and until.isdigit() and int(until) > now:
            return False
        if who != holder or int(until or 0) - now < ENGINE_S * 500:
            transaction.set_meta(_LEADER, f"{holder} {now + ENGINE_S * 1_000}")
        return True

    with house.catalog.read() as view:
        who, _, until = view.meta(_LEADER).partition(" ")
        if who == holder and int(until or 0) - now >= ENGINE_S * 500:
            return True
        if not view.running_rollouts():
            return False
    return house.catalog.write(work)


def take_over(house: House, rollout_id: int) -> int:
    """The fence of an engine that runs a rollout from now on: whoever ran it before writes no more."""

    def work(transaction: Transaction) -> int:
        rollout = _running(transaction, rollout_id)
        fenced = replace(rollout, fence=rollout.fence + 1)
        transaction.change_rollout(fenced)
        return fenced.fence

    return house.catalog.write(work)


def advance(house: House, rollout_id: int, fence: int) -> Action | None:
    """One turn: what was done. None when the rollout has ended, or another engine runs it."""
    with house.catalog.read() as view:
        waiting = _turn(view, rollout_id, fence, house.clock())
    if waiting is None or isinstance(waiting, Hold):
        return waiting
    now_ms = house.clock()

    def work(transaction: Transaction) -> Action | None:
        now = house.clock()
        action = _turn(transaction, rollout_id, fence, now)
        if action is None or isinstance(action, Hold):
            return action
        rollout = _running(transaction, rollout_id)
        _obey(transaction, rollout, action, now, house.author or ENGINE)
        return action

    try:
        return house.catalog.write(work)
    except GateClosed as closed:
        # Nothing was written. Somebody may yet let it through; until then the candidate keeps the part it has.
        return Hold(now_ms + _ASK_AGAIN_MS, f"{closed.message} {closed.hint}")


def steer(house: House, namespace: str, endpoint: str, act: str, reason: str = "") -> RolloutShown:
    """Pause, resume, promote (go on now, to the last step and then to the end) or abort the rollout that runs.

    Promoting is refused by what the guardrails say, and by policies, like everything that moves a pointer.
    Raises BadValue, RecordNotFound, GateClosed.
    """
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    if act not in ACTS:
        raise BadValue(f"{act[:80]!r} is nothing that can be done with a rollout.", hint=f"One of {', '.join(ACTS)}.")
    now = house.clock()

    def work(transaction: Transaction) -> RolloutShown:
        record = endpoint_named(transaction, namespace, endpoint)
        rollout = running_of(transaction, record)
        progress = rollout.progress
        if act == "abort":
            _end(transaction, rollout, RolloutState.ABORTED, reason or "Somebody ended it.", now, house.author)
        elif act == "promote":
            _promote(transaction, rollout, reason or "Somebody asked for it.", now, house.author)
        else:
            changed = replace(rollout, progress=replace(progress, paused=act == "pause"))
            transaction.change_rollout(changed)
            _note(transaction, changed, f"{act}d", reason, now, house.author, record.generation)
        return shown(transaction, _by_id(transaction, rollout.id))

    return house.catalog.write(work)


def show(house: House, namespace: str, endpoint: str, rollout_id: int = 0) -> RolloutShown:
    """The endpoint's newest rollout, or one of them. Raises RecordNotFound."""
    with house.catalog.read() as view:
        record = endpoint_named(view, namespace, endpoint)
        found = view.rollouts(record.id, before=rollout_id + 1 if rollout_id else 0, limit=1)
        if not found or (rollout_id and found[0].id != rollout_id):
            which = f"{endpoint} has no rollout" + (f" {rollout_id}." if rollout_id else ".")
            raise RecordNotFound(which, hint=f"Start one: budwood rollout start {endpoint} REF --canary 1%,10%,50%")
        runs = found[0].state is RolloutState.RUNNING
        return replace(shown(view, found[0]), observed=observed(view, record, house.clock()) if runs else ())


def list_rollouts(
    house: House, namespace: str, endpoint: str, *, before: int = 0, limit: int = 100
) -> tuple[Rollout, ...]:
    """Newest first. Raises RecordNotFound."""
    with house.catalog.read() as view:
        return tuple(view.rollouts(endpoint_named(view, namespace, endpoint).id, before=before, limit=limit))


def shown(view: View, rollout: Rollout) -> RolloutShown:
    """As people see it."""
    plan, tally = plan_from(rollout.plan_text), view.counted(rollout.id).tally
    record = view.endpoint_by_id(rollout.endpoint_id)
    split: Mapping[str, int] = in_force(view, record).table.split if record else {}
    return RolloutShown(
        rollout,
        split,
        _figures(tally.candidate),
        _figures(tally.baseline),
        verdicts(plan, tally),
        tuple(view.rollout_events(rollout.id)),
        tuple(_said(step) for step in plan.steps),
        tally.pairs,
        tally.disagreed,
        tuple(_figures(counts) for counts in tally.copied),
        drifts=tuple(
            DriftFigures(metric, drift.psi, drift.edges, drift.candidate, drift.baseline)
            for metric, drift in tally.drifts.items()
        ),
    )


def running_of(view: View, endpoint: EndpointRecord) -> Rollout:
    """Raises RecordNotFound."""
    for rollout in view.rollouts(endpoint.id, limit=1):
        if rollout.state is RolloutState.RUNNING:
            return rollout
    raise RecordNotFound(f"No rollout runs on {endpoint.name}.", hint=f"See: budwood rollout show {endpoint.name}")


def _candidate(view: View, routing: RoutingRecord, asked: StartRollout, backends: tuple[Backend, ...]) -> Arm:
    """The arm that has the version already, or a new one of its own. Raises BadValue, VersionNotFound."""
    body = routing.body
    model, at, selector = asked.candidate.rpartition("@")
    if not at:
        raise BadValue(f"{asked.candidate[:80]!r} names no version.", hint=f"For example {body.model}@v2.")
    if model not in ("", body.model, f"{body.namespace}/{body.model}"):
        raise BadValue(f"{body.name} serves {body.model}, not {model[:80]!r}.", hint=f"A version of {body.model}.")
    # Who is believed for the baseline is believed for its successor; that nobody was asked there is not passed on.
    trust = BackendTrust(body.arm(body.baseline).trust.ca) if any(each.tls for each in backends) else BackendTrust()
    made = arm_of(view, body.namespace, body.model, WantedArm(CANDIDATE, selector, backends, trust=trust))
    for arm in body.arms:
        if arm.digest == made.digest and (not backends or arm.backends == backends):
            return arm
    if not backends:
        hint = "Say where it runs: --backend http://host:port, or serve it: budwood serve-model."
        raise BadValue(f"No arm of {body.name} serves {asked.candidate}.", hint=hint)
    taken = {arm.name for arm in body.arms}
    name = next(name for name in (CANDIDATE, f"v{made.number}", f"v{made.number}-b") if name not in taken)
    return replace(made, name=name, names=tuple(each for each in made.names if each != CANDIDATE))


def _turn(view: View, rollout_id: int, fence: int, now_ms: int) -> Action | None:
    rollout = view.rollout(rollout_id)
    if rollout is None or rollout.state is not RolloutState.RUNNING or rollout.fence != fence:
        return None
    return next_action(plan_from(rollout.plan_text), rollout.progress, view.counted(rollout_id).tally, now_ms)


def _obey(transaction: Transaction, rollout: Rollout, action: Action, now_ms: int, actor: str) -> None:
    match action:
        case Shift(step, why):
            record = transaction.endpoint_by_id(rollout.endpoint_id)
            assert record is not None, "an endpoint with a rollout is not removed"
            routing = in_force(transaction, record)
            candidate = routing.body.arm(rollout.candidate)
            plan = plan_from(rollout.plan_text)
            _shift(transaction, record, routing, rollout, plan, step, candidate, actor=actor, at_ms=now_ms, why=why)
        case Promote(why):
            _promote(transaction, rollout, why, now_ms, actor)
        case RollBack(why):
            _end(transaction, rollout, RolloutState.ROLLED_BACK, why, now_ms, actor)
        case Hold():
            return


def _shift(
    transaction: Transaction,
    record: EndpointRecord,
    routing: RoutingRecord,
    rollout: Rollout,
    plan: Plan,
    number: int,
    candidate: Arm,
    *,
    actor: str,
    at_ms: int,
    why: str,
) -> None:
    """Take a step: the split or the shadow it asks for."""
    step, body = plan.steps[number], routing.body
    if candidate.name not in {arm.name for arm in body.arms}:
        body = replace(body, arms=(*body.arms, candidate))
    made = reroute(
        transaction,
        record,
        body,
        _table_of(routing, rollout, step),
        at_ms=at_ms,
        actor=actor,
        reason=why or f"step {number + 1} of {plan.name}",
        shadow=_shadow(plan, step, body, candidate),
        rollout_id=rollout.id,
    )
    counted = transaction.counted(rollout.id)
    tally = counted.tally
    if metrics_of(plan):
        users = unpacked(counted.users)
        tally = begun_anew(tally, users, alone=step.way is not Way.SHADOW and step.points == BUCKETS)
        transaction.put_counted(rollout.id, Counted(tally, packed(users), counted.seen_to))
    progress = Progress(number, at_ms, tally.candidate.units, tally.pairs, rollout.progress.paused)
    changed = replace(rollout, progress=progress)
    transaction.change_rollout(changed)
    _note(transaction, changed, "shifted" if number else "started", why, at_ms, actor, made.generation)


def _shadow(plan: Plan, step: Step, body: Endpoint, candidate: Arm) -> Shadow | None:
    """Bodies are captured only where the plan says how to compare them."""
    if step.way is not Way.SHADOW:
        return None
    captured = 0 if plan.comparison.kind is Kind.STATUS else body.capture.body_bytes
    return Shadow(candidate.name, step.points, captured)


def _table_of(routing: RoutingRecord, rollout: Rollout, step: Step) -> Table:
    """The candidate takes from the baseline alone: other arms keep what they have."""
    if step.way is Way.SHADOW:
        return routing.table
    split = dict(routing.table.split)
    both = split.get(rollout.candidate, 0) + split.get(rollout.baseline, 0)
    mine = round(step.points * both / BUCKETS)
    return moved_to(routing.table, {**split, rollout.candidate: mine, rollout.baseline: both - mine})


def _promote(transaction: Transaction, rollout: Rollout, why: str, now_ms: int, actor: str) -> None:
    """The candidate becomes the baseline, and the alias moves to it: both, or neither."""
    record = transaction.endpoint_by_id(rollout.endpoint_id)
    assert record is not None, "an endpoint with a rollout is not removed"
    routing = in_force(transaction, record)
    split = dict(routing.table.split)
    both = split.pop(rollout.candidate, 0) + split.pop(rollout.baseline, 0)
    made = reroute(
        transaction,
        record,
        replace(routing.body, baseline=rollout.candidate),
        moved_to(routing.table, {**split, rollout.candidate: both}),
        at_ms=now_ms,
        actor=actor,
        reason=why,
        rollout_id=rollout.id,
    )
    if rollout.alias:
        version = transaction.version_by_number(rollout.namespace, routing.body.model, rollout.candidate_number)
        assert version is not None, "a version that answers is there"
        point(transaction, rollout.alias, version, at_ms=now_ms, author=actor)
    _close(transaction, rollout, RolloutState.PROMOTED, why, now_ms, actor, made.generation)


def _end(transaction: Transaction, rollout: Rollout, state: RolloutState, why: str, now_ms: int, actor: str) -> None:
    """Everything goes back to the baseline, first of all by the kill switch."""
    record = transaction.endpoint_by_id(rollout.endpoint_id)
    assert record is not None, "an endpoint with a rollout is not removed"
    made = turned_back(transaction, record, at_ms=now_ms, actor=actor, reason=why, rollout_id=rollout.id)
    _close(transaction, rollout, state, why, now_ms, actor, made.generation)


def _close(
    transaction: Transaction,
    rollout: Rollout,
    state: RolloutState,
    why: str,
    now_ms: int,
    actor: str,
    generation: int,
) -> None:
    ended = replace(rollout, state=state, ended_ms=now_ms, ended_why=why)
    transaction.change_rollout(ended)
    _note(transaction, ended, str(state), why, now_ms, actor, generation)
    keep_report(transaction, ended, at_ms=now_ms, actor=actor)
    body: dict[str, Json] = {"rollout": rollout.id, "candidate": rollout.candidate_digest, "why": why}
    transaction.add_ledger(now_ms, actor, f"rollout.{state}", rollout.endpoint, body, rollout.namespace)


def _note(
    transaction: Transaction, rollout: Rollout, kind: str, detail: str, at_ms: int, actor: str, generation: int
) -> None:
    event = RolloutEvent(rollout.id, 0, at_ms, actor, kind, detail, rollout.progress.step, generation)
    transaction.add_rollout_event(event)


def _running(view: View, rollout_id: int) -> Rollout:
    rollout = _by_id(view, rollout_id)
    if rollout.state is not RolloutState.RUNNING:
        raise RolloutRunning(f"The rollout has ended: {rollout.state}.", rollout=rollout.id)
    return rollout


def _by_id(view: View, rollout_id: int) -> Rollout:
    found = view.rollout(rollout_id)
    if found is None:
        raise RecordNotFound(f"There is no rollout {rollout_id}.")
    return found


def _figures(counts: Counts) -> ArmFigures:
    quantiles = (counts.quantile_us(each) for each in (0.5, 0.95, 0.99))
    return ArmFigures(counts.requests, counts.failed, counts.units, *quantiles)


def _said(step: Step) -> str:
    part = f"{step.points / 100:g} %"
    match step.way:
        case Way.SHADOW:
            said = f"shadow {part}"
        case Way.CANARY:
            said = f"canary {part}"
        case Way.COMPARE:
            said = f"compare {part} by {step.metric}"
        case Way.SWITCH:
            said = "switch"
    waits = [f"hold {step.hold_s} s" if step.hold_s else "", f"{step.samples} samples" if step.samples else ""]
    return ", ".join(filter(None, (said, *waits)))
