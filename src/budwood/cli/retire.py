"""budwood retire: say that a version must not be used any more."""

from typing import Annotated

import typer

from budwood.cli.face import Json, Ref, answer, named, opened
from budwood.cli.help import examples

EPILOG = examples("budwood retire encoder@v1 --reason 'trained on withdrawn data'")


def retire(
    ctx: typer.Context,
    ref: Ref,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, in words.")] = "",
    json: Json = False,
) -> None:
    """Say that a version must not be used any more. It stays here and can be pulled, but no name can move to it."""
    with opened(ctx) as registry:
        version = registry.retire(ref, reason).record
    why = f": {version.retired_reason}" if version.retired_reason else ""
    answer({"version": version}, lambda screen: screen.line(f"{named(version)} is retired{why}"), json=json)
