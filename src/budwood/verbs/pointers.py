"""Moving aliases and stages: the rules both share. Called inside a verb's transaction.

Nothing else moves a pointer, so here is where policies are asked (guard.py): there is no door beside this one.
"""

from collections.abc import Callable
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.limits import ALIASES_PER_MODEL
from budwood.domain.names import Stage
from budwood.domain.records import Move, MoveReason, VersionRecord, stage_pointer
from budwood.domain.results import Moved
from budwood.errors import LimitExceeded, NothingBefore, PreconditionFailed, Retired
from budwood.verbs.guard import check_gates, may_return
from budwood.verbs.judge import check_stage
from budwood.verbs.manifests import check_bytes

_IDLE: Final = frozenset({stage_pointer(Stage.DEVELOPMENT), stage_pointer(Stage.ARCHIVED)})
"""Nobody takes bytes from what they point at."""


def check_unmoved(view: View, model_id: int, pointer: str, expected: str) -> None:
    """``expected`` is the id of the move that was in force when the caller looked ("" asks nothing, "0" is: none).

    Raises PreconditionFailed.
    """
    current = view.pointer(model_id, pointer) if expected else None
    if expected and expected != str(current.id if current else 0):
        raise PreconditionFailed(f"{_plain(pointer)!r} was moved meanwhile.", pointer=_plain(pointer))


def point(
    transaction: Transaction,
    pointer: str,
    version: VersionRecord,
    *,
    at_ms: int,
    author: str,
    let_through: bool = False,
    reason: MoveReason = MoveReason.SET,
) -> Moved:
    """Set a pointer to a version. The move remembers the one in force before it.

    Where policies guard the pointer they are asked first, unless this transaction has just asked them
    (``let_through``). What the namespace's standard asks of a stage, only an emergency goes past.
    Raises Retired, BytesGone, StandardUnmet, GateClosed, LimitExceeded.
    """
    if version.retired_ms:
        raise Retired(f"{version.reference} is retired: {version.retired_reason or 'no reason given'}.")
    if pointer not in _IDLE:
        check_bytes(version)
    if reason is not MoveReason.PAST_GATES:
        check_stage(transaction, version, pointer)
    if not let_through:
        check_gates(transaction, version, pointer)
    current = transaction.pointer(version.model_id, pointer)
    if not (current and current.version_id) and ":" not in pointer and _is_full(transaction, version.model_id):
        raise LimitExceeded(f"A model has at most {ALIASES_PER_MODEL} aliases.", limit="ALIASES_PER_MODEL")
    before = transaction.version_by_id(current.version_id) if current and current.version_id else None
    move = transaction.add_move(
        version.model_id,
        pointer,
        version,
        at_ms=at_ms,
        author=author,
        reason=reason,
        before=current.id if current else 0,
    )
    return Moved(pointer, before, version, move)


def take_away(transaction: Transaction, model_id: int, pointer: str, *, at_ms: int, author: str) -> Moved | None:
    """Remove a pointer; None when it points nowhere."""
    current = transaction.pointer(model_id, pointer)
    if current is None or not current.version_id:
        return None
    before = transaction.version_by_id(current.version_id)
    move = transaction.add_move(
        model_id, pointer, None, at_ms=at_ms, author=author, reason=MoveReason.REMOVED, before=current.id
    )
    return Moved(pointer, before, None, move)


def back(
    transaction: Transaction,
    model_id: int,
    pointer: str,
    *,
    at_ms: int,
    author: str,
    fits: Callable[[VersionRecord], bool] = lambda version: not version.retired_ms and not version.gone_ms,
) -> Moved:
    """Return a pointer to what it pointed at before. Raises NothingBefore.

    Steps over versions that were deleted since, those that do not fit (retired ones, unless said otherwise), and
    those that only ever came to a guarded pointer past its gates.
    The new move takes over the memory of the one it returns to, so that going back twice goes two steps back.
    """
    current = transaction.pointer(model_id, pointer)
    if current is None:
        raise NothingBefore(f"{_plain(pointer)!r} never pointed anywhere.", pointer=_plain(pointer))
    earlier = _earlier(transaction, current)
    while earlier is not None:
        version = transaction.version_by_id(earlier.version_id) if earlier.version_id else None
        stays = version is None or version.id == current.version_id
        if version is not None and not stays and fits(version) and may_return(transaction, version, pointer):
            before = transaction.version_by_id(current.version_id) if current.version_id else None
            move = transaction.add_move(
                model_id,
                pointer,
                version,
                at_ms=at_ms,
                author=author,
                reason=MoveReason.ROLLED_BACK,
                before=earlier.before,
            )
            return Moved(pointer, before, version, move)
        earlier = _earlier(transaction, earlier)
    raise NothingBefore(
        f"Before this, {_plain(pointer)!r} pointed nowhere it could return to.", pointer=_plain(pointer)
    )


def _is_full(transaction: Transaction, model_id: int) -> bool:
    """Whether the model has as many aliases as it may; a stage is none, and never refused for them."""
    return sum(":" not in move.pointer for move in transaction.pointers(model_id)) >= ALIASES_PER_MODEL


def _earlier(transaction: Transaction, move: Move) -> Move | None:
    return transaction.move_by_id(move.before) if move.before else None


def _plain(pointer: str) -> str:
    """An alias as it is, a stage by its own name."""
    return pointer.removeprefix("stage:")
