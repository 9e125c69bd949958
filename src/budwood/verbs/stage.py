"""stage: say where a version stands: development, staging, production or archived."""

from budwood.catalog.api import Transaction
from budwood.domain.names import Stage
from budwood.domain.records import MoveReason, VersionRecord, stage_pointer
from budwood.domain.results import Moved
from budwood.errors import BadValue, NothingBefore
from budwood.verbs.house import House
from budwood.verbs.pointers import back, check_unmoved, point, take_away
from budwood.verbs.resolve import resolve


def parse_stage(text: str) -> Stage:
    """Raises BadValue."""
    try:
        return Stage(text)
    except ValueError as error:
        raise BadValue(f"{text!r} is not a stage.", hint=f"Stages are {', '.join(Stage)}.") from error


def stage(house: House, reference: str, to: str, *, expected: str = "") -> Moved:
    """Put the version in a stage. Others keep theirs: a canary and the version it replaces may both be in
    production; ``@production`` is the newest to arrive.

    Raises BadValue, Retired, GateClosed, NotFound, PreconditionFailed.
    """
    target, now = parse_stage(to), house.clock()

    def work(transaction: Transaction) -> Moved:
        version = resolve(transaction, reference)
        check_unmoved(transaction, version.model_id, stage_pointer(target), expected)
        return enter_stage(transaction, version, target, at_ms=now, author=house.author)

    return house.catalog.write(work)


def enter_stage(
    transaction: Transaction,
    version: VersionRecord,
    stage: Stage,
    *,
    at_ms: int,
    author: str,
    let_through: bool = False,
    reason: MoveReason = MoveReason.SET,
) -> Moved:
    """The version leaves its stage for this one; ``let_through`` as in ``point``. Raises Retired, GateClosed."""
    if version.stage is not stage:
        # Whoever comes again does not go first: for that moment the stage would be another version's.
        leave_stage(transaction, version, at_ms=at_ms, author=author)
    pointer = stage_pointer(stage)
    moved = point(transaction, pointer, version, at_ms=at_ms, author=author, let_through=let_through, reason=reason)
    transaction.set_stage(version.id, stage, at_ms=at_ms, author=author)
    body = {"from": str(version.stage), "to": str(stage)}
    transaction.add_ledger(at_ms, author, "version.staged", version.reference, body, version.namespace)
    return moved


def leave_stage(transaction: Transaction, version: VersionRecord, *, at_ms: int, author: str) -> None:
    """When its present stage points at the version, point it at the one before that is still in that stage."""
    pointer = stage_pointer(version.stage)
    current = transaction.pointer(version.model_id, pointer)
    if current is None or current.version_id != version.id:
        return

    def fits(other: VersionRecord) -> bool:
        return other.stage is version.stage and not other.retired_ms and not other.gone_ms

    try:
        back(transaction, version.model_id, pointer, at_ms=at_ms, author=author, fits=fits)
    except NothingBefore:
        take_away(transaction, version.model_id, pointer, at_ms=at_ms, author=author)
