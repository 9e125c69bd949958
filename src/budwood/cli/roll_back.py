"""budwood roll-back: an alias or stage returns to what it pointed at before."""

from typing import Annotated

import typer

from budwood.cli.face import Json, Model, answer, opened
from budwood.cli.help import examples
from budwood.cli.render_moved import draw_moved

EPILOG = examples("budwood roll-back encoder production", "budwood roll-back encoder champion")


def roll_back(
    ctx: typer.Context,
    model: Model,
    pointer: Annotated[str, typer.Argument(metavar="NAME", help="The alias or stage that returns.")],
    json: Json = False,
) -> None:
    """Return an alias or stage to where it pointed before.

    Twice goes two steps back. The history of both moves is kept: 'budwood log MODEL --moves'.
    """
    with opened(ctx) as registry:
        moved = registry.roll_back(model, pointer)
    answer(moved, lambda screen: draw_moved(screen, moved), json=json)
