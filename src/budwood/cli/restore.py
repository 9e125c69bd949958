"""budwood restore: make a registry from a backup."""

from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.face import Json, Typed, answer
from budwood.cli.help import examples
from budwood.cli.progress import bar
from budwood.cli.words import count, duration_text, minute_text, size_text

EPILOG = examples("budwood restore backups/models --into models-again")


def restore(
    ctx: typer.Context,
    backup: Annotated[Path, typer.Argument(metavar="FOLDER", help="What 'budwood backup' wrote.")],
    into: Annotated[
        str, typer.Option("--into", metavar="PATH", help="A new folder; else the settings' registry.")
    ] = "",
    json: Json = False,
) -> None:
    """Make a registry from a backup, in an empty place, once every byte of the backup is verified."""
    from budwood.wiring import restore as restore_backup

    typed = ctx.find_object(Typed) or Typed()
    with bar("Restoring", None, json=json) as advance:
        made = restore_backup(backup, into or typed.registry or None, progress=advance)
    told = (
        f"{made.place}: {count(made.versions, 'version')}, {count(made.packs, 'pack')}, {size_text(made.size)}, "
        f"as of {minute_text(made.made_ms)}, {duration_text(made.seconds)}"
    )
    answer(made, lambda screen: screen.line(told), json=json)
