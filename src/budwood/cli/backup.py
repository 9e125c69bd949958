"""budwood backup: a consistent copy of the registry, taken while it is in use."""

from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar
from budwood.cli.words import count, duration_text, size_text

EPILOG = examples("budwood backup backups/models", "budwood --registry models backup backups/models")


def backup(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New, empty, or holding an earlier backup.")],
    json: Json = False,
) -> None:
    """Copy catalog and packs to a folder. Into the same folder again, only what is new is copied."""
    with opened(ctx) as registry, bar("Backing up", None, json=json) as advance:
        made = registry.backup(folder, progress=advance)
    told = (
        f"{made.path}: {count(made.versions, 'version')}, {count(made.packs, 'pack')} ({made.copied_packs} copied), "
        f"{size_text(made.size)}, {duration_text(made.seconds)}"
    )
    answer(made, lambda screen: screen.line(told), json=json)
