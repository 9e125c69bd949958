"""budwood stage: say where a version stands."""

from typing import Annotated

import typer

from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import examples
from budwood.cli.render_moved import draw_moved

EPILOG = examples("budwood stage encoder@1.2.0 production", "budwood stage encoder@v1 archived")


def stage(
    ctx: typer.Context,
    ref: Ref,
    to: Annotated[str, typer.Argument(metavar="STAGE", help="development, staging, production or archived.")],
    json: Json = False,
) -> None:
    """Put a version in a stage. MODEL@production then means the newest to arrive there."""
    with opened(ctx) as registry:
        moved = registry.stage(ref, to)
    answer(moved, lambda screen: draw_moved(screen, moved), json=json)
