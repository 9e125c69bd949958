"""budwood alias: a movable name for one version."""

from typing import Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.render_moved import draw_moved

EPILOG = examples("budwood alias encoder@1.2.0 champion", "budwood alias --remove encoder champion")


def alias(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="The version; with --remove, the model.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The alias.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away from the model.")] = False,
    json: Json = False,
) -> None:
    """Point an alias at a version, or take it away. Every move is kept: 'budwood log MODEL --moves'."""
    with opened(ctx) as registry:
        moved = registry.remove_alias(ref, name) if remove else registry.alias(ref, name)
    answer(moved, lambda screen: draw_moved(screen, moved), json=json)
