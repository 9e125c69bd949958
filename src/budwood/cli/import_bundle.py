"""budwood import: take in a bundle from another registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, named, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar
from budwood.cli.screen import Screen
from budwood.cli.words import count, size_text
from budwood.errors import SourceNotFound

if TYPE_CHECKING:
    from budwood.domain.results import Imported

EPILOG = examples("budwood import bundle encoder.budwood", "budwood --registry other import encoder.budwood")


def import_bundle(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'budwood export' wrote.")],
    json: Json = False,
) -> None:
    """Take in a bundle, every byte verified first. Versions that are here already are skipped."""
    if not file.exists():
        raise SourceNotFound(f"There is no file {str(file)!r}.", path=str(file))
    with opened(ctx, create=True) as registry, bar("Importing", None, json=json) as advance:
        imported = registry.import_bundle(file, progress=advance)
    answer(imported, lambda screen: draw_imported(screen, imported), json=json)


def draw_imported(screen: Screen, imported: "Imported") -> None:
    for version in imported.versions:
        screen.line(f"{named(version)}: imported")
    for version in imported.skipped:
        screen.line(f"{named(version)}: here already")
    screen.line(f"{count(imported.new_blocks, 'new block')}, {size_text(imported.stored_bytes)}")
