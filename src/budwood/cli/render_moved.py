"""Draws the move of an alias or stage in one line: where it points now, and where it pointed before."""

from typing import TYPE_CHECKING

from budwood.cli.face import named
from budwood.cli.screen import Screen

if TYPE_CHECKING:
    from budwood.domain.results import Moved


def draw_moved(screen: Screen, moved: "Moved") -> None:
    name = moved.pointer.removeprefix("stage:")
    if moved.after is None:
        was = f", was {named(moved.before)}" if moved.before else ""
        screen.line(f"{name} points nowhere now{was}")
    elif moved.before is None:
        screen.line(f"{name} → {named(moved.after)}")
    elif moved.before.id == moved.after.id:
        screen.line(f"{name} → {named(moved.after)}, as before")
    else:
        screen.line(f"{name} → {named(moved.after)}, was {named(moved.before)}")
