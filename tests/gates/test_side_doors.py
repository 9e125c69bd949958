"""There is one door to a pointer: the code of every room, read for another one.

What the doors do is tried in ``tests/attacks/test_promotions.py`` and ``tests/verbs/test_gates.py``; this sees a door
that somebody builds later.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import budwood

ROOT = Path(budwood.__file__).parent
ONLY_IN = {
    # What moves a pointer, and who may call it.
    "add_move": {"verbs/pointers.py"},
    "point": {
        "verbs/alias.py",
        "verbs/listings/pointing.py",
        "verbs/promotions.py",
        "verbs/publish.py",
        "verbs/roll_back.py",
        "verbs/rollouts.py",
        "verbs/stage.py",
    },
    "back": {"verbs/roll_back.py", "verbs/stage.py"},
    "enter_stage": {"verbs/listings/pointing.py", "verbs/promotions.py", "verbs/stage.py"},
    # What shows a version in a stage. A retired one is archived, whatever guards the archive.
    "set_stage": {"verbs/retire.py", "verbs/roll_back.py", "verbs/stage.py"},
    # What takes over a whole catalog, pointers and all: only into one that holds no model.
    "fill": {"verbs/restore.py"},
}
PASSED_ON = {"verbs/stage.py", "verbs/pointers.py"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).as_posix()
        if room.startswith("catalog/"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield room, node


def name_of(call: ast.Call) -> str:
    """The last word of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_ours(call: ast.Call) -> bool:
    """Called by name, or upon a transaction: others have methods of the same name."""
    if isinstance(call.func, ast.Name):
        return True
    return isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "transaction"


@pytest.mark.parametrize("name", ONLY_IN)
def test_nothing_else_moves_a_pointer(name: str) -> None:
    found = {room for room, call in calls() if name_of(call) == name and is_ours(call)}
    assert found == ONLY_IN[name]


def test_only_a_promotion_that_was_just_decided_is_let_through_unasked() -> None:
    letting = {
        room
        for room, call in calls()
        for word in call.keywords
        if word.arg == "let_through" and not (isinstance(word.value, ast.Name) and room in PASSED_ON)
    }
    assert letting == {"verbs/promotions.py"}


def test_a_pointer_is_put_and_returned_only_after_the_gates_were_asked() -> None:
    text = (ROOT / "verbs/pointers.py").read_text("utf-8")
    bodies = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    moving = {name for name, node in bodies.items() if "add_move" in ast.unparse(node)}
    assert moving == {"point", "take_away", "back"}
    assert "check_gates(transaction, version, pointer)" in ast.unparse(bodies["point"])
    assert "may_return(transaction, version, pointer)" in ast.unparse(bodies["back"])
