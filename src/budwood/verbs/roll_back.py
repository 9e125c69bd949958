"""roll-back: an alias or stage returns to what it pointed at before; the history of both is kept.

The traffic of endpoints whose baseline came by it goes back with it, in the same transaction (``following.py``).
"""

from budwood.catalog.api import Transaction
from budwood.domain.canon import Json
from budwood.domain.names import AliasName, Stage
from budwood.domain.records import ModelRecord, VersionRecord, stage_pointer
from budwood.domain.results import Moved
from budwood.verbs.following import Followed, follow_back
from budwood.verbs.guard import may_return
from budwood.verbs.house import House
from budwood.verbs.pointers import back, check_unmoved, point
from budwood.verbs.resolve import model_named
from budwood.verbs.stage import leave_stage


def roll_back(house: House, model: str, pointer: str, *, expected: str = "") -> Moved:
    """``pointer`` is an alias or a stage. Raises NothingBefore, ModelNotFound, BadName, PreconditionFailed."""
    now = house.clock()
    stage = Stage(pointer) if pointer in frozenset(Stage) else None
    name = AliasName(pointer) if stage is None else stage_pointer(stage)

    def work(transaction: Transaction) -> Moved:
        record = model_named(transaction, model)
        check_unmoved(transaction, record.id, name, expected)
        if stage is None:
            moved = back(transaction, record.id, name, at_ms=now, author=house.author)
        else:
            moved = _stage_back(transaction, record, stage, at_ms=now, author=house.author)
        followed = Followed()
        if moved.before is not None and moved.after is not None:
            followed = follow_back(
                transaction, record, pointer, moved.before, moved.after, at_ms=now, actor=house.author
            )
        body: dict[str, Json] = {
            "pointer": pointer,
            "from": moved.before.number if moved.before else 0,
            "to": moved.after.number if moved.after else 0,
        }
        if followed.moved:
            body["endpoints"] = list(followed.moved)
        if followed.left:
            body["endpoints left"] = list(followed.left)
        transaction.add_ledger(now, house.author, "pointer.rolled-back", record.path, body, record.namespace)
        return moved

    return house.catalog.write(work)


def _stage_back(transaction: Transaction, model: ModelRecord, stage: Stage, *, at_ms: int, author: str) -> Moved:
    """The version that left is put where it was before; the one that returns leaves where it is now."""
    moved = back(transaction, model.id, stage_pointer(stage), at_ms=at_ms, author=author)
    if (leaver := moved.before) is not None and leaver.stage is stage:
        earlier = _stage_before(transaction, leaver, stage)
        if earlier is not Stage.DEVELOPMENT and not may_return(transaction, leaver, stage_pointer(earlier)):
            earlier = Stage.DEVELOPMENT
        if earlier is not Stage.DEVELOPMENT:
            point(transaction, stage_pointer(earlier), leaver, at_ms=at_ms, author=author)
        transaction.set_stage(leaver.id, earlier, at_ms=at_ms, author=author)
    returner = moved.after
    assert returner is not None
    if returner.stage is not stage:
        leave_stage(transaction, returner, at_ms=at_ms, author=author)
        transaction.set_stage(returner.id, stage, at_ms=at_ms, author=author)
    return moved


def _stage_before(transaction: Transaction, version: VersionRecord, stage: Stage) -> Stage:
    """The stage the version was in before it last entered ``stage``; development when that was its first."""
    history = [entered for _, entered in transaction.stage_history(version.id)]
    while history and history[-1] is stage:
        history.pop()
    return history[-1] if history else Stage.DEVELOPMENT
