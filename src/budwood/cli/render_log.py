"""Draws a model's family: one line for each version, parents above children, oldest first.

◆ v1  1.0.0   a version that came from none of this model
├─● v3        a line of its own from v1
│ ● v5
● v2          the main line goes on
● v4
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from budwood.cli.list import pointed, pointer_name
from budwood.cli.screen import Column, Screen
from budwood.cli.search import subject
from budwood.cli.words import count, size_text
from budwood.domain.family import Branch, family_tree

if TYPE_CHECKING:
    from budwood.domain.records import Move, VersionRecord
    from budwood.domain.results import Family

NOWHERE = "—"


def draw_family(screen: Screen, family: "Family", elsewhere: "Mapping[int, str]", *, moves: bool) -> None:
    """``elsewhere`` names parents that are no versions of this page: ids to references."""
    shown = {version.id: f"v{version.number}" for version in family.versions}
    tree = family_tree(family.versions, family.edges)
    pointers = _pointers(family.pointers)
    rows = [
        (
            f"{_graph(branch)} v{branch.version.number}",
            branch.version.label,
            _standing(branch.version, pointers.get(branch.version.id, ())),
            size_text(branch.version.size_bytes),
            screen.moment(branch.version.created_ms),
            _origin(branch, shown, elsewhere),
            subject(branch.version),
            branch.version.author,
        )
        for branch in tree
    ]
    columns = (
        Column("version", style="bold"),
        Column("label"),
        Column("stands", elastic=True, style="green"),
        Column("size", right=True),
        Column("pushed", style="dim"),
        Column("from", elastic=True, style="dim", spare=True),
        Column("message", elastic=True),
        Column("author", elastic=True, spare=True, style="dim"),
    )
    screen.line(
        f"{family.model.path}: {family.model.kind.value}, {count(family.model.last_number, 'version')} ever pushed"
    )
    screen.table(columns, rows)
    if family.computed:
        screen.heading("Computed, and proved bit for bit")
        numbers = {version.id: f"v{version.number}" for version in family.versions}
        proved = [(numbers[each.version], each.text) for each in family.computed]
        screen.table((Column("version", style="bold"), Column("", elastic=True)), proved)
    if moves:
        screen.heading("Moves of aliases and stages, newest first")
        _draw_moves(screen, family.moves)


def outside(family: "Family") -> dict[int, list[int]]:
    """Versions with parents that are not on this page: their ids, and those of the parents."""
    shown = {version.id for version in family.versions}
    found: dict[int, list[int]] = {}
    for child, parent in family.edges:
        if child in shown and parent not in shown:
            found.setdefault(child, []).append(parent)
    return found


def _graph(branch: Branch) -> str:
    mark = "●" if branch.parent else "◆"
    if branch.depth == 0:
        return mark
    last = "├─" if branch.opens else "│ "
    return "│ " * (branch.depth - 1) + last + mark


def _pointers(moves: "Sequence[Move]") -> dict[int, list[str]]:
    """Names by the version they point at, aliases first."""
    found: dict[int, list[str]] = {}
    for move in sorted(filter(pointed, moves), key=lambda move: (":" in move.pointer, move.pointer)):
        if ":" not in move.pointer:
            found.setdefault(move.version_id, []).append(pointer_name(move))
    return found


def _standing(version: "VersionRecord", aliases: Sequence[str]) -> str:
    words = [f"@{name}" for name in aliases]
    if version.stage.value != "development":
        words.append(version.stage.value)
    if version.retired_ms:
        words.append("retired")
    return " ".join(words)


def _origin(branch: Branch, shown: Mapping[int, str], elsewhere: Mapping[int, str]) -> str:
    others = [shown.get(parent) or elsewhere.get(parent, "an older version") for parent in branch.also_from]
    return ", ".join(others if not branch.parent else [f"also {other}" for other in others])


def _draw_moves(screen: Screen, moves: "Sequence[Move]") -> None:
    numbers = {move.id: move.version_number for move in moves}
    rows = [
        (
            screen.moment(move.at_ms),
            pointer_name(move),
            f"v{move.version_number}" if move.version_number else NOWHERE,
            f"v{numbers[move.before]}" if numbers.get(move.before) else "",
            move.reason.value,
            move.author,
        )
        for move in sorted(moves, key=lambda move: -move.id)
    ]
    columns = (
        Column("when", style="dim"),
        Column("name", style="bold"),
        Column("to"),
        Column("before"),
        Column("how"),
        Column("author", elastic=True, spare=True, style="dim"),
    )
    screen.table(columns, rows)
